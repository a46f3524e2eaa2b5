"""A teacher's classes, as ours."""

from __future__ import annotations

import torch
from torch import Tensor

from avtar_ros.meaning import UNLABELLED
from training.data.classes import Classes
from training.data.sized import ClassMap, RenamedConfig, class_table
from training.data.vocabulary import TO, ClassTable, vocabulary


class ClassMixer:
    """Sums the probabilities of a teacher's classes that are one of ours."""

    def __init__(self, own: Classes, given: ClassMap | None) -> None:
        self.table = ClassTable(own, tuple(range(len(own)))) if given is None else class_table(own, given)
        nothing = len(self.table.classes)
        self._places = torch.tensor([nothing if i == UNLABELLED else i for i in self.table.ids])

    @property
    def classes(self) -> Classes:
        return self.table.classes

    def mixed(self, probabilities: Tensor) -> Tensor:
        """(B, own classes, H, W) to (B, K + 1, H, W), the last for what is none of ours."""
        batch, _, height, width = probabilities.shape
        mixed = probabilities.new_zeros(batch, len(self.classes) + 1, height, width)
        return mixed.index_add_(1, self._places.to(probabilities.device), probabilities)

    def of_ids(self, ids: Tensor) -> Tensor:
        """The same of class ids (B, H, W) that the teacher is sure of; ids that are of no class are none of ours."""
        nothing = len(self.classes)
        places = torch.cat([self._places, torch.tensor([nothing])]).to(ids.device)
        known = (ids >= 0) & (ids < len(self._places))
        ours = places[torch.where(known, ids, len(self._places)).long()]
        return torch.nn.functional.one_hot(ours, nothing + 1).permute(0, 3, 1, 2).float()


def target_of(given: ClassMap | None) -> Classes | None:
    """The classes that a mapping leads to, where that needs no look at the teacher's own."""
    if isinstance(given, RenamedConfig):
        return vocabulary(given.to)
    if isinstance(given, str):
        return vocabulary(given.partition(TO)[2] if TO in given else given)
    return None
