"""Where things stand in a path-traced room, without a tracer."""

from __future__ import annotations

from math import pi
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.path_traced_rooms.cameras import View, is_free, sample_view
from training.data.path_traced_rooms.catalogue import Entry
from training.data.path_traced_rooms.models import CELL, Support
from training.data.path_traced_rooms.plan import Footprint, Piece, Pose, Room, Surface
from training.data.synthetic_rooms.classes import TABLE

SIZE = (1.2, 0.8, 0.75)
ENTRY = Entry(Path("a.sh3f"), "table", "Table", "Living room", "a.obj", SIZE, 0.0, None, "nobody")


def room() -> Room:
    return Room((4.0, 3.0, 2.5), "living", np.random.default_rng(0), cast(Any, None), cast(Any, None))


def table_top(pose: Pose) -> Surface:
    """A table whose left half is level and whose right half slopes."""
    height = np.full((1, round(SIZE[1] / CELL), round(SIZE[0] / CELL)), 0.75, np.float32)
    height[..., height.shape[2] // 2 :] -= np.linspace(0, 0.3, height.shape[2] - height.shape[2] // 2)
    support = Support(height.astype(np.float32), np.full(height.shape, np.inf, np.float32))
    return Surface(Piece(ENTRY, pose, SIZE, TABLE, 1, "dining_table"), support)


@given(st.integers(0, 3), st.floats(0.7, 2.3))
def test_a_piece_at_a_wall_has_its_back_there_and_faces_the_room(wall: int, along: float) -> None:
    here = room()
    piece = here.at_wall("dining_table", (ENTRY, TABLE), wall, along, gap=0.0)
    assert piece is not None
    back, front = piece.pose.at(0, SIZE[1] / 2), piece.pose.at(0, -SIZE[1] / 2)
    distances = [back[1], 4.0 - back[0], 3.0 - back[1], back[0]]
    assert distances[wall] == pytest.approx(0, abs=1e-9)
    assert np.hypot(front[0] - 2, front[1] - 1.5) < np.hypot(back[0] - 2, back[1] - 1.5)


def test_two_pieces_do_not_take_the_same_place() -> None:
    here = room()
    assert here.put("dining_table", (ENTRY, TABLE), Pose(2, 1.5))
    assert here.put("dining_table", (ENTRY, TABLE), Pose(2.5, 1.5)) is None
    assert here.put("dining_table", (ENTRY, TABLE), Pose(2.5, 1.5, z=1.0)), "above it is room"
    assert here.put("dining_table", (ENTRY, TABLE), Pose(0.3, 1.5)) is None, "it would be in the wall"


def test_footprints_meet_as_turned_rectangles_do() -> None:
    bar = Footprint(0, 0, 1.0, 0.1, pi / 4, 0, 1)
    assert bar.meets(Footprint(0.6, 0.6, 0.1, 0.1, 0, 0, 1))
    assert not bar.meets(Footprint(0.6, -0.6, 0.3, 0.3, 0, 0, 1)), "their bounding boxes meet, they do not"


def test_things_stand_on_what_is_level_and_not_in_each_other() -> None:
    here, surface = room(), table_top(Pose(2, 1.5, 0, pi / 2))
    size = (0.1, 0.1, 0.2)
    poses = [pose for _ in range(60) if (pose := here.stand_on(surface, size, angle=0.0))]
    assert len(poses) > 5
    for number, pose in enumerate(poses):
        assert pose.z == pytest.approx(0.75, abs=0.007)
        assert pose.y < 1.5 + 0.05, "the left half of the table, which is turned by a quarter"
        others = [np.hypot(pose.x - other.x, pose.y - other.y) for other in poses[:number]]
        assert min(others, default=1.0) > 0.09


def test_nothing_stands_where_there_is_no_headroom() -> None:
    surface = table_top(Pose(2, 1.5))
    surface.support.headroom[:] = 0.15
    assert all(room().stand_on(surface, (0.1, 0.1, 0.2)) is None for _ in range(20))
    here = room()
    assert any(here.stand_on(surface, (0.1, 0.1, 0.1)) for _ in range(20))


def test_cameras_look_at_right_angles_and_stand_in_no_furniture() -> None:
    here = room()
    here.put("dining_table", (ENTRY, TABLE), Pose(2, 1.5))
    for _ in range(50):
        view = sample_view(here)
        assert view.rotation.T @ view.rotation == pytest.approx(np.eye(3), abs=1e-9)
        assert np.linalg.det(view.rotation) == pytest.approx(1)
        assert view.rotation[2, 1] < 0.3 or abs(view.rotation[2, 2]) > 0.5, "down in the image is down in the room"
        assert 40 <= view.field_of_view_deg <= 100
    inside = View("hand", np.array([2.0, 1.5, 0.5]), np.eye(3), 60.0)
    above = View("hand", np.array([2.0, 1.5, 1.5]), np.eye(3), 60.0)
    assert not is_free(here, inside) and is_free(here, above)
