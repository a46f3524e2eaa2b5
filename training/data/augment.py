"""Changes to a batch that hold for image and maps together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from training.data.batch import Batch, unknown_in
from training.data.config import AugmentConfig
from training.data.degraded import degraded
from training.tasks import LEARNT
from training.tasks.learnt_task import unchanged

HUE_RANGE = 0.1
"""Radians of hue for a jitter of 1: hues tell things apart, so they move less than the rest."""


def augmented(batch: Batch, config: AugmentConfig, random: torch.Generator) -> Batch:
    """The batch mirrored, zoomed into, tinted and degraded at random; the same for the same state of `random`.

    Weights are spent here: of labels that are believed by half a random half stays.
    """
    size = len(batch)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(size, *shape, generator=random)

    if batch.weights:
        batch = thinned(batch, random)
    if config.flip:
        batch = flipped(batch, uniform() < 0.5)
    if config.zoom > 1:
        batch = zoomed(batch, config.zoom ** uniform(), uniform(2))
    if config.jitter:
        batch = tinted(batch, config.jitter * (2 * uniform(4) - 1))
    if config.camera:
        batch = degraded(batch, config.camera, random)
    return batch


def thinned(batch: Batch, random: torch.Generator) -> Batch:
    """The batch without weights, in which each label stays with the probability of its own, and is unknown else.

    The mean of what is learnt is that of losses weighted by pixel, and no loss has to know of weights.
    """
    maps = dict(batch.maps)
    for name, weight in batch.weights.items():
        stays = torch.rand(weight.shape, generator=random) < weight
        values = maps[name]
        maps[name] = torch.where(stays.view(*stays.shape, *[1] * (values.dim() - 3)), values, unknown_in(name))
    return replace(batch, maps=maps, weights={})


def flipped(batch: Batch, which: Tensor) -> Batch:
    """The batch with the images named by `which` (B,) bool mirrored left to right, and their maps with them."""

    def mirror(values: Tensor, turned: Callable[[Tensor], Tensor] = unchanged) -> Tensor:
        return torch.where(which.view(-1, *[1] * (values.dim() - 1)), turned(values.flip(2)), values)

    maps = {name: mirror(values, LEARNT[name].mirrored) for name, values in batch.maps.items()}
    return replace(batch, image=mirror(batch.image), maps=maps)


def zoomed(batch: Batch, scale: Tensor, place: Tensor) -> Batch:
    """A part of each image, `scale` (B,) ≥ 1 times smaller a side, brought to the full size.

    `place` (B, 2) in [0, 1] says where it is cut out: 0 at the left or upper border, 1 at the other. Enlarging by s
    is to look through s times the focal length: depth and normals of a pixel stay what they are.
    """
    from kornia.geometry.transform import warp_affine  # takes seconds to import

    height, width = batch.image.shape[1:3]
    free = 1 - 1 / scale
    left, top = place[:, 0] * free * width, place[:, 1] * free * height
    # Pixel areas scale, and the first pixel's centre is 0: u' = s (u + 1/2 − left) − 1/2.
    matrix = torch.zeros(len(batch), 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale
    matrix[:, :, 2] = scale[:, None] * (0.5 - torch.stack([left, top], -1)) - 0.5

    def cut(values: Tensor, mode: str) -> Tensor:
        planes = values.float().reshape(*values.shape[:3], -1).permute(0, 3, 1, 2)
        part = warp_affine(planes, matrix, (height, width), mode, "border", align_corners=True)
        return part.permute(0, 2, 3, 1).reshape(values.shape)

    image = cut(batch.image, "bilinear").round().to(torch.uint8)
    maps = {name: cut(values, "nearest").to(values.dtype) for name, values in batch.maps.items()}
    return replace(batch, image=image, maps=maps, focal=batch.focal * scale)


def tinted(batch: Batch, amount: Tensor) -> Batch:
    """Images in another light; `amount` (B, 4) in [-1, 1] of brightness, contrast, saturation and hue, 0 is none."""
    from kornia.enhance import adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation

    image = batch.image.permute(0, 3, 1, 2) / 255
    image = adjust_brightness(image, amount[:, 0])
    image = adjust_contrast(image, 1 + amount[:, 1])
    image = adjust_saturation(image, 1 + amount[:, 2])
    image = adjust_hue(image, HUE_RANGE * amount[:, 3])
    return replace(batch, image=(image * 255).round().to(torch.uint8).permute(0, 2, 3, 1))


def downscaled(batch: Batch, factor: int) -> Batch:
    """The batch as a camera with `factor` times fewer pixels a side would see it; edges stay a pixel thick."""
    if factor == 1:
        return batch
    image = F.avg_pool2d(batch.image.permute(0, 3, 1, 2).float(), factor).permute(0, 2, 3, 1)
    maps = {name: LEARNT[name].reduced(values, factor) for name, values in batch.maps.items()}
    return replace(batch, image=image.round().to(torch.uint8), maps=maps, focal=batch.focal / factor)
