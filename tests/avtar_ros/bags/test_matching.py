"""Images and true maps are matched by their stamps, whenever they were recorded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.bags.matching import NONE, Matcher, Times, times_of

SECOND = 10**9


def times(stamps, late_ns=0) -> Times:
    """Recorded `late_ns`, of all or of each, after they were stamped."""
    stamps = np.array(stamps, np.int64)
    return times_of(list(zip((stamps + late_ns).tolist(), stamps.tolist(), strict=True)))


def nearest(frames: Times, truth: Times, tolerance_ns: int) -> list[int]:
    matcher = Matcher(frames, truth, tolerance_ns)
    return [matcher.nearest(i) for i in range(frames.stamp_ns.size)]


def test_truth_within_the_tolerance_is_matched_and_beyond_it_is_not() -> None:
    assert nearest(times([100, 200]), times([104, 206]), 5) == [0, NONE]


@given(
    st.lists(st.integers(0, 40), max_size=30, unique=True),
    st.lists(st.integers(0, 40), max_size=30, unique=True),
    st.integers(0, 3),
    st.integers(-(10**10), 10**10),
)
def test_matching_equals_a_search_through_all_truth(frames, truths, tolerance, lag) -> None:
    found = nearest(times(sorted(frames)), times(sorted(truths), lag), tolerance)
    for at, number in zip(sorted(frames), found, strict=True):
        distances = [abs(t - at) for t in truths if abs(t - at) <= tolerance]
        got = None if number == NONE else abs(sorted(truths)[number] - at)
        assert got == min(distances, default=None)


@pytest.mark.parametrize("late_ns", [0, SECOND // 2, 10 * SECOND, -10 * SECOND, 1000 * SECOND])
def test_however_late_a_stream_is_it_is_matched_by_its_stamps(late_ns: int) -> None:
    stamps = np.arange(40) * SECOND // 30
    assert nearest(times(stamps), times(stamps, late_ns), 1000) == list(range(40))


@pytest.mark.parametrize("jump_ns", [-5 * SECOND, -SECOND, 700_000_000 * SECOND, 86400 * SECOND])
@pytest.mark.parametrize("late_ns", [0, 2 * SECOND])
def test_where_the_clock_was_set_what_was_recorded_together_belongs_together(jump_ns: int, late_ns: int) -> None:
    log = np.arange(300) * SECOND // 30
    stamps = log + np.where(log < 6 * SECOND, 0, jump_ns)
    frames = times_of(list(zip(log.tolist(), stamps.tolist(), strict=True)))
    truth = times_of(list(zip((log + late_ns).tolist(), stamps.tolist(), strict=True)))
    found = nearest(frames, truth, 3_000_000)
    matched = [(i, n) for i, n in enumerate(found) if n != NONE]
    assert len(matched) >= 290
    assert all(abs(i - n) <= 30 for i, n in matched)  # never one of before the jump with one of after
    assert [n for _, n in matched].count(matched[0][1]) == 1


def test_messages_of_one_stamp_are_paired_in_their_order_and_none_twice() -> None:
    stamps = [1000, 2000, 2000, 2000, 3000]
    assert nearest(times(stamps), times(stamps), 5) == [0, 1, 2, 3, 4]
    assert nearest(times(stamps), times([1000, 2000, 3000]), 5) == [0, 1, NONE, NONE, 2]
    assert nearest(times([1000, 2000, 3000]), times(stamps), 5) == [0, 1, 4]


@pytest.mark.parametrize("stamp", [5, 10**18])
def test_stamps_that_are_all_the_same_say_nothing(stamp: int) -> None:
    log = [100 * i for i in range(6)]
    frames = times_of([(at, stamp) for at in log])
    truth = times_of([(at + 3, stamp) for at in log])
    assert frames.constant
    assert nearest(frames, truth, 10) == list(range(6))
    assert not times_of([(1, 7)]).constant
    assert not times_of([(1, 7), (2, 8), (3, 7)]).constant


def test_neighbours_on_both_sides_are_found_where_both_are_near() -> None:
    matcher = Matcher(times([100, 150, 200, 290]), times([100, 160, 210]), 60)
    assert [matcher.around(i) for i in range(4)] == [(0, 0), (0, 1), (1, 2), (NONE, NONE)]


def test_part_of_the_times_is_that_of_a_window() -> None:
    assert times([1, 2, 3, 4]).between(2, 4).stamp_ns.tolist() == [2, 3]
    assert times([1, 2, 3, 4]).between(None, None).stamp_ns.tolist() == [1, 2, 3, 4]
