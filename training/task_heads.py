"""What training must know of each task beyond `avtar_ros.tasks`: its head's channels, its loss, its map."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION
from training import losses


@dataclass(frozen=True)
class TaskHead:
    """`loss` takes raw outputs (B, channels, H, W) and a target map; `to_map` makes the contract's map of them.

    `appearance` makes of them what a discriminator of domains looks at, (B, channels, H, W), and has gradients.
    """

    channels: Callable[[ModelCard], int]
    loss: Callable[[Tensor, Tensor], Tensor]
    to_map: Callable[[Tensor, ModelCard], Tensor]
    appearance: Callable[[Tensor], Tensor]


def _class_ids(logits: Tensor, card: ModelCard) -> Tensor:
    return logits.argmax(1).to(torch.uint8)


def _metres(log_depth: Tensor, card: ModelCard) -> Tensor:
    assert card.depth is not None
    return log_depth[:, 0].exp().clamp(card.depth.min_m, card.depth.max_m)


def _unit_vectors(vectors: Tensor, card: ModelCard) -> Tensor:
    return F.normalize(vectors, dim=1).permute(0, 2, 3, 1)


def _probability(logits: Tensor, card: ModelCard) -> Tensor:
    return logits[:, 0].sigmoid()


def _self_information(logits: Tensor) -> Tensor:
    """−p log p of each class over log C (Vu et al., ADVENT, CVPR 2019)."""
    log_p = logits.log_softmax(1)
    return -log_p.exp() * log_p / math.log(max(2, logits.shape[1]))


def _min_max_scaled(values: Tensor) -> Tensor:
    """Each image from 0 to 1."""
    least, most = values.amin((1, 2, 3), keepdim=True), values.amax((1, 2, 3), keepdim=True)
    return (values - least) / (most - least).clamp(min=1e-6)


TASK_HEADS = {
    SEGMENTATION.name: TaskHead(lambda card: len(card.classes), losses.cross_entropy, _class_ids, _self_information),
    DEPTH.name: TaskHead(lambda card: 1, losses.berhu_log_depth, _metres, _min_max_scaled),
    NORMALS.name: TaskHead(lambda card: 3, losses.cosine_distance, _unit_vectors, F.normalize),
    EDGES.name: TaskHead(lambda card: 1, losses.balanced_binary_cross_entropy, _probability, torch.sigmoid),
}

EDGES_LOSSES = {"bce": losses.balanced_binary_cross_entropy, "l1": losses.absolute_error}
"""By what a config calls them."""
