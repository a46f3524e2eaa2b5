"""Shots in, batches out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from training.data.batch import Batch
from training.data.synthetic_rooms.camera import View
from training.data.synthetic_rooms.edges import edge_map
from training.data.synthetic_rooms.lighting import radiance
from training.data.synthetic_rooms.materials import atlas
from training.data.synthetic_rooms.photograph import photograph
from training.data.synthetic_rooms.raycast import Caster
from training.data.synthetic_rooms.room import Room
from training.data.synthetic_rooms.scene import Scene, assemble
from training.data.synthetic_rooms.surface import Planes, dot, surface

PIXELS_AT_ONCE = 8 * 256 * 192  # keeps what is being worked on near the processor's caches
VIEWS_AT_ONCE_ON_GPU = 64

Shot = tuple[Room, View]


def render_shots(count: int, shot: Callable[[int], Shot], width: int, height: int, device: torch.device) -> Batch:
    """Images and exact maps of the shots with numbers 0 to `count`, in this order.

    On a CPU this takes as many threads as torch does, and `shot` is called from all of them.
    """
    size = (count, height, width)
    batch = Batch(
        torch.empty((*size, 3), dtype=torch.uint8, device=device),
        {
            "segmentation": torch.empty(size, dtype=torch.uint8, device=device),
            "depth": torch.empty(size, device=device),
            "normals": torch.empty((*size, 3), device=device),
            "edges": torch.empty(size, device=device),
        },
        torch.empty(count, device=device),
    )
    if device.type != "cpu":
        for span in _spans(count, VIEWS_AT_ONCE_ON_GPU):
            _render([shot(i) for i in span], batch, span)
        return batch
    atlas(device)  # made here, lest every thread make its own
    threads = torch.get_num_threads()
    spans = _spans(count, max(1, min(PIXELS_AT_ONCE // (width * height), -(-count // threads))))
    # Each thread renders its own shots: the tensors are too small for torch to share out the work on each of them.
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(lambda span: _render([shot(i) for i in span], batch, span), spans))
    finally:
        torch.set_num_threads(threads)
    return batch


def _spans(count: int, size: int) -> list[range]:
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


@torch.no_grad()
def _render(shots: Sequence[Shot], batch: Batch, places: range) -> None:
    """Render shots into their places in the batch."""
    span = slice(places.start, places.stop)
    height, width = batch.image.shape[1:3]
    scene = assemble(shots, width, height, batch.image.device)
    caster = Caster(scene)
    seen = surface(caster, *caster.cast())
    light = radiance(caster, seen)
    batch.image[span] = photograph(
        light, [view.sensor for _, view in shots], [view.noise for _, view in shots], width, height
    )
    depth, identity, *normal = (
        plane[:, :height, :width] for plane in (seen.depth, seen.identity, *_optical(scene, seen.normal))
    )
    batch.maps["segmentation"][span] = identity >> 8
    batch.maps["depth"][span] = depth
    torch.stack(normal, dim=-1, out=batch.maps["normals"][span])
    batch.maps["edges"][span] = edge_map(depth, (normal[0], normal[1], normal[2]), identity, scene.focal)
    batch.focal[span] = scene.focal


def _optical(scene: Scene, normal: Planes) -> Planes:
    """Turn normals in the room into normals in the camera's optical frame."""
    right, down, forward = (dot(normal, axis) for axis in scene.rotation.permute(2, 1, 0)[..., None, None])
    return right, down, forward
