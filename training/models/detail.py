"""Fine detail: a small convolutional path from the image, for what lies between a transformer's tokens.

Half, then a quarter of the image's size and so on, computed once for all tasks, joins what the decoder made of
tokens, level by level (after the spatial prior of Chen et al., ViT-Adapter, ICLR 2023, and the fusion of Ranftl et
al., Vision Transformers for Dense Prediction, ICCV 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from training.models.decoder import add_shared, upsampled

COLOURS = 3


class DetailStem(nn.Module):
    """Two 3×3 convolutions a level, the first of which halves the grid."""

    def __init__(self, channels: Sequence[int]) -> None:
        """`channels` of each level, finest first."""
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(after, after, 3, padding=1),
                nn.ReLU(),
            )
            for before, after in pairwise((COLOURS, *channels))
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):  # He et al.: else every layer has less of the image, and the last nothing
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> list[Tensor]:
        """A normalised image (B, 3, H, W) to grids (B, C_i, H / 2^(i+1), W / 2^(i+1)), rounded up, finest first."""
        levels = []
        for level in self.levels:
            image = level(image)
            levels.append(image)
        return levels


class DetailFusion(nn.Module):
    """From the decoder's grid to the finest of the stem's: upsample, add, 3×3 convolution, at every level."""

    def __init__(self, decoder_channels: int, channels: Sequence[int]) -> None:
        """`channels` of the stem's levels, finest first, which are those of the fused levels too."""
        super().__init__()
        self.narrowed = nn.ModuleList(
            nn.Conv2d(coarser, own, 1) for own, coarser in pairwise((*channels, decoder_channels))
        )
        self.convolutions = nn.ModuleList(nn.Conv2d(own, own, 3, padding=1) for own in channels)

    def forward(self, decoded: Tensor, details: Sequence[Tensor]) -> Tensor:
        """Features (T·B, C, h, w) and the stem's (B, ...) to (T·B, channels[0], H / 2, W / 2), rounded up."""
        for level in reversed(range(len(details))):
            coarse = upsampled(self.narrowed[level](decoded), details[level])
            decoded = F.relu(self.convolutions[level](add_shared(coarse, details[level])))
        return decoded


class DetailedHead(nn.Module):
    """What a 1×1 convolution makes of the decoder's grid, enlarged, plus what a 3×3 one makes of the fused detail.

    Meaning lies in the decoder's many channels, places in the few of the detail: neither has to pass the other.
    """

    def __init__(self, decoder_channels: int, detail_channels: int, outputs: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(decoder_channels, outputs, 1)
        self.fine = nn.Conv2d(detail_channels, outputs, 3, padding=1)

    def forward(self, decoded: Tensor, fused: Tensor) -> Tensor:
        """Features (B, C, h, w) and detail (B, C', H, W) to raw output (B, outputs, H, W)."""
        fine: Tensor = self.fine(fused)
        return upsampled(self.coarse(decoded), fine) + fine
