"""What every data source hands to training and evaluation: images with their ground-truth maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import TASKS


@dataclass
class Batch:
    """B images with the maps that are known for them.

    image: uint8 (B, H, W, 3), RGB.
    maps: task name -> map at the image's size:
        `segmentation` uint8 (B, H, W), 255 where unlabelled;
        `depth` float32 (B, H, W), metres along the optical axis, NaN where unknown;
        `normals` float32 (B, H, W, 3), unit, optical frame (x right, y down, z forward), facing the camera,
        NaN where unknown;
        `edges` float32 (B, H, W) in [0, 1], NaN where unknown.
        A task that is unknown for all of them may be absent.
    focal: float32 (B,), fx in pixels at this image's width.
    relative: bool (B,), whose `depth` is no depth but disparity up to an unknown scale and shift; None for none.
    weights: task name -> float32 (B, H, W) in [0, 1], how far that map is believed; 1 where absent.
    """

    image: Tensor
    maps: dict[str, Tensor]
    focal: Tensor
    relative: Tensor | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        maps = {task: values.to(device) for task, values in self.maps.items()}
        relative = None if self.relative is None else self.relative.to(device)
        weights = {task: values.to(device) for task, values in self.weights.items()}
        return Batch(self.image.to(device), maps, self.focal.to(device), relative, weights)

    def __len__(self) -> int:
        return self.image.shape[0]


def concatenated(batches: Sequence[Batch]) -> Batch:
    """One batch of all images, in order; a map that some batches lack is unknown there."""
    tasks = {name: None for batch in batches for name in batch.maps}  # keeps the order
    weighed = {name: None for batch in batches for name in batch.weights}
    return Batch(
        torch.cat([batch.image for batch in batches]),
        {name: torch.cat([_map_or_unknown(batch, name) for batch in batches]) for name in tasks},
        torch.cat([batch.focal for batch in batches]),
        _all_relative(batches),
        {name: torch.cat([_weight(batch, name) for batch in batches]) for name in weighed},
    )


def _weight(batch: Batch, name: str) -> Tensor:
    return batch.weights[name] if name in batch.weights else torch.ones(batch.image.shape[:3])


def _all_relative(batches: Sequence[Batch]) -> Tensor | None:
    if all(batch.relative is None for batch in batches):
        return None
    none = [torch.zeros(len(batch), dtype=torch.bool) for batch in batches]
    return torch.cat([n if b.relative is None else b.relative for b, n in zip(batches, none, strict=True)])


def completed(batch: Batch, tasks: Sequence[str]) -> Batch:
    """The batch with a map of every task, unknown throughout where there is none."""
    return replace(batch, maps={name: _map_or_unknown(batch, name) for name in tasks})


def _map_or_unknown(batch: Batch, name: str) -> Tensor:
    if name in batch.maps:
        return batch.maps[name]
    task = TASKS[name]
    height, width = batch.image.shape[1:3]
    return torch.from_numpy(np.full((len(batch), *task.shape(height, width)), unknown_in(name), task.dtype))


def unknown_in(name: str) -> float:
    """What says in a task's map that a pixel is unknown."""
    return UNLABELLED if np.issubdtype(TASKS[name].dtype, np.integer) else float("nan")


def picked(batch: Batch, which: Tensor) -> Batch:
    """The images of a batch named by `which`, indices or bool, in that order."""
    maps = {name: values[which] for name, values in batch.maps.items()}
    relative = None if batch.relative is None else batch.relative[which]
    weights = {name: values[which] for name, values in batch.weights.items()}
    return Batch(batch.image[which], maps, batch.focal[which], relative, weights)
