"""Windows of tokens, against loops over every token."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.models.windows import attention_mask, merge, partition, relative_position_index

SIZES = st.integers(1, 9)
WINDOWS = st.integers(1, 4).flatmap(lambda w: st.tuples(st.just(w), st.integers(0, w - 1)))


def places(height: int, width: int, window: int, shift: int) -> list[list[tuple[int, int]]]:
    """For every window the place (row, column) in the padded grid of each of its tokens, row by row.

    With a shift the windows lie `shift` further down and right, and what falls off comes in again at the start.
    """
    rows, columns = -(-height // window), -(-width // window)
    return [
        [
            ((i * window + y + shift) % (rows * window), (j * window + x + shift) % (columns * window))
            for y in range(window)
            for x in range(window)
        ]
        for i in range(rows)
        for j in range(columns)
    ]


@settings(max_examples=50)  # each looks at every token
@given(SIZES, SIZES, WINDOWS)
def test_partition_puts_every_token_in_its_window_and_pads_with_zeros(
    height: int, width: int, window_shift: tuple[int, int]
) -> None:
    grid = 1 + torch.arange(2 * height * width * 3, dtype=torch.float64).view(2, height, width, 3)
    tokens = partition(grid, *window_shift)
    expected = places(height, width, *window_shift)
    assert tokens.shape == (2, len(expected), window_shift[0] ** 2, 3)
    for w, window in enumerate(expected):
        for n, (row, column) in enumerate(window):
            there = row < height and column < width
            token = grid[:, row, column] if there else torch.zeros(2, 3, dtype=torch.float64)
            assert torch.equal(tokens[:, w, n], token)


@given(SIZES, SIZES, WINDOWS)
def test_merge_undoes_partition(height: int, width: int, window_shift: tuple[int, int]) -> None:
    window, shift = window_shift
    grid = torch.randn(2, height, width, 3)
    assert torch.equal(merge(partition(grid, window, shift), height, width, window, shift), grid)


@settings(max_examples=50)
@given(SIZES, SIZES, WINDOWS)
def test_tokens_see_each_other_where_they_are_true_neighbours(
    height: int, width: int, window_shift: tuple[int, int]
) -> None:
    """Two tokens of a window belong together if neither the roll nor the padding brought them there."""
    window, shift = window_shift
    mask = attention_mask(height, width, window, shift)

    def origin(place: int, size: int) -> str:
        return "padding" if place >= size else "wrapped" if place < shift else "in place"

    for w, tokens in enumerate(places(height, width, window, shift)):
        kinds = [(origin(row, height), origin(column, width)) for row, column in tokens]
        for q, kind in enumerate(kinds):
            for k, other in enumerate(kinds):
                assert mask[w, q, k] == (0 if kind == other else -100)


def test_without_shift_and_padding_nothing_is_masked() -> None:
    assert not attention_mask(8, 12, 4, 0).any()


@pytest.mark.parametrize("window", [1, 2, 3, 7])
def test_relative_position_index_names_each_offset_once(window: int) -> None:
    index = relative_position_index(window)
    offsets: dict[int, tuple[int, int]] = {}
    for q in range(window**2):
        for k in range(window**2):
            offset = q // window - k // window, q % window - k % window
            assert offsets.setdefault(int(index[q, k]), offset) == offset
            # Swin's table: rows by vertical offset, columns by horizontal, both from the most negative.
            assert index[q, k] == (offset[0] + window - 1) * (2 * window - 1) + offset[1] + window - 1
    assert sorted(offsets) == list(range((2 * window - 1) ** 2))
