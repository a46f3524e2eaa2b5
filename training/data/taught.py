"""Distillation: images with the maps that a trained model, the teacher, sees in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from avtar_ros.engines.engine import Engine
from avtar_ros.tasks import DEPTH
from training.data.batch import Batch
from training.data.dataset import Dataset
from training.errors import TrainingError


class TaughtDataset:
    """The images of `images`, whose own maps are never looked at, with those of `teacher`.

    Raises TrainingError if the teacher takes images of another size.
    """

    def __init__(self, images: Dataset, teacher: Engine, width: int, height: int) -> None:
        card = teacher.card
        if (card.width, card.height) != (width, height):
            raise TrainingError(
                f"data: images of {width}x{height}, but the teacher takes {card.width}x{card.height}. "
                "Set `width` and `height` of its `data`."
            )
        self.classes = card.classes
        self._images, self._teacher = images, teacher

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: Sequence[int]) -> Batch:
        batch, card = self._images.batch(indices), self._teacher.card
        seen = self._teacher.infer(batch.image.numpy())
        maps = {name: torch.from_numpy(np.array(values)) for name, values in seen.items()}
        if card.depth is not None:
            maps[DEPTH.name] = maps[DEPTH.name] * card.depth.scale(batch.focal)[:, None, None]
        return Batch(batch.image, maps, batch.focal)
