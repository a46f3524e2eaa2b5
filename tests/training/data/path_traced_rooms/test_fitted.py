"""Fitted cupboards in a plan, without a tracer."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.path_traced_rooms.fitted import DEPTH, FRONT, WORKTOP, cupboard_wall, fitted_kitchen, partition
from training.data.path_traced_rooms.plan import Body, Counter, Pose, Room
from training.data.path_traced_rooms.write import Job, write_path_traced
from training.data.synthetic_rooms.classes import CABINET, WALL
from training.errors import TrainingError

SIZE = (4.2, 3.6, 2.5)


def room(seed: int) -> Room:
    return Room(SIZE, "kitchen", np.random.default_rng(seed), cast(Any, None), cast(Any, None))


def reach(body: Body) -> np.ndarray:
    """Lowest and highest corner of a box, at a right angle to the walls, in the room's frame (2, 3)."""
    half = np.array(body.size[:2]) / 2
    if abs(np.sin(body.pose.angle)) > 0.5:
        half = half[::-1]
    middle = np.array([body.pose.x, body.pose.y])
    low, high = (*(middle - half), body.pose.z), (*(middle + half), body.pose.z + body.size[2])
    return np.array([low, high])


@given(st.integers(0, 2**31), st.integers(0, 3), st.booleans())
def test_a_fitted_kitchen_is_within_the_room_and_keeps_to_its_walls(seed: int, wall: int, corner: bool) -> None:
    here = room(seed)
    fitted_kitchen(here, wall, corner)
    cupboards = [reach(body) for body in here.bodies if body.kind == "box" and body.class_id == CABINET]
    assert cupboards
    for low, high in cupboards:
        assert (low > -1e-6).all() and (high < np.array(SIZE) + 1e-6).all()
        to_a_wall = np.minimum(high[:2], np.array(SIZE[:2]) - low[:2]).min()
        assert to_a_wall < DEPTH + WORKTOP + 0.1


def test_doors_show_a_gap_between_them() -> None:
    here = room(3)
    fitted_kitchen(here, 0, corner=False)
    doors = [reach(body) for body in here.bodies if body.size[1] == FRONT and body.size[2] > 0.1]
    spans = sorted({(low[0], high[0]) for low, high in doors if low[2] < 0.2})
    gaps = [start - before for (_, before), (start, _) in pairwise(spans)]
    assert gaps
    assert 0.002 < min(gaps) < 0.01


def test_things_can_stand_on_its_worktop() -> None:
    here = room(1)
    fitted_kitchen(here, 0, corner=True)
    counters = [surface for surface in here.surfaces if isinstance(surface.piece, Counter)]
    assert counters
    for surface in counters:
        pose = here.stand_on(surface, (0.1, 0.1, 0.2))
        assert pose is not None
        assert pose.z == np.float32(surface.piece.size[2])


def test_nothing_is_fitted_where_something_stands() -> None:
    here = room(2)
    fitted_kitchen(here, 0, corner=False)
    taken = len(here.bodies)
    for _ in range(20):
        fitted_kitchen(here, 0, corner=False)
    lowest = [reach(b) for b in here.bodies[taken:] if b.class_id == CABINET and reach(b)[0][2] == 0]
    first = [reach(b) for b in here.bodies[:taken] if b.class_id == CABINET and reach(b)[0][2] == 0]
    for low, high in lowest:
        for other_low, other_high in first:
            apart = (low[:2] >= other_high[:2] - 1e-3) | (high[:2] <= other_low[:2] + 1e-3)
            assert apart.any()


def test_a_wall_of_cupboards_is_as_high_as_the_room_allows() -> None:
    heights = []
    for seed in range(20):
        here = room(seed)
        cupboard_wall(here)
        heights += [reach(body)[1][2] for body in here.bodies]
    assert 1.9 < max(heights) <= SIZE[2]


def test_a_partition_stands_behind_its_desk() -> None:
    here = room(0)
    partition(here, Pose(2.0, 1.0), (1.4, 0.7, 0.74))
    assert here.bodies
    assert all(body.class_id == WALL and body.pose.y > 1.35 for body in here.bodies)


def test_rooms_of_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no rooms of the kind 'attic'; known: living, kitchen"):
        write_path_traced(Job(tmp_path, 1, kinds=("attic",)), 1)


def test_a_folder_of_other_kinds_is_of_another_recipe(tmp_path: Path) -> None:
    assert Job(tmp_path, 1, kinds=("kitchen",)).recipe() != Job(tmp_path, 1).recipe()
    assert "kinds" not in Job(tmp_path, 1).recipe()  # as those that were rendered before there were kinds have none
