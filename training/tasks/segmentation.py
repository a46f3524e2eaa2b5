"""Learning semantic segmentation: logits of the classes."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avtar_ros.meaning import UNLABELLED
from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import SEGMENTATION
from training.processes import summed
from training.tasks.learnt_task import LearntTask, Packing, unchanged


def cross_entropy(logits: Tensor, ids: Tensor) -> Tensor:
    """Class ids (B, H, W), UNLABELLED left out."""
    losses = F.cross_entropy(logits, ids.long(), ignore_index=UNLABELLED, reduction="sum")
    return losses / summed((ids != UNLABELLED).sum()).clamp(min=1)


def _class_ids(logits: Tensor, card: ModelCard) -> Tensor:
    return logits.argmax(1).float().to(torch.uint8)  # TensorRT 10.3 makes uint8 of floats alone


def _self_information(logits: Tensor) -> Tensor:
    """−p log p of each class over log C (Vu et al., ADVENT, CVPR 2019)."""
    log_p = logits.log_softmax(1)
    return -log_p.exp() * log_p / math.log(max(2, logits.shape[1]))


def _likeliest(logits: Tensor) -> Tensor:
    return logits.softmax(1).amax(1)


def _random_ids(shape: tuple[int, ...], card: ModelCard) -> Tensor:
    return torch.randint(0, max(1, len(card.classes)), shape, dtype=torch.uint8)


LEARNT_SEGMENTATION = LearntTask(
    task=SEGMENTATION,
    channels=lambda card: len(card.classes),
    losses={"cross-entropy": cross_entropy},
    to_map=_class_ids,
    appearance=_self_information,
    random_map=_random_ids,
    packing=Packing(np.uint8, unchanged, unchanged),
    certainty=_likeliest,
)
