"""Learning surface normals: vectors of any length."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import NORMALS
from training.processes import summed
from training.tasks.learnt_task import LearntTask, Packing, unknown_is_nan

STEPS = 127.0


def cosine_distance(vectors: Tensor, normals: Tensor) -> Tensor:
    """1 − cosine between vectors of any length and unit normals (B, H, W, 3)."""
    known = torch.isfinite(normals).all(-1)
    target = torch.where(known[..., None], normals, 0.0).permute(0, 3, 1, 2)
    distance = torch.where(known, 1 - F.cosine_similarity(vectors, target, dim=1), 0.0)
    return distance.sum() / summed(known.sum()).clamp(min=1)


def _unit_vectors(vectors: Tensor, card: ModelCard) -> Tensor:
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp_min(1e-12)
    unit: Tensor = vectors / length
    return unit.permute(0, 2, 3, 1)


def _random_vectors(shape: tuple[int, ...], card: ModelCard) -> Tensor:
    return F.normalize(torch.randn(*shape, 3), dim=-1)


def _steps(normals: Tensor) -> Tensor:
    return (normals.nan_to_num() * STEPS).round()


def _unpacked(stored: Tensor) -> Tensor:
    return unknown_is_nan(F.normalize(stored.float(), dim=-1), stored.any(-1, keepdim=True))


def _other_side(normals: Tensor) -> Tensor:
    """What points to the right now points to the left."""
    return normals * normals.new_tensor([-1.0, 1.0, 1.0])


LEARNT_NORMALS = LearntTask(
    task=NORMALS,
    channels=lambda card: 3,
    losses={"cosine": cosine_distance},
    to_map=_unit_vectors,
    appearance=F.normalize,
    random_map=_random_vectors,
    packing=Packing(np.int8, _steps, _unpacked),
    mirrored=_other_side,
)
