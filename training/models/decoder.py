"""The light decoder: features of all stages to one grid at the finest stage's stride."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class LightDecoder(nn.Module):
    """1×1 projections, upsample-and-add from the coarsest stage to the finest, two 3×3 convolutions on the way.

    Shared by all tasks. A stage before the adapters has one feature for all tasks (B, ...), one after them has a
    feature per task (T·B, ...), tasks first; the sum is per task from there on.
    """

    def __init__(self, stages: Sequence[tuple[int, int]], channels: int) -> None:
        """`stages`: channels of each, finest first, and how many times finer its grid is to become."""
        super().__init__()
        self.projections = nn.ModuleList(projection(of, channels, upscale) for of, upscale in stages)
        self.convolutions = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Grids (B or T·B, H_i, W_i, C_i), finest first, to (B or T·B, channels, upscale·H_0, upscale·W_0)."""
        fused: Tensor | None = None
        last = len(features) - 1
        for level in range(last, -1, -1):
            projected = self.projections[level](features[level].permute(0, 3, 1, 2))
            if fused is not None:
                fused = add_shared(upsampled(fused, projected), projected)
            else:
                fused = projected
            if level < len(self.convolutions):
                fused = F.gelu(self.convolutions[level](fused))
        assert fused is not None
        return fused


def projection(stage_channels: int, channels: int, upscale: int) -> nn.Module:
    """A stage's channels to the decoder's, on a grid `upscale` times finer."""
    same_grid = nn.Conv2d(stage_channels, channels, 1)
    if upscale == 1:
        return same_grid
    return nn.Sequential(same_grid, nn.ConvTranspose2d(channels, channels, upscale, upscale))


def upsampled(coarse: Tensor, like: Tensor) -> Tensor:
    """`coarse` at the height and width of `like`."""
    if coarse.shape[2:] == like.shape[2:]:
        return coarse
    return F.interpolate(coarse, size=like.shape[2:], mode="bilinear", align_corners=False)


def add_shared(per_task: Tensor, shared: Tensor) -> Tensor:
    """Add a feature (B, ...) that all tasks share, or one per task as well, to one per task (T·B, ...)."""
    if shared.shape[0] == per_task.shape[0]:
        return per_task + shared
    summed: Tensor = per_task.unflatten(0, (-1, shared.shape[0])) + shared
    return summed.flatten(0, 1)
