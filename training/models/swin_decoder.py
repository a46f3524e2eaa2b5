"""The authors' decoder: Swin transformer blocks, two a stage, shared by all tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn
from transformers import AutoConfig
from transformers.models.swin.modeling_swin import SwinLayer

from training.config import CHANNELS_A_HEAD
from training.models.decoder import add_shared, projection, upsampled
from training.models.stages import as_grid


class SwinDecoder(nn.Module):
    """From the coarsest stage to the finest: upsample, add the stage's projection, two Swin blocks.

    The second block of a stage has shifted windows. Features are those of `LightDecoder`, and so is what comes out.
    """

    def __init__(self, stages: Sequence[tuple[int, int]], channels: int, window: int) -> None:
        """`stages`: channels of each, finest first, and how many times finer its grid is to become."""
        super().__init__()
        self.projections = nn.ModuleList(projection(of, channels, upscale) for of, upscale in stages)
        config: Any = AutoConfig.for_model("swin", window_size=window, attn_implementation="eager")
        heads, size = max(1, channels // CHANNELS_A_HEAD), (4 * window, 4 * window)  # any size beyond one window
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                SwinLayer(config, channels, size, heads, shift_size=shift) for shift in (0, window // 2)
            )
            for _ in stages
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Grids (B or T·B, H_i, W_i, C_i), finest first, to (B or T·B, channels, upscale·H_0, upscale·W_0)."""
        fused: Tensor | None = None
        for level in reversed(range(len(features))):
            projected = self.projections[level](features[level].permute(0, 3, 1, 2))
            fused = projected if fused is None else add_shared(upsampled(fused, projected), projected)
            height, width = fused.shape[2:]
            tokens = fused.flatten(2).transpose(1, 2)
            for block in cast("nn.ModuleList", self.blocks[level]):
                tokens = block(tokens, (height, width), always_partition=True)[0]
            fused = as_grid(tokens, height, width).permute(0, 3, 1, 2)
        assert fused is not None
        decoded: Tensor = self.norm(fused.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return decoded
