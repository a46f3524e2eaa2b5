"""A hand-held camera walking through one room."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from training.data.synthetic_rooms.camera import (
    Array,
    View,
    aimed,
    clearance,
    free_positions,
    look,
    sample_focal,
    sample_sensor,
)
from training.data.synthetic_rooms.rng import Rng
from training.data.synthetic_rooms.room import Room

WALK, TURN = 0.4, 0.45  # mean speeds: metres and radians a second
CLOSEST = 0.45  # metres that stay free on the way from one stop to the next


class Stop(NamedTuple):
    """Where the camera comes to rest, and where it looks."""

    position: Array
    yaw: float
    pitch: float


def sample_path(rng: Rng, room: Room, frames: int, rate_hz: float) -> list[View]:
    """Views of a walk, `rate_hz` a second: from stop to stop, starting and ending each leg gently, with the sway of a
    hand. Focal length and sensor stay the same; the sensor noise changes from frame to frame."""
    focal, sensor, noise = sample_focal(rng), sample_sensor(rng), int(rng.random() * 2**31)
    sway = [(rng.between(0.3, 1.7), rng.between(0, 2 * math.pi), rng.between(0.5, 1.0)) for _ in range(6)]
    legs = _legs(rng, room, focal)
    here, there, begin, seconds = next(legs)
    views = []
    for frame in range(frames):
        time = frame / rate_hz
        while time > begin + seconds:
            here, there, begin, seconds = next(legs)
        share = 0.5 - 0.5 * math.cos(math.pi * (time - begin) / seconds)
        hand = [amount * math.sin(2 * math.pi * pace * time + phase) for pace, phase, amount in sway]
        position = here.position + (there.position - here.position) * np.float32(share)
        position = position + np.array(hand[:3], np.float32) * np.float32(0.008)
        yaw = here.yaw + (there.yaw - here.yaw) * share + 0.012 * hand[3]
        pitch = here.pitch + (there.pitch - here.pitch) * share + 0.008 * hand[4]
        views.append(View(position, look(yaw, pitch, 0.015 * hand[5]), focal, sensor, noise + frame))
    return views


def _legs(rng: Rng, room: Room, focal: float) -> Iterator[tuple[Stop, Stop, float, float]]:
    """From, to, and when the leg begins and how long it takes in seconds."""
    here, begin = _stop(rng, room, free_positions(rng, room, 12), focal, 0.0), 0.0
    while True:
        there = _stop(rng, room, _reachable(rng, room, here.position), focal, here.yaw)
        distance = float(np.linalg.norm(there.position - here.position))
        turn = math.hypot(there.yaw - here.yaw, there.pitch - here.pitch)
        seconds = max(1.0, distance / WALK, turn / TURN)
        yield here, there, begin, seconds
        here, begin = there, begin + seconds


def _reachable(rng: Rng, room: Room, start: Array) -> Array:
    """Positions with a free straight way from start, or start itself."""
    ends = free_positions(rng, room, 24)
    shares = np.linspace(0, 1, 9, dtype=np.float32)[:, None, None]
    way = start + (ends - start) * shares
    gaps = clearance(way.reshape(-1, 3), room).reshape(len(shares), len(ends)).min(axis=0)
    near = np.linalg.norm(ends - start, axis=1) < 2.5
    free: Array = ends[(gaps > CLOSEST) & near]
    return free if len(free) else start[None]


def _stop(rng: Rng, room: Room, positions: Array, focal: float, yaw_before: float) -> Stop:
    """The best of these positions to look from; its yaw is the turn of it nearest to the one before."""
    position, yaw, pitch = aimed(rng, room, positions, focal)
    turns = round((yaw_before - yaw) / (2 * math.pi))
    return Stop(position, yaw + 2 * math.pi * turns, pitch)
