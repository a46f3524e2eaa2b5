"""Several data sets as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import torch

from avtar_ros.meaning import SemanticClass
from training.data.batch import Batch, concatenated, picked
from training.data.dataset import Dataset


class MixedDataset:
    """The images of all `parts` (data set, how often each of its images counts), one part after the other.

    A batch may hold images of several; a map that one of them does not have is unknown there.
    """

    def __init__(self, parts: Sequence[tuple[Dataset, int]], classes: tuple[SemanticClass, ...]) -> None:
        self.classes = classes
        self._parts = [dataset for dataset, _ in parts]
        self._ends = list(accumulate(len(dataset) * repeat for dataset, repeat in parts))

    def __len__(self) -> int:
        return self._ends[-1]

    def batch(self, indices: Sequence[int]) -> Batch:
        chosen = [bisect_right(self._ends, index) for index in indices]
        order, batches = [], []
        for number, dataset in enumerate(self._parts):
            places = [place for place, part in enumerate(chosen) if part == number]
            if places:
                begin = self._ends[number - 1] if number else 0
                batches.append(dataset.batch([(indices[place] - begin) % len(dataset) for place in places]))
                order += places
        return picked(concatenated(batches), torch.tensor(order).argsort())
