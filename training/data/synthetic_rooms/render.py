"""Shots in, batches out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.data.batch import Batch
from training.data.synthetic_rooms.camera import View
from training.data.synthetic_rooms.edges import edge_map
from training.data.synthetic_rooms.lighting import radiance
from training.data.synthetic_rooms.photograph import photograph
from training.data.synthetic_rooms.raycast import Caster
from training.data.synthetic_rooms.room import Room
from training.data.synthetic_rooms.scene import Scene, assemble
from training.data.synthetic_rooms.surface import Planes, surface

PIXELS_AT_ONCE = 8 * 256 * 192  # keeps what is being worked on near the processor's caches


@torch.no_grad()
def render_shots(shots: Sequence[tuple[Room, View]], width: int, height: int, device: torch.device) -> Batch:
    """Images and exact maps of these views of these rooms, in this order."""
    at_once = max(1, PIXELS_AT_ONCE // (width * height)) if device.type == "cpu" else 64
    parts = [_render(shots[i : i + at_once], width, height, device) for i in range(0, len(shots), at_once)]
    return Batch(
        torch.cat([part.image for part in parts]),
        {task: torch.cat([part.maps[task] for part in parts]) for task in parts[0].maps},
        torch.cat([part.focal for part in parts]),
    )


def _render(shots: Sequence[tuple[Room, View]], width: int, height: int, device: torch.device) -> Batch:
    scene = assemble(shots, width, height, device)
    caster = Caster(scene)
    seen = surface(caster, *caster.cast())
    views = [view for _, view in shots]
    image = photograph(radiance(caster, seen), [v.sensor for v in views], [v.noise for v in views], width, height)
    depth = seen.depth[:, :height, :width].contiguous()
    identity = seen.identity[:, :height, :width]
    normals = _optical(scene, seen.normal)[:, :height, :width].contiguous()
    maps = {
        "segmentation": (identity >> 8).to(torch.uint8),
        "depth": depth,
        "normals": normals,
        "edges": edge_map(depth, normals, identity, scene.focal),
    }
    return Batch(image, maps, scene.focal)


def _optical(scene: Scene, normal: Planes) -> Tensor:
    """Normals in the room -> (F, H, W, 3) in the camera's optical frame."""
    r = scene.rotation[:, :, :, None, None]
    return torch.stack(
        [normal[0] * r[:, 0, i] + normal[1] * r[:, 1, i] + normal[2] * r[:, 2, i] for i in range(3)], dim=-1
    )
