"""What training must know of each task beyond `avtar_ros.tasks`: its head's channels, its loss, its map."""

from __future__ import annotations

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
    """`loss` takes raw outputs (B, channels, H, W) and a target map; `to_map` makes the contract's map of them."""

    channels: Callable[[ModelCard], int]
    loss: Callable[[Tensor, Tensor], Tensor]
    to_map: Callable[[Tensor, ModelCard], Tensor]


def _class_ids(logits: Tensor, card: ModelCard) -> Tensor:
    return logits.argmax(1).to(torch.uint8)


def _metres(log_depth: Tensor, card: ModelCard) -> Tensor:
    assert card.depth is not None
    return log_depth[:, 0].exp().clamp(card.depth.min_m, card.depth.max_m)


def _unit_vectors(vectors: Tensor, card: ModelCard) -> Tensor:
    return F.normalize(vectors, dim=1).permute(0, 2, 3, 1)


def _probability(logits: Tensor, card: ModelCard) -> Tensor:
    return logits[:, 0].sigmoid()


TASK_HEADS = {
    SEGMENTATION.name: TaskHead(lambda card: len(card.classes), losses.cross_entropy, _class_ids),
    DEPTH.name: TaskHead(lambda card: 1, losses.berhu_log_depth, _metres),
    NORMALS.name: TaskHead(lambda card: 3, losses.cosine_distance, _unit_vectors),
    EDGES.name: TaskHead(lambda card: 1, losses.balanced_binary_cross_entropy, _probability),
}
