"""One loss a task, each a mean over the pixels that have a label, of all processes where there are several: each
process has its images' part of the mean, and the sum of these parts is the loss.

Raw head outputs are (B, channels, H, W); targets are task maps in the layout of `avtar_ros.tasks`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from avtar_ros.meaning import UNLABELLED
from training.processes import largest, summed


def cross_entropy(logits: Tensor, ids: Tensor) -> Tensor:
    """Class ids (B, H, W), UNLABELLED left out."""
    losses = F.cross_entropy(logits, ids.long(), ignore_index=UNLABELLED, reduction="sum")
    return losses / summed((ids != UNLABELLED).sum()).clamp(min=1)


def berhu_log_depth(log_depth: Tensor, depth: Tensor) -> Tensor:
    """Reverse Huber (Laina et al., 3DV 2016) of the logarithm of depth (B, H, W), so that errors are relative.

    |d| where |d| ≤ c, else (d² + c²) / 2c, with c a fifth of the largest error in the batch.
    """
    known = torch.isfinite(depth) & (depth > 0)
    error = torch.where(known, log_depth[:, 0] - torch.where(known, depth, 1.0).log(), 0.0).abs()
    threshold = (largest(error.max()) / 5).clamp(min=1e-6)
    berhu = torch.where(error <= threshold, error, (error**2 + threshold**2) / (2 * threshold))
    return berhu.sum() / summed(known.sum()).clamp(min=1)


def cosine_distance(vectors: Tensor, normals: Tensor) -> Tensor:
    """1 − cosine between vectors of any length and unit normals (B, H, W, 3)."""
    known = torch.isfinite(normals).all(-1)
    target = torch.where(known[..., None], normals, 0.0).permute(0, 3, 1, 2)
    distance = torch.where(known, 1 - F.cosine_similarity(vectors, target, dim=1), 0.0)
    return distance.sum() / summed(known.sum()).clamp(min=1)


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
