"""Slots: the newest frame of each camera and no other, handed over without a race."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.node.frame_slots import FrameSlots


@given(st.lists(st.tuples(st.sampled_from(["left", "right"]), st.integers()), min_size=1))
def test_the_newest_frame_of_each_camera_waits_and_older_ones_count_as_dropped(puts: list[tuple[str, int]]) -> None:
    slots = FrameSlots[int]()
    dropped = sum(slots.put(camera, frame) for camera, frame in puts)
    newest = dict(puts)
    assert slots.take() == newest
    assert dropped == len(puts) - len(newest)


def test_a_frame_is_taken_once() -> None:
    slots = FrameSlots[int]()
    slots.put("left", 1)
    slots.take()
    assert not slots.put("left", 2)
    assert slots.take() == {"left": 2}


def test_closing_wakes_the_one_who_waits_and_names_the_frames_lost() -> None:
    slots = FrameSlots[int]()
    taken: list[object] = []
    waiting = threading.Thread(target=lambda: taken.append(slots.wait()))
    waiting.start()
    assert slots.close() == []
    waiting.join(30)
    assert taken == [False]

    full = FrameSlots[int]()
    full.put("left", 1)
    assert full.close() == ["left"]
    assert not full.wait()
    assert full.take() == {}
    assert full.put("left", 2)  # dropped itself


def test_between_threads_every_frame_is_taken_or_dropped() -> None:
    slots = FrameSlots[int]()
    taken: list[int] = []
    dropped = [0] * 4

    def give(camera: int) -> None:
        dropped[camera] = sum(slots.put(str(camera), n) for n in range(2000))

    def take() -> None:
        while slots.wait():
            taken.extend(slots.take().values())

    taker = threading.Thread(target=take)
    givers = [threading.Thread(target=give, args=(camera,)) for camera in range(4)]
    for thread in (taker, *givers):
        thread.start()
    for thread in givers:
        thread.join()
    left = len(slots.close())
    taker.join()
    assert len(taken) + sum(dropped) + left == 4 * 2000


@given(st.lists(st.sampled_from("abcde"), min_size=1), st.integers(1, 5))
def test_cameras_are_taken_in_turns_of_so_many_who_waits_longest_first(puts: list[str], most: int) -> None:
    slots = FrameSlots[int]()
    for number, camera in enumerate(puts):
        slots.put(camera, number)
    turns: list[dict[str, int]] = []
    while waiting := len(set(puts)) - sum(map(len, turns)):
        turns.append(slots.take(most))
        assert len(turns[-1]) == min(most, waiting)
    assert [camera for turn in turns for camera in turn] == list(dict.fromkeys(puts))
