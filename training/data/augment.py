"""Changes to a batch that hold for image and maps together."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from avtar_ros.tasks import EDGES, NORMALS
from training.data.batch import Batch


def flipped(batch: Batch, which: torch.Tensor) -> Batch:
    """The batch with the images named by `which` (B,) bool mirrored left to right; normals change their x too."""

    def mirror(values: torch.Tensor) -> torch.Tensor:
        return torch.where(which.view(-1, *[1] * (values.dim() - 1)), values.flip(2), values)

    maps = {name: mirror(values) for name, values in batch.maps.items()}
    if NORMALS.name in maps:
        sign = torch.where(which, -1.0, 1.0).view(-1, 1, 1, 1)
        maps[NORMALS.name] = maps[NORMALS.name] * torch.cat([sign, torch.ones_like(sign), torch.ones_like(sign)], -1)
    return Batch(mirror(batch.image), maps, batch.focal)


def downscaled(batch: Batch, factor: int) -> Batch:
    """The batch as a camera with `factor` times fewer pixels a side would see it; edges stay a pixel thick."""
    if factor == 1:
        return batch
    image = F.avg_pool2d(batch.image.permute(0, 3, 1, 2).float(), factor).permute(0, 2, 3, 1)
    maps = {name: values[:, ::factor, ::factor] for name, values in batch.maps.items()}
    if EDGES.name in maps:
        maps[EDGES.name] = torch.max_pool2d(batch.maps[EDGES.name][:, None], factor)[:, 0]
    return Batch(image.round().to(torch.uint8), maps, batch.focal / factor)
