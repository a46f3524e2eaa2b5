"""What is believed of teachers' opinions: where their views of a picture agree, and they agree with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avtar_ros.meaning import UNLABELLED
from training.data.teachers.alignment import fit_depth
from training.data.teachers.config import TrustConfig
from training.data.teachers.opinion import Opinion, Teacher, resized

SIDES = torch.tensor([-1.0, 1.0, 1.0])
"""A mirror turns the x of normals."""


@dataclass(frozen=True)
class Believed:
    """Of pictures (B, H, W, 3) the maps of one task, and how far each pixel is believed: `weight` (B, H, W) in [0, 1].

    Where it is 0 the map is unknown.
    """

    values: Tensor
    weight: Tensor


def views_of(teacher: Teacher, images: Tensor, focal: Tensor, trust: TrustConfig) -> list[Opinion]:
    """What a teacher says of pictures as they are, mirrored, and smaller: each as of the pictures as they are."""
    opinions = [teacher.look(images, focal)]
    if trust.flip:
        opinions.append(_mirrored(teacher.look(images.flip(2), focal)))
    if trust.scale < 1:
        height, width = images.shape[1:3]
        size = (max(32, round(height * trust.scale)), max(32, round(width * trust.scale)))
        small = F.interpolate(images.permute(0, 3, 1, 2).float(), size=size, mode="area").round().to(torch.uint8)
        seen = teacher.look(small.permute(0, 2, 3, 1).contiguous(), focal * size[1] / width)
        opinions.append(_enlarged(seen, height, width))
    return opinions


def believed_classes(probabilities: Sequence[Tensor], trust: TrustConfig) -> Believed:
    """The most probable class of the mean, which counts as much as it is probable.

    UNLABELLED where it is of none, or not probable enough.
    """
    mean = torch.stack(list(probabilities)).mean(0)
    best, ids = mean.max(1)
    sure = (best >= trust.probability) & (ids < mean.shape[1] - 1)
    return Believed(torch.where(sure, ids, UNLABELLED).to(torch.uint8), torch.where(sure, best, 0.0))


def believed_depth(depths: Sequence[Tensor], trust: TrustConfig) -> Believed:
    """The mean of metres where all lie within a share of it, NaN elsewhere."""
    return within(torch.stack(list(depths)), lambda mean: trust.depth * mean)


def believed_edges(edges: Sequence[Tensor], trust: TrustConfig) -> Believed:
    return within(torch.stack(list(edges)), lambda mean: torch.full_like(mean, trust.edges))


def believed_normals(normals: Sequence[Tensor], trust: TrustConfig) -> Believed:
    """The mean direction where all lie within an angle of it, NaN elsewhere."""
    stacked = torch.stack(list(normals))
    mean = F.normalize(stacked.sum(0), dim=-1)
    worst = (stacked * mean).sum(-1).amin(0).clamp(-1, 1).acos().rad2deg()
    weight = _falling(worst, torch.full_like(worst, trust.normals_deg))
    return Believed(torch.where((weight > 0)[..., None], mean, torch.nan), weight)


def alike(views: Sequence[Tensor], teacher: Teacher) -> list[Tensor]:
    """Views of relative depth, each brought to the scale and shift of the first; metres stay as they are."""
    if teacher.depth_kind == "metres":
        return list(views)
    first = views[0].cpu().numpy()
    brought = [views[0]]
    for view in views[1:]:
        seen = view.cpu().numpy()
        brought.append(torch.from_numpy(np.stack([_like(s, f) for s, f in zip(seen, first, strict=True)])).to(view))
    return brought


def _like(seen: np.ndarray, first: np.ndarray) -> np.ndarray:
    fit = fit_depth(seen, first, "relative_depth")
    return seen if fit is None else (fit.scale * seen + fit.shift).astype(np.float32)


def within(stacked: Tensor, limit: Callable[[Tensor], Tensor]) -> Believed:
    """The mean over the first axis where none is as far from it as a `limit` that depends on it, NaN elsewhere."""
    mean = stacked.mean(0)
    weight = _falling((stacked - mean).abs().amax(0), limit(mean))
    return Believed(torch.where(weight > 0, mean, torch.nan), weight)


def _falling(difference: Tensor, limit: Tensor) -> Tensor:
    """1 where there is no difference, down to 0 at the limit, and 0 where either is unknown."""
    return (1 - difference / limit).nan_to_num(0.0).clamp(min=0)


def _mirrored(seen: Opinion) -> Opinion:
    """What was said of mirrored pictures, as of the pictures themselves."""

    def back(values: Tensor | None, axis: int) -> Tensor | None:
        return None if values is None else values.flip(axis)

    normals = back(seen.normals, 2)
    turned = None if normals is None else normals * SIDES.to(normals)
    return Opinion(back(seen.probabilities, 3), back(seen.depth, 2), turned, back(seen.edges, 2))


def _enlarged(seen: Opinion, height: int, width: int) -> Opinion:
    def flat(values: Tensor | None) -> Tensor | None:
        return None if values is None else resized(values[:, None], height, width)[:, 0]

    normals = seen.normals
    if normals is not None:
        normals = F.normalize(resized(normals.permute(0, 3, 1, 2), height, width).permute(0, 2, 3, 1), dim=-1)
    probabilities = None if seen.probabilities is None else resized(seen.probabilities, height, width)
    return Opinion(probabilities, flat(seen.depth), normals, flat(seen.edges))
