"""The model as the robot sees it: uint8 images in, the contract's task maps out, task constants folded."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import DEPTH
from training.config import ALONG_NORMALS
from training.models.adapter import AdapterCondition
from training.models.depth_along_normals import DepthAlongNormals
from training.models.multitask import MultitaskModel
from training.models.task_scaled_norm import ScaleShift
from training.tasks import LEARNT


class InferenceModel(nn.Module):
    """`MultitaskModel` in evaluation mode for images of one size, the card's if not given.

    What depends on the tasks alone (affinity-weighted embeddings, A′ with position bias and shift mask, the norms'
    scales and shifts) is computed here once and is constant from then on.
    """

    def __init__(self, model: MultitaskModel, height: int | None = None, width: int | None = None) -> None:
        super().__init__()
        self.model = model
        self.eval()
        self.card = _of_size(model.card, width or model.card.width, height or model.card.height)
        with torch.no_grad():
            self.conditions = model.conditions(self.card.height, self.card.width)
        self.along_normals = _along_normals(model.card, self.card) if model.depth_along_normals else None

    @property
    def device(self) -> torch.device:
        return self.model.mean.device

    def half(self) -> InferenceModel:
        """In place: weights and activations in float16 from here on.

        What is outside the network's parts stays in float32: normalising the image, making maps of raw outputs, and
        what is made of maps.
        """
        for part in self.model.children():
            part.half()
        self.conditions = [[_halved(condition) for condition in stage] for stage in self.conditions]
        return self

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """RGB uint8 (B, H, W, 3) to {task: map (B, H, W[, 3])}."""
        raw = self.model(image, self.conditions)
        maps = {name: LEARNT[name].to_map(raw[name].float(), self.card) for name in self.card.tasks}
        if self.along_normals is not None and self.card.depth is not None:
            depth = self.along_normals(*(maps[name] for name in ALONG_NORMALS))
            maps[DEPTH.name] = depth.clamp(self.card.depth.min_m, self.card.depth.max_m)
        return maps


def _of_size(card: ModelCard, width: int, height: int) -> ModelCard:
    """The card for images of fewer or more pixels a side.

    The network's depth is that of the card's focal length. An image of half the width is seen through half of that:
    what is `max_m` away in it is twice as far to the network, which may say so.
    """
    resized = card.replace(width=width, height=height)
    if card.depth is None:
        return resized
    scale = card.width / width
    depth = dataclasses.replace(card.depth, min_m=card.depth.min_m * scale, max_m=card.depth.max_m * scale)
    return resized.replace(depth=depth)


def _along_normals(card: ModelCard, resized: ModelCard) -> DepthAlongNormals:
    """For the size of `resized`, as the camera that the card's depth is meant for sees it at that size."""
    assert card.depth is not None, "the config has the task"
    return DepthAlongNormals(resized.height, resized.width, card.depth.focal_px * resized.width / card.width)


def _halved(condition: AdapterCondition) -> AdapterCondition:
    inner, outer = (ScaleShift(norm.scale.half(), norm.shift.half()) for norm in (condition.inner, condition.outer))
    return AdapterCondition(condition.attention.half(), inner, outer)
