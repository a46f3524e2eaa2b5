"""Where cameras are: on robots, in hands, and over tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avtar_ros.geometry.pinhole import Pinhole
from training.data.path_traced_rooms.plan import Body, Piece, Room, Surface

TABLE_VIEWS = 0.45
"""How many of the views that are tried: more of them than of others show too little, so that a third is left."""
CLEARANCE = 0.12
"""Metres that a camera keeps from all boxes around pieces."""


@dataclass(frozen=True)
class View:
    """A camera in a room. rotation: columns are the optical axes x right, y down, z forward in the room's frame."""

    kind: str
    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    field_of_view_deg: float

    def camera(self, width: int, height: int) -> Pinhole:
        return Pinhole.of_view(width, height, self.field_of_view_deg)


def sample_view(room: Room) -> View:
    """A random view; whether it shows anything is for the renderer to say."""
    tables = [surface for surface in room.surfaces if surface.piece.role not in ("shelf", "bed", "wardrobe")]
    if tables and room.rng.random() < TABLE_VIEWS:
        return _table_view(room, tables[int(room.rng.integers(len(tables)))])
    return _room_view(room)


def _room_view(room: Room) -> View:
    rng = room.rng
    robot = rng.random() < 0.55
    w, d, h = room.size
    height = rng.uniform(0.2, 0.9) if robot and rng.random() < 0.6 else rng.uniform(0.8, 1.7)
    if not robot and rng.random() < 0.2:
        height = rng.uniform(0.3, max(0.4, h - 0.3))
    x, y = (rng.uniform(0.15, side - 0.15) for side in (w, d))
    # Half of the cameras stand at an edge of the room and look across it, as people's do.
    if rng.random() < 0.5:
        target = np.array([w, d]) * rng.uniform(0.3, 0.7, 2)
        heading = np.arctan2(target[1] - y, target[0] - x) + rng.normal(0, 0.25)
    else:
        heading = rng.uniform(-np.pi, np.pi)
    pitch = rng.normal(-5 if robot else -12, 6 if robot else 14)
    if rng.random() < 0.12:
        pitch = rng.uniform(-55, 25)
    roll = rng.normal(0, 1.0 if robot else 4.0)
    if not robot and rng.random() < 0.15:
        roll = rng.uniform(-35, 35)
    view = rng.uniform(45, 95) if rng.random() < 0.8 else rng.uniform(40, 100)
    position = np.array([x, y, min(height, h - 0.15)])
    return View("robot" if robot else "hand", position, _rotation(heading, pitch, roll), view)


def _table_view(room: Room, surface: Surface) -> View:
    rng = room.rng
    piece = surface.piece
    w, d, _ = piece.size
    heights = surface.support.height[0]
    top = float(np.nanmax(heights)) if np.isfinite(heights).any() else piece.size[2]
    across, back = rng.uniform(-0.4, 0.4) * w, rng.uniform(-0.4, 0.4) * d
    target = np.array(piece.pose.at(across, back, top + rng.uniform(-0.05, 0.2)))
    distance, elevation = rng.uniform(0.3, 1.5), np.radians(rng.uniform(8, 75))
    away = rng.uniform(-np.pi, np.pi)
    offset = np.array([np.cos(away) * np.cos(elevation), np.sin(away) * np.cos(elevation), np.sin(elevation)])
    position = target + distance * offset
    forward = -offset
    heading = np.arctan2(forward[1], forward[0]) + rng.normal(0, 0.08)
    pitch = np.degrees(np.arcsin(forward[2])) + rng.normal(0, 6)
    return View("table", position, _rotation(heading, pitch, rng.normal(0, 6)), rng.uniform(42, 85))


def _rotation(heading: float, pitch_deg: float, roll_deg: float) -> NDArray[np.float64]:
    pitch, roll = np.radians(pitch_deg), np.radians(roll_deg)
    forward = np.array([np.cos(heading) * np.cos(pitch), np.sin(heading) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(heading), -np.cos(heading), 0.0])
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * down, c * down - s * right, forward], axis=1)


def is_free(room: Room, view: View) -> bool:
    """Whether the camera is in the room, and in the box around no piece or body."""
    if (view.position < CLEARANCE).any() or (view.position > np.array(room.size) - CLEARANCE).any():
        return False
    solid: list[Piece | Body] = [*room.pieces, *(body for body in room.bodies if body.kind != "plane")]
    for thing in solid:
        pose, (w, d, h) = thing.pose, thing.size
        x, y, z = view.position - (pose.x, pose.y, pose.z)
        c, s = np.cos(pose.angle), np.sin(pose.angle)
        across, back = c * x + s * y, c * y - s * x
        if abs(across) < w / 2 + CLEARANCE and abs(back) < d / 2 + CLEARANCE and -CLEARANCE < z < h + CLEARANCE:
            return False
    return True
