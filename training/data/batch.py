"""What every data source hands to training and evaluation: images with their ground-truth maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

UNLABELLED = 255


@dataclass
class Batch:
    """B images with the maps that are known for them.

    image: uint8 (B, H, W, 3), RGB.
    maps: task name -> map at the image's size:
        `segmentation` uint8 (B, H, W), 255 where unlabelled;
        `depth` float32 (B, H, W), metres along the optical axis, NaN where unknown;
        `normals` float32 (B, H, W, 3), unit, optical frame (x right, y down, z forward), facing the camera,
        NaN where unknown;
        `edges` float32 (B, H, W) in [0, 1].
    focal: float32 (B,), fx in pixels at this image's width.
    """

    image: Tensor
    maps: dict[str, Tensor]
    focal: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        maps = {task: values.to(device) for task, values in self.maps.items()}
        return Batch(self.image.to(device), maps, self.focal.to(device))

    def __len__(self) -> int:
        return self.image.shape[0]
