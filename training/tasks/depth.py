"""Learning depth: its logarithm."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import DEPTH
from training.processes import largest, summed
from training.tasks.learnt_task import LearntTask, Packing, unknown_is_nan

MILLIMETRES = 1000.0
SCALE_SHARE, SLOPE_SHARE = 0.5, 0.5
SLOPE_STEPS = (1, 2, 4, 8)


def berhu_log_depth(log_depth: Tensor, depth: Tensor) -> Tensor:
    """Reverse Huber (Laina et al., 3DV 2016) of the logarithm of depth (B, H, W), so that errors are relative.

    |d| where |d| ≤ c, else (d² + c²) / 2c, with c a fifth of the largest error in the batch.
    """
    known = torch.isfinite(depth) & (depth > 0)
    error = torch.where(known, log_depth[:, 0] - torch.where(known, depth, 1.0).log(), 0.0).abs()
    threshold = (largest(error.max()) / 5).clamp(min=1e-6)
    berhu = torch.where(error <= threshold, error, (error**2 + threshold**2) / (2 * threshold))
    return berhu.sum() / summed(known.sum()).clamp(min=1)


def shape_and_scale(log_depth: Tensor, depth: Tensor) -> Tensor:
    """How far the logarithm of depth (B, H, W) is off: each image's shape, its scale, and its slopes.

    Of the error e and its mean m over an image: |e − m|, half of |m|, and half of the slopes of e along rows and
    columns at four sizes (Li and Snavely, MegaDepth, CVPR 2018, eq. 5). Scale, which an image alone often does not
    tell, then does not drown what it does tell: where one surface ends and how it is turned.
    """
    known = torch.isfinite(depth) & (depth > 0)
    error = torch.where(known, log_depth[:, 0] - torch.where(known, depth, 1.0).log(), 0.0)
    pixels = known.sum((1, 2), keepdim=True)
    mean = error.sum((1, 2), keepdim=True) / pixels.clamp(min=1)
    shape = torch.where(known, (error - mean).abs(), 0.0).sum()
    scale = (mean.abs() * pixels).sum()
    total: Tensor = (shape + SCALE_SHARE * scale) / summed(known.sum()).clamp(min=1)
    for step in SLOPE_STEPS:
        total = total + SLOPE_SHARE * _slopes(error[:, ::step, ::step], known[:, ::step, ::step])
    return total


def _slopes(error: Tensor, known: Tensor) -> Tensor:
    """The mean difference of neighbours in a row or a column of which both are known."""
    differences, counts = error.new_zeros(()), known.new_zeros((), dtype=torch.long)
    for axis in (1, 2):
        both = known.narrow(axis, 1, known.shape[axis] - 1) & known.narrow(axis, 0, known.shape[axis] - 1)
        differences = differences + torch.where(both, error.diff(dim=axis).abs(), 0.0).sum()
        counts = counts + both.sum()
    return differences / summed(counts).clamp(min=1)


def disparity_to_scale_and_shift(log_depth: Tensor, disparity: Tensor) -> Tensor:
    """|d̂ − d| of disparities, each less its median and over its mean absolute deviation from it, image by image.

    That is the scale- and shift-invariant loss of MiDaS (Ranftl et al., TPAMI 2022, eq. 5 and 6), for targets (B, H, W)
    of which neither is known; NaN is unknown.
    """
    known = torch.isfinite(disparity)
    own, target = _standardised((-log_depth[:, 0]).exp(), known), _standardised(disparity, known)
    return (own - target).abs().sum() / summed(known.sum()).clamp(min=1)


def _standardised(values: Tensor, known: Tensor) -> Tensor:
    """Each image less its median, over its mean absolute deviation; 0 where unknown."""
    median = torch.where(known, values, torch.nan).flatten(1).nanmedian(1).values[:, None, None]
    centred = torch.where(known, torch.where(known, values, 0.0) - median.nan_to_num(), 0.0)
    spread = centred.abs().sum((1, 2), keepdim=True) / known.sum((1, 2), keepdim=True).clamp(min=1)
    return centred / spread.clamp(min=1e-6)


def _metres(log_depth: Tensor, card: ModelCard) -> Tensor:
    assert card.depth is not None
    return log_depth[:, 0].exp().clamp(card.depth.min_m, card.depth.max_m)


def _min_max_scaled(values: Tensor) -> Tensor:
    """Each image from 0 to 1."""
    least, most = values.amin((1, 2, 3), keepdim=True), values.amax((1, 2, 3), keepdim=True)
    return (values - least) / (most - least).clamp(min=1e-6)


def _random_metres(shape: tuple[int, ...], card: ModelCard) -> Tensor:
    return 1 + 4 * torch.rand(shape)


def _millimetres(depth: Tensor) -> Tensor:
    """Whole millimetres from 1 to 65535; 0, which is unknown, for all else."""
    steps = (depth * MILLIMETRES).round()
    return torch.where((steps >= 1) & (steps <= 65535), steps, 0)


def _unpacked(stored: Tensor) -> Tensor:
    return unknown_is_nan(stored.float() / MILLIMETRES, stored != 0)


LEARNT_DEPTH = LearntTask(
    task=DEPTH,
    channels=lambda card: 1,
    losses={"berhu": berhu_log_depth, "shape": shape_and_scale},
    relative_loss=disparity_to_scale_and_shift,
    to_map=_metres,
    appearance=_min_max_scaled,
    random_map=_random_metres,
    packing=Packing(np.uint16, _millimetres, _unpacked),
)
