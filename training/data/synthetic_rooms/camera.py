"""Where the camera is and what its sensor does: single views of a room, and paths through it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.synthetic_rooms.rng import Rng
from training.data.synthetic_rooms.room import SHELL_FACES, Room

Array = NDArray[np.float32]
CLEARANCE = 0.5  # metres between camera and everything; keeps the z-depth of every pixel above 0.3 m


@dataclass(frozen=True)
class Sensor:
    """exposure: target of the mean radiance (linear, 0..1); balance: gains of R, G, B; vignette: share of light lost
    in the corners; blur: sigma of the lens in pixels at a width of 256; read_noise, shot_noise: standard deviations,
    constant and at full scale; gamma: exponent of the encoding."""

    exposure: float
    balance: tuple[float, float, float]
    vignette: float
    blur: float
    read_noise: float
    shot_noise: float
    gamma: float


@dataclass(frozen=True)
class View:
    """One exposure. position: (3,) in the room; rotation: (3, 3), columns are the camera's right, down and forward
    axes in the room; focal: fx over the image width; noise: picks the sensor noise."""

    position: Array
    rotation: Array
    focal: float
    sensor: Sensor
    noise: int


def look(yaw: float, pitch: float, roll: float) -> Array:
    """Camera axes (columns right, down, forward) looking along yaw (from x towards y), pitch up, roll clockwise."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    forward = np.array((cp * cy, cp * sy, sp))
    right = np.array((sy, -cy, 0.0))
    down = np.cross(forward, right)
    cr, sr = math.cos(roll), math.sin(roll)
    return np.stack((cr * right + sr * down, cr * down - sr * right, forward), axis=1).astype(np.float32)


def sample_sensor(rng: Rng) -> Sensor:
    noisy = rng.random() ** 2
    return Sensor(
        exposure=rng.between(0.16, 0.42),
        balance=(rng.between(0.85, 1.18), 1.0, rng.between(0.85, 1.18)),
        vignette=rng.between(0.0, 0.35),
        blur=rng.between(0.35, 0.9),
        read_noise=0.001 + 0.012 * noisy,
        shot_noise=0.004 + 0.022 * noisy,
        gamma=rng.between(1.9, 2.5),
    )


def sample_focal(rng: Rng) -> float:
    """fx over width, for a horizontal field of view of 55 to 75 degrees."""
    return 0.5 / math.tan(math.radians(rng.between(55.0, 75.0)) / 2)


def sample_view(rng: Rng, room: Room) -> View:
    """A view from free space towards furniture: the best filled of a few that are drawn."""
    focal = sample_focal(rng)
    position, yaw, pitch = aimed(rng, room, free_positions(rng, room, 12)[:8], focal)
    rotation = look(yaw, pitch, rng.between(-0.05, 0.05))
    return View(position, rotation, focal, sample_sensor(rng), int(rng.random() * 2**31))


def aimed(rng: Rng, room: Room, positions: Array, focal: float) -> tuple[Array, float, float]:
    """From each position (n, 3) look towards some furniture; position (3,), yaw and pitch of the best filled view."""
    furniture = room.centre[SHELL_FACES:]
    picks = [int(rng.random() * len(furniture)) for _ in positions]
    jitter = np.array([(rng.between(-0.35, 0.35), rng.between(-0.3, 0.17)) for _ in positions])
    toward = furniture[picks] - positions
    yaw = np.arctan2(toward[:, 1], toward[:, 0]) + jitter[:, 0]
    aim = np.arctan2(toward[:, 2], np.hypot(toward[:, 0], toward[:, 1]))
    pitch = np.clip(0.6 * aim + jitter[:, 1], math.radians(-35), math.radians(10))
    best = int(np.argmax(_content(positions, yaw, room, focal)))
    return positions[best], float(yaw[best]), float(pitch[best])


def free_positions(rng: Rng, room: Room, count: int, tries: int = 30) -> Array:
    """Camera positions, (n, 3), 1 <= n <= count, that keep their distance from everything."""
    width, depth, height = (float(s) for s in room.size)
    best, best_gap = np.zeros((1, 3), np.float32), -1.0
    for _ in range(tries):
        draws = np.array([rng.random() for _ in range(3 * count)], np.float32).reshape(count, 3)
        top = min(1.9, height - CLEARANCE - 0.05)
        low = np.array((CLEARANCE, CLEARANCE, 0.8), np.float32)
        high = np.array((width - CLEARANCE, depth - CLEARANCE, top), np.float32)
        positions = low + draws * (high - low)
        gaps = clearance(positions, room)
        free = positions[gaps > CLEARANCE]
        if len(free):
            return free
        if gaps.max() > best_gap:
            best, best_gap = positions[[int(np.argmax(gaps))]], float(gaps.max())
    return best


def clearance(positions: Array, room: Room) -> Array:
    """Distance of each position (n, 3) to the nearest primitive's bounding box, (n,)."""
    reach = np.abs(room.rotation[SHELL_FACES:]) @ room.half[SHELL_FACES:, :, None]
    outside = np.abs(positions[:, None] - room.centre[None, SHELL_FACES:]) - reach[None, :, :, 0]
    gaps: Array = np.linalg.norm(np.maximum(outside, 0), axis=-1).min(axis=1)
    return gaps


def _content(positions: Array, yaw: Array, room: Room, focal: float) -> Array:
    """How much there is to see: the angular size of the primitives inside the horizontal field of view, (n,)."""
    offset = room.centre[None, SHELL_FACES:, :2] - positions[:, None, :2]
    forward = offset[..., 0] * np.cos(yaw)[:, None] + offset[..., 1] * np.sin(yaw)[:, None]
    side = offset[..., 0] * np.sin(yaw)[:, None] - offset[..., 1] * np.cos(yaw)[:, None]
    seen = (forward > 0.5) & (np.abs(side) * focal < 0.5 * forward)
    extent = np.sqrt(np.sort(room.half[SHELL_FACES:], axis=1)[:, 1:].prod(axis=1))
    total: Array = (seen * extent / np.maximum(forward, 0.9)).sum(axis=1)
    return total
