"""Views from wherever robots and hands hold cameras: low above the floor, close above table tops, tilted, wide."""

from __future__ import annotations

import math

import numpy as np

from training.data.synthetic_rooms import classes as c
from training.data.synthetic_rooms.camera import Array, View, clearance, free_positions, look, sample_sensor
from training.data.synthetic_rooms.rng import Rng
from training.data.synthetic_rooms.room import SHELL_FACES, Room

FIELD_OF_VIEW_DEG = (38.0, 95.0)
CLOSE_UPS, LOW = 0.4, 0.3
"""Shares of views: close above things, and from small robots; the others are a person's or a tall robot's."""
CLOSEST = 0.2
"""Metres that stay free around the camera."""
WORTH_A_CLOSE_UP = (c.TABLE, c.CABINET, c.BED, c.SOFA, c.CHAIR, c.OBJECT)
TRIES = 40


def sample_view_anywhere(rng: Rng, room: Room) -> View:
    """A view of a room that may be anything a camera sees of it, plain walls too."""
    focal = 0.5 / math.tan(math.radians(rng.between(*FIELD_OF_VIEW_DEG)) / 2)
    kind = rng.random()
    pose = _close_up(rng, room) if kind < CLOSE_UPS else None
    if pose is None:
        pose = _low(rng, room) if kind < CLOSE_UPS + LOW else None
    position, yaw, pitch = pose or _standing(rng, room)
    roll = rng.between(-1, 1) ** 3 * 0.5
    return View(position, look(yaw, pitch, roll), focal, sample_sensor(rng), int(rng.random() * 2**31))


Pose = tuple[Array, float, float]
"""Position, yaw and pitch."""


def _close_up(rng: Rng, room: Room) -> Pose | None:
    """From 0.35 to 1.5 m at the top of a piece of furniture, or None where nothing can be looked at so."""
    wanted = np.flatnonzero(np.isin(room.class_id, WORTH_A_CLOSE_UP))
    for _ in range(TRIES if len(wanted) else 0):
        target = int(wanted[int(rng.random() * len(wanted))])
        spread = room.half[target] * np.array([rng.between(-0.8, 0.8), rng.between(-0.8, 0.8), 1.0], np.float32)
        aim = room.centre[target] + room.rotation[target] @ spread
        distance = 0.35 + 1.15 * rng.random() ** 1.5
        yaw, pitch = rng.between(-math.pi, math.pi), -math.radians(rng.between(12, 75))
        forward = look(yaw, pitch, 0.0)[:, 2]
        position = (aim - np.float32(distance) * forward).astype(np.float32)
        if _is_free(position, room):
            return position, yaw + rng.between(-0.15, 0.15), pitch + rng.between(-0.15, 0.15)
    return None


def _low(rng: Rng, room: Room) -> Pose | None:
    """As a small robot sees it, or None where furniture leaves no place."""
    for _ in range(TRIES):
        margin = CLOSEST + 0.05
        place = [rng.between(margin, float(side) - margin) for side in room.size[:2]]
        position = np.array([*place, rng.between(0.15, 0.8)], np.float32)
        if _is_free(position, room):
            return position, rng.between(-math.pi, math.pi), math.radians(rng.between(-25, 15))
    return None


def _standing(rng: Rng, room: Room) -> Pose:
    position = free_positions(rng, room, 1)[0]
    return position, rng.between(-math.pi, math.pi), math.radians(rng.between(-60, 15))


def _is_free(position: Array, room: Room) -> bool:
    inside = bool((position > CLOSEST).all() and (position < room.size - CLOSEST).all())
    standing = len(room.centre) == SHELL_FACES or clearance(position[None], room)[0] > CLOSEST
    return inside and bool(standing)
