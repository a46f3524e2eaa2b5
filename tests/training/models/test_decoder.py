"""The light decoder: its grids, whatever the sizes, and what tasks share in it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from training.models.decoder import LightDecoder

CHANNELS = (8, 12, 16)


def grids(images: tuple[int, ...], sizes: tuple[tuple[int, int], ...]) -> list[Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(b, *size, c, dtype=torch.float64) for b, size, c in zip(images, sizes, CHANNELS, strict=True)
    ]


@torch.no_grad()
@pytest.mark.parametrize(
    "sizes", [((12, 16), (6, 8), (3, 4)), ((11, 15), (6, 8), (3, 4)), ((5, 3), (3, 2), (2, 1))]
)
@pytest.mark.parametrize("images", [(2, 2, 2), (2, 2, 6), (2, 6, 6), (6, 6, 6)])
def test_every_task_is_decoded_as_if_it_were_alone(
    images: tuple[int, int, int], sizes: tuple[tuple[int, int], ...]
) -> None:
    """Stages before the adapters have one feature for all tasks; the sum is the task's own from there on."""
    decoder = LightDecoder([(channels, 1) for channels in CHANNELS], 5).double()
    features = grids(images, sizes)
    decoded = decoder(features)
    assert decoded.shape == (images[-1], 5, *sizes[0])

    for task in range(images[-1] // 2):
        own = [f[2 * task : 2 * task + 2] if len(f) == 6 else f for f in features]
        fine, middle, coarse = (
            F.conv2d(f.permute(0, 3, 1, 2), p.weight, p.bias)
            for f, p in zip(own, decoder.projections, strict=True)
        )
        first, second = decoder.convolutions
        fused = F.interpolate(coarse, sizes[1], mode="bilinear") + middle
        fused = F.gelu(F.conv2d(fused, second.weight, second.bias, padding=1))
        fused = F.interpolate(fused, sizes[0], mode="bilinear") + fine
        expected = F.gelu(F.conv2d(fused, first.weight, first.bias, padding=1))
        torch.testing.assert_close(decoded[2 * task : 2 * task + 2], expected, rtol=0, atol=1e-10)
