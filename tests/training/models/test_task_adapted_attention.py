"""TAA, against loops over tasks, images, windows, heads, queries and keys."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from tests.training.tiny import stir
from training.models.task_adapted_attention import TaskAdaptedAttention

CHANNELS, HEADS, TASKS, IMAGES, EMBEDDING = 6, 2, 2, 2, 8
Place = tuple[int, int]


def plain_attention(attention: TaskAdaptedAttention, grid: Tensor, task_bias: Tensor) -> Tensor:
    """Attention of each token over the tokens of its window, one by one; `task_bias` is A' (T, N, N)."""
    window, size = attention.window, CHANNELS // HEADS
    height, width = grid.shape[2:4]
    shift = attention.shift if min(height, width) > window else 0
    result = torch.zeros_like(grid)
    for task, image in product(range(TASKS), range(IMAGES)):
        qkv = grid[task, image] @ attention.qkv.weight.T + attention.qkv.bias
        for row in range(height):
            for column in range(width):
                q_place, window_of_q = placed(row, column, height, width, window, shift)
                attended = []
                for head in range(HEADS):
                    query = qkv[row, column, head * size : (head + 1) * size]
                    logits, values = [], []
                    for r in range(height):
                        for c in range(width):
                            k_place, window_of_k = placed(r, c, height, width, window, shift)
                            if window_of_k != window_of_q:
                                continue
                            key = qkv[r, c, CHANNELS + head * size : CHANNELS + (head + 1) * size]
                            dy, dx = q_place[0] - k_place[0], q_place[1] - k_place[1]
                            entry = (dy + window - 1) * (2 * window - 1) + dx + window - 1
                            q, k = (y * window + x for y, x in (q_place, k_place))
                            logits.append(
                                (query @ key) / math.sqrt(size)
                                + attention.position_bias[entry, head]
                                + task_bias[task, q, k]
                            )
                            values.append(qkv[r, c, 2 * CHANNELS + head * size : 2 * CHANNELS + (head + 1) * size])
                    weights = torch.stack(logits).softmax(0)
                    attended.append(sum(w * v for w, v in zip(weights, values, strict=True)))
                result[task, image, row, column] = (
                    attention.projection.weight @ torch.cat(attended) + attention.projection.bias
                )
    return result


def placed(row: int, column: int, height: int, width: int, window: int, shift: int) -> tuple[Place, tuple[int, ...]]:
    """A token's place in its window, and which window that is.

    Shifted windows begin `shift` further down and right. Tokens above or left of the first one are rolled to the
    end, where they share a window with others but not their sight: they count as a window of their own.
    """
    rows, columns = (-(-s // window) * window for s in (height, width))
    y, x = (row - shift) % rows, (column - shift) % columns
    return (y % window, x % window), (y // window, x // window, row < shift, column < shift)


def attention_of(window: int, shift: int) -> TaskAdaptedAttention:
    torch.manual_seed(0)
    return TaskAdaptedAttention(CHANNELS, HEADS, window, shift, EMBEDDING).double()


@torch.no_grad()
@pytest.mark.parametrize(
    ("height", "width", "window", "shift"),
    [(4, 6, 2, 0), (4, 6, 2, 1), (5, 7, 3, 1), (3, 5, 2, 1), (2, 3, 4, 2), (3, 8, 3, 1)],
    ids=["plain", "shifted", "padded", "padded-shifted", "one-window", "one-row-of-windows"],
)
def test_it_is_the_formula(height: int, width: int, window: int, shift: int) -> None:
    attention = attention_of(window, shift)
    stir(attention, 0.5)
    grid = torch.randn(TASKS, IMAGES, height, width, CHANNELS, dtype=torch.float64)
    embedding = torch.randn(TASKS, EMBEDDING, dtype=torch.float64)

    attended = attention(grid, attention.condition(embedding, height, width))

    expected = plain_attention(attention, grid, attention.film(embedding))
    torch.testing.assert_close(attended, expected, rtol=0, atol=1e-10)


@torch.no_grad()
def test_tokens_that_all_tasks_share_are_as_good_as_the_same_ones_for_each() -> None:
    attention = attention_of(2, 1)
    stir(attention, 0.5)
    shared = torch.randn(1, IMAGES, 4, 6, CHANNELS, dtype=torch.float64)
    condition = attention.condition(torch.randn(TASKS, EMBEDDING, dtype=torch.float64), 4, 6)
    for_each = attention(shared.expand(TASKS, -1, -1, -1, -1), condition)
    torch.testing.assert_close(attention(shared, condition), for_each, rtol=0, atol=1e-12)


@torch.no_grad()
def test_unadapted_it_is_plain_window_attention_exactly() -> None:
    """With M = 0 and FiLM's weights 0, as at the start, the task makes no difference to a single bit."""
    attention = attention_of(2, 1)
    attention.position_bias.normal_()
    grid = torch.randn(TASKS, IMAGES, 4, 6, CHANNELS, dtype=torch.float64)
    embedding = torch.randn(TASKS, EMBEDDING, dtype=torch.float64)
    nobody = torch.zeros(1, EMBEDDING, dtype=torch.float64)

    attended = attention(grid, attention.condition(embedding, 4, 6))

    assert torch.equal(attended, attention(grid, attention.condition(nobody, 4, 6)))
    none = torch.zeros(TASKS, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(attended, plain_attention(attention, grid, none), rtol=0, atol=1e-12)


def test_the_adaptation_does_not_get_stuck_where_it_starts() -> None:
    attention = attention_of(2, 1)
    grid = torch.randn(TASKS, IMAGES, 4, 4, CHANNELS, dtype=torch.float64)
    embedding = torch.randn(TASKS, EMBEDDING, dtype=torch.float64)
    wish = torch.randn_like(grid)
    optimiser = torch.optim.AdamW(attention.parameters(), lr=1e-2)

    def backward() -> None:
        optimiser.zero_grad()
        attended = attention(grid, attention.condition(embedding, 4, 4))
        (attended - wish).square().mean().backward()

    film = attention.film
    backward()
    assert film.modulation.bias.grad is not None and film.modulation.bias.grad[2:].any(), "the gradient of β"
    assert film.matrix.grad is not None and film.matrix.grad.any()
    optimiser.step()
    assert film.matrix.any()
    backward()
    assert film.modulation.bias.grad[:2].any(), "the gradient of γ, which M = 0 had held back"


@torch.no_grad()
def test_tasks_differ_once_they_are_conditioned() -> None:
    attention = attention_of(2, 0)
    stir(attention, 0.5)
    grid = torch.randn(1, IMAGES, 4, 4, CHANNELS, dtype=torch.float64)
    embedding = torch.randn(TASKS, EMBEDDING, dtype=torch.float64)
    first, second = attention(grid, attention.condition(embedding, 4, 4))
    assert (first - second).abs().max() > 1e-3
