"""Frames are shown as they were recorded, whatever happened to the clock meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.source.pace import Pace

STEP = 100_000_000
T0 = 1_700_000_000 * 10**9


def dues(pairs, max_gap_s: float = 0.0) -> tuple[list[int], Pace]:
    pace = Pace(round(max_gap_s * 1e9))
    return [pace.due(*pair) for pair in pairs], pace


@given(st.lists(st.integers(1, 10**9), max_size=20), st.integers(0, 10**9))
def test_distances_of_stamps_are_kept_exactly(steps: list[int], delay: int) -> None:
    stamps = [T0]
    for step in steps:
        stamps.append(stamps[-1] + step)
    found, pace = dues([(stamp, stamp + delay) for stamp in stamps])
    assert found == [stamp - T0 for stamp in stamps]
    assert pace.notes == []


@pytest.mark.parametrize("jump_s", [753_000_000, 86400, -5, -753_000_000])
def test_a_clock_that_is_set_costs_no_time_and_is_said(jump_s: int) -> None:
    pairs = [(T0 + i * STEP + (jump_s * 10**9 if i >= 3 else 0), T0 + i * STEP) for i in range(20)]
    found, pace = dues(pairs)
    assert found == [i * STEP for i in range(20)]
    assert len(pace.notes) == 1
    assert "the clock was set" in pace.notes[0]


@pytest.mark.parametrize("stamp", [0, T0])
def test_stamps_that_are_all_alike_are_replaced_by_the_times_of_recording(stamp: int) -> None:
    found, _ = dues([(stamp, T0 + i * STEP) for i in range(5)])
    assert found == [i * STEP for i in range(5)]


def test_no_wait_is_longer_than_the_maximum() -> None:
    times = [0, STEP, 100 * 10**9, 100 * 10**9 + STEP]
    found, pace = dues([(T0 + t, T0 + t) for t in times], 5.0)
    assert found == [0, STEP, STEP + 5 * 10**9, 2 * STEP + 5 * 10**9]
    assert pace.notes == ["a gap of 99.9 s in the recording is shortened to 5 s."]


def test_a_stream_that_is_recorded_in_bursts_is_shown_evenly() -> None:
    found, pace = dues([(T0 + i * STEP, T0 + (i // 10) * 10 * STEP) for i in range(40)])
    assert found == [i * STEP for i in range(40)]
    assert pace.notes == []


def test_cameras_a_little_out_of_order_keep_their_own_distances() -> None:
    pace = Pace()
    early, late = 3_000_000, 1_000_000
    shots = [(i * STEP, camera) for i in range(5) for camera in (0, 1)]
    found = [pace.due(T0 + at - camera * early, T0 + at + camera * late, camera) for at, camera in shots]
    assert found == [at - camera * early for at, camera in shots]
