"""A data set whose classes are brought to another vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from avtar_ros.tasks import SEGMENTATION
from avtar_ros.terminal.progress import Progress
from training.data.batch import Batch
from training.data.dataset import Dataset
from training.data.vocabulary import ClassTable


class RenamedDataset:
    """The images of `images` with the class ids that `table` makes of theirs; what has none becomes unlabelled.

    With a `description` it is said which classes those are.
    """

    def __init__(self, images: Dataset, table: ClassTable, description: str = "") -> None:
        self.classes = table.classes
        self._images, self._lookup = images, torch.from_numpy(table.lookup)
        lost = table.without_counterpart(images.classes)
        if description and lost:
            total = len(images.classes)
            kept = total - len(lost)
            Progress.remark(f"{description}: {kept} of {total} classes are kept; unlabelled: {', '.join(lost)}")

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: Sequence[int]) -> Batch:
        batch = self._images.batch(indices)
        if SEGMENTATION.name in batch.maps:
            ids = batch.maps[SEGMENTATION.name]
            batch = replace(batch, maps=batch.maps | {SEGMENTATION.name: self._lookup[ids.long()]})
        return batch
