"""Work done ahead loses nothing, not even errors, and stops when it is no longer wanted."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from avtar_ros.replay.running.prefetch import prefetch


def test_items_come_in_order_and_were_made_in_another_thread() -> None:
    def items() -> Iterator[tuple[int, int]]:
        for i in range(100):
            yield i, threading.get_ident()

    found = list(prefetch(items()))
    assert [i for i, _ in found] == list(range(100))
    assert threading.get_ident() not in {thread for _, thread in found}


def test_errors_come_out_after_the_items_before_them() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    ahead = prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_no_more_than_the_depth_is_made_ahead_and_closing_ends_all_stages() -> None:
    made = 0
    closed = threading.Event()

    def numbers() -> Iterator[int]:
        nonlocal made
        try:
            while True:
                made += 1
                yield made
        finally:
            closed.set()

    def doubled(values: Iterator[int]) -> Iterator[int]:
        yield from (2 * value for value in values)

    ahead = prefetch(doubled(prefetch(numbers(), depth=2)), depth=2)
    assert [next(ahead) for _ in range(3)] == [2, 4, 6]
    ahead.close()
    assert closed.wait(10)
    assert made <= 3 + 2 * 3 + 2
