"""Rooms and views side by side in tensors, ready for the ray caster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.synthetic_rooms.camera import View
from training.data.synthetic_rooms.room import Room

PADDING = -1  # kind of the rows that fill up the smaller rooms


@dataclass(frozen=True)
class Scene:
    """F views, each with the primitives of its room, padded to the n of the largest.

    kind (F, n) int64; inverse (F, n, 3, 3) maps offsets in the room to a primitive's own frame, in which a box is
    [-1, 1]^3, a cylinder has radius 1 and z in [-1, 1], a sphere has radius 1; centre (F, n, 3);
    axes (F, n, 3, 3) half axes as columns.
    looks (15, F * n): texture, factor x y z, shift u v, texture repeats per metre, first r g b, second r g b, gloss,
    emission;
    identity (F * n,) int64: class id * 256 + instance.
    position (F, 3), rotation (F, 3, 3), focal (F,) in pixels; lights (F, 2, 7), ambient (F, 3).
    """

    width: int
    height: int
    kind: Tensor
    inverse: Tensor
    centre: Tensor
    axes: Tensor
    looks: Tensor
    identity: Tensor
    position: Tensor
    rotation: Tensor
    focal: Tensor
    lights: Tensor
    ambient: Tensor

    @property
    def principal(self) -> tuple[float, float]:
        """Where the optical axis meets the image, in pixels; pixel centres have whole coordinates."""
        return (self.width - 1) / 2, (self.height - 1) / 2


def assemble(shots: Sequence[tuple[Room, View]], width: int, height: int, device: torch.device) -> Scene:
    """Put the shots into one scene."""
    most = max(len(room.kind) for room, _ in shots)

    def padded(rows: list[NDArray[np.generic]], fill: float) -> Tensor:
        out = np.full((len(rows), most, *rows[0].shape[1:]), fill, rows[0].dtype)
        for place, row in zip(out, rows, strict=True):
            place[: len(row)] = row
        return torch.from_numpy(out).to(device)

    def stacked(rows: list[NDArray[np.float32]]) -> Tensor:
        return torch.from_numpy(np.stack(rows)).to(device)

    rooms, views = [room for room, _ in shots], [view for _, view in shots]
    looks = padded(
        [
            np.column_stack((r.texture, r.factor, r.shift, _density(r), r.first, r.second, r.gloss, r.emission)).astype(
                np.float32
            )
            for r in rooms
        ],
        0.0,
    )
    return Scene(
        width,
        height,
        kind=padded([r.kind for r in rooms], PADDING),
        inverse=padded([r.rotation.transpose(0, 2, 1) / r.half[:, :, None] for r in rooms], 0.0),
        centre=padded([r.centre for r in rooms], 0.0),
        axes=padded([r.rotation * r.half[:, None, :] for r in rooms], 0.0),
        looks=looks.reshape(-1, looks.shape[-1]).t().contiguous(),
        identity=padded([r.class_id * 256 + r.instance for r in rooms], 0).reshape(-1),
        position=stacked([v.position for v in views]),
        rotation=stacked([v.rotation for v in views]),
        focal=torch.tensor([v.focal * width for v in views], dtype=torch.float32, device=device),
        lights=stacked([r.lights for r in rooms]),
        ambient=stacked([r.ambient for r in rooms]),
    )


def _density(room: Room) -> NDArray[np.float32]:
    """Texture repeats per metre. Where a texture is stretched over a thin box this is right for its large faces."""
    density: NDArray[np.float32] = np.sort(room.factor / room.half, axis=1)[:, 1]
    return density
