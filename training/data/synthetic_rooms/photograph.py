"""From radiance to a photograph: lens, exposure, white balance, sensor noise, encoding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from training.data.synthetic_rooms.camera import Sensor
from training.data.synthetic_rooms.surface import Planes

BANK = 1 << 20


@lru_cache(maxsize=4)
def _noise_bank(device: torch.device) -> Tensor:
    """Gaussian numbers to cut frames from: drawing fresh ones would take longer than casting the rays."""
    generator = torch.Generator().manual_seed(7)
    return torch.randn(BANK, generator=generator).to(device)


def photograph(radiance: Planes, sensors: Sequence[Sensor], noise: Sequence[int], width: int, height: int) -> Tensor:
    """uint8 (F, H, W, 3) from linear radiance, three planes (F, >= H, >= W)."""
    device = radiance[0].device
    light = torch.stack([plane[:, :height, :width] for plane in radiance], dim=1)
    column = torch.tensor(
        [(s.exposure, *s.balance, s.vignette, s.blur, s.read_noise, s.shot_noise, 1 / s.gamma) for s in sensors],
        dtype=torch.float32,
        device=device,
    )[:, :, None, None, None]
    # In double precision, so that the order of summation, which depends on the batch, is lost in rounding.
    level = light[:, :, ::4, ::4].double().mean(dim=(1, 2, 3), keepdim=True).float()
    gain = column[:, 0] / level * column[:, 1:4, 0]
    x = torch.linspace(-1, 1, width, device=device)
    y = torch.linspace(-1, 1, height, device=device)
    falloff = 1 - column[:, 4] * (0.5 * (x.square() + y.square()[:, None]))
    # The exponential is a film-like shoulder: bright lamps and windows saturate softly.
    light.mul_(gain * falloff).mul_(-1.3).exp_().neg_().add_(1)
    light = _blur(light, column[:, 5] * (width / 256))
    grains = torch.stack([_grain(seed, 3 * height * width, device) for seed in noise]).view(light.shape)
    light.addcmul_(grains, (light * column[:, 7].square()).add_(column[:, 6].square()).sqrt_())
    encoded = light.clamp_(0, 1).pow_(column[:, 8])
    return encoded.mul_(255).add_(0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _grain(seed: int, count: int, device: torch.device) -> Tensor:
    bank = _noise_bank(device)
    start = seed * 7919 % BANK
    repeats = -(-(start + count) // BANK)
    return bank.repeat(repeats)[start : start + count] if repeats > 1 else bank[start : start + count]


def _blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Three-tap blur along both axes with the variance of a Gaussian of this sigma (F, 1, 1, 1), at most 0.8 pixels."""
    side = sigma.clamp(max=0.8).square() / 2
    for axis in (2, 3):
        size = image.shape[axis]
        blurred = image * (1 - 2 * side)
        for here, there in ((0, 1), (1, 0)):  # from before, from after; at the border from itself
            blurred.narrow(axis, here, size - 1).addcmul_(image.narrow(axis, there, size - 1), side)
            blurred.narrow(axis, (size - 1) * there, 1).addcmul_(image.narrow(axis, (size - 1) * there, 1), side)
        image = blurred
    return image
