"""Synthetic rooms: furnished rooms ray cast in torch, with exact depth, normals, classes and edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from training.data.batch import Batch
from training.data.synthetic_rooms.anywhere import sample_view_anywhere
from training.data.synthetic_rooms.camera import View, sample_view
from training.data.synthetic_rooms.classes import CLASSES, RoomClass
from training.data.synthetic_rooms.layout import sample_room
from training.data.synthetic_rooms.path import sample_path
from training.data.synthetic_rooms.render import render_shots
from training.data.synthetic_rooms.rng import Rng
from training.data.synthetic_rooms.room import Room

__all__ = ["CLASSES", "VERSION", "Room", "RoomClass", "View", "render_rooms", "render_sequence", "sample_sequence"]

VERSION = 3  # counts up whenever a seed comes to look different, so that rooms kept on disk are told apart
FRAMES_AT_ONCE = 16


def render_rooms(
    seeds: Sequence[int],
    width: int = 256,
    height: int = 192,
    device: torch.device | str = "cpu",
    anywhere: bool = False,
) -> Batch:
    """One random view of one random room for each seed: of its furniture from eye level, or from `anywhere`.

    The same seed gives the same image and maps whatever else is in the batch.
    """
    return render_shots(len(seeds), lambda i: sample_shot(seeds[i], anywhere), width, height, torch.device(device))


def sample_shot(seed: int, anywhere: bool = False) -> tuple[Room, View]:
    """The room of a seed and the view of it that `render_rooms` shows."""
    rng = Rng(int(seed))
    room = sample_room(rng)
    return room, (sample_view_anywhere if anywhere else sample_view)(rng, room)


def sample_sequence(seed: int, frames: int, rate_hz: float = 30.0) -> tuple[Room, list[View]]:
    """The room of a seed and a walk through it, one view a frame; a view holds the camera's pose."""
    rng = Rng(int(seed))
    room = sample_room(rng)
    return room, sample_path(rng, room, frames, rate_hz)


def render_sequence(
    seed: int,
    frames: int,
    width: int,
    height: int,
    rate_hz: float = 30.0,
    device: torch.device | str = "cpu",
) -> Iterator[Batch]:
    """A hand-held camera's walk through the room of a seed, in batches of some frames, in order.

    The intrinsics are the same throughout: square pixels, principal point in the middle of the image, `Batch.focal`.
    """
    room, views = sample_sequence(seed, frames, rate_hz)
    for start in range(0, frames, FRAMES_AT_ONCE):
        shots = [(room, view) for view in views[start : start + FRAMES_AT_ONCE]]
        yield render_shots(len(shots), shots.__getitem__, width, height, torch.device(device))
