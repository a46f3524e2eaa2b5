"""Learning edges: the logit of their probability."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import EDGES
from training.processes import summed
from training.tasks.learnt_task import LearntTask, Packing, unknown_is_nan

UNKNOWN = 255
BETWEEN, STEPS = 2, 252


def balanced_binary_cross_entropy(logits: Tensor, edges: Tensor) -> Tensor:
    """Edges (B, H, W) in [0, 1]; edge and other pixels each count by the other's share (Xie and Tu, ICCV 2015)."""
    known = torch.isfinite(edges)
    target = torch.where(known, edges, 0.0)
    edge_share = summed(target.sum()) / summed(known.sum()).clamp(min=1)
    weight = torch.where(known, target * (1 - edge_share) + (1 - target) * edge_share, 0.0)
    losses = F.binary_cross_entropy_with_logits(logits[:, 0], target, reduction="none")
    return (weight * losses).sum() / summed(weight.sum()).clamp(min=1e-6)


def absolute_error(logits: Tensor, edges: Tensor) -> Tensor:
    """|p − edge| of probabilities p, for edges (B, H, W) in [0, 1] that are strengths, such as those of texture."""
    known = torch.isfinite(edges)
    error = torch.where(known, logits[:, 0].sigmoid() - torch.where(known, edges, 0.0), 0.0).abs()
    return error.sum() / summed(known.sum()).clamp(min=1)


def _probability(logits: Tensor, card: ModelCard) -> Tensor:
    return logits[:, 0].sigmoid()


def _random_edges(shape: tuple[int, ...], card: ModelCard) -> Tensor:
    return (torch.rand(shape) < 0.1).float()


def _levels(edges: Tensor) -> Tensor:
    """0 and 1 as such, most edges being one of them; what lies between in steps from BETWEEN on."""
    between = (BETWEEN + edges.nan_to_num() * STEPS).round()
    levels = torch.where((edges <= 0) | (edges >= 1), (edges > 0.5).float(), between)
    return torch.where(edges.isnan(), UNKNOWN, levels).to(torch.uint8)


def _unpacked(stored: Tensor) -> Tensor:
    edges = torch.where(stored < BETWEEN, stored.float(), (stored.float() - BETWEEN) / STEPS)
    return unknown_is_nan(edges, stored != UNKNOWN)


def _strongest(edges: Tensor, factor: int) -> Tensor:
    return F.max_pool2d(edges[:, None], factor)[:, 0]


LEARNT_EDGES = LearntTask(
    task=EDGES,
    channels=lambda card: 1,
    losses={"bce": balanced_binary_cross_entropy, "l1": absolute_error},
    to_map=_probability,
    appearance=torch.sigmoid,
    random_map=_random_edges,
    packing=Packing(np.uint8, _levels, _unpacked),
    reduced=_strongest,
    lines=True,
)
