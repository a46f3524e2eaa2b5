"""A room as arrays, and how the list of its parts becomes one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.synthetic_rooms.parts import Part, Vector

Array = NDArray[np.float32]
SHELL_FACES = 6  # the first rows of a room's primitives: walls at x = 0, x = w, y = 0, y = d, then floor, ceiling
MAX_PRIMITIVES = 255  # the ray caster keeps a primitive's number in eight bits


@dataclass(frozen=True)
class Room:
    """A room as arrays; world frame z up, metres, the corner of the floor at the origin.

    size: (3,) inner width, depth, height. centre, half: (n, 3); rotation: (n, 3, 3), columns are the primitive's axes.
    kind: furniture.BOX, CYLINDER or SPHERE; class_id, instance: (n,) integers, the room's shell is instance 0.
    texture: (n,) ids; factor: (n, 3) texture coordinates per unit of a primitive's own [-1, 1] coordinates;
    shift: (n, 2) texture origin; first, second: (n, 3) colours; gloss, emission: (n,).
    lights: (2, 7), position, colour, radius of each; the ceiling lamp and the window.
    ambient: (3,) colour of the light from everywhere.
    """

    size: Array
    centre: Array
    half: Array
    rotation: Array
    kind: NDArray[np.int64]
    class_id: NDArray[np.int64]
    instance: NDArray[np.int64]
    texture: NDArray[np.int64]
    factor: Array
    shift: Array
    first: Array
    second: Array
    gloss: Array
    emission: Array
    lights: Array
    ambient: Array


def row(part: Part, origin: Vector, yaw: float, class_id: int, instance: int) -> tuple[float, ...]:
    """A part of a piece that stands at `origin`, turned by `yaw`, as a row of numbers."""
    (x, y, z), m = part.centre, part.material
    cos, sin = math.cos(yaw), math.sin(yaw)
    return (
        origin[0] + cos * x - sin * y, origin[1] + sin * x + cos * y, origin[2] + z, *part.half,
        part.yaw + yaw, part.tilt, part.kind, class_id, instance,
        m.texture, m.period, *m.first, *m.second, m.gloss, m.emission,
    )


def from_rows(rows: Sequence[tuple[float, ...]], size: Vector, lights: Array, ambient: Array, scatter: float) -> Room:
    """A room of these rows; `scatter` in [0, 1) shifts the textures of its surfaces."""
    table = np.array(rows, np.float32)
    half, period = table[:, 3:6], table[:, 12:13]
    fitted = period <= 0
    factor = np.where(fitted, np.float32(0.5), half / np.where(fitted, 1, period)).astype(np.float32)
    shift = (table[:, :2] * np.float32(7.13) + np.float32(scatter)) % 1.0
    kind, class_id, instance, texture = table[:, 8:12].T.astype(np.int64)
    return Room(
        size=np.array(size, np.float32),
        centre=table[:, :3],
        half=half,
        rotation=_rotations(table[:, 6], table[:, 7]),
        kind=kind,
        class_id=class_id,
        instance=instance,
        texture=texture,
        factor=factor,
        shift=np.where(fitted, np.float32(0.5), shift).astype(np.float32),
        first=table[:, 13:16],
        second=table[:, 16:19],
        gloss=table[:, 19],
        emission=table[:, 20],
        lights=lights,
        ambient=ambient,
    )


def _rotations(yaw: Array, tilt: Array) -> Array:
    """Rz(yaw) Rx(tilt), (n, 3, 3)."""
    cy, sy, ct, st = np.cos(yaw), np.sin(yaw), np.cos(tilt), np.sin(tilt)
    rotation = np.zeros((len(yaw), 3, 3), np.float32)
    rotation[:, 0, 0], rotation[:, 0, 1], rotation[:, 0, 2] = cy, -sy * ct, sy * st
    rotation[:, 1, 0], rotation[:, 1, 1], rotation[:, 1, 2] = sy, cy * ct, -cy * st
    rotation[:, 2, 1], rotation[:, 2, 2] = st, ct
    return rotation
