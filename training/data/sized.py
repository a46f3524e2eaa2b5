"""What the sections of all data sets have in common: the size of their images, and what becomes of their classes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from typing_extensions import Self

from training.data.classes import Classes
from training.data.vocabulary import TO, ClassTable, onto, renamed, table, vocabulary
from training.errors import TrainingError
from training.section import Positive, Section

Split = Literal["train", "validation"]

ClassNames = dict[str, str | None]


class RenamedConfig(Section):
    """Classes brought to a vocabulary `to`: by the names in `map`, theirs to ours, and else by table or name."""

    to: str
    map: ClassNames = Field(default_factory=dict)


ClassMap = str | RenamedConfig | ClassNames


def class_table(own: Classes, given: ClassMap) -> ClassTable:
    """What the classes of a data set become by `classes: given`. Raises TrainingError if it does not fit them."""
    if isinstance(given, RenamedConfig):
        return renamed(own, given.map, vocabulary(given.to))
    if not isinstance(given, str):
        return renamed(own, given)
    return table(given, own) if TO in given else onto(own, vocabulary(given))


class Sized(Section):
    """What all data sets have: the size of the images in training; `classes` brings theirs to others.

    `classes` is a vocabulary (`rooms13`), a table (`ade20k_to_rooms13`), a mapping of their names to ours, or both
    (`to`, `map`).
    """

    width: Positive = 256
    height: Positive = 192
    class_map: ClassMap | None = Field(default=None, alias="classes")

    @property
    def single(self) -> tuple[Self, ...]:
        """The data sets that it is made of: itself."""
        return (self,)

    @property
    def own_classes(self) -> Classes:
        """What the data set itself tells apart; empty where it has no segmentation."""
        return ()

    @property
    def class_table(self) -> ClassTable | None:
        """What the data set's own classes become; None where they stay. Raises TrainingError if they cannot."""
        own = self.own_classes
        if self.class_map is None:
            return None
        if not own:
            raise TrainingError(f"`classes` is given for data without class labels: {self.description}.")
        return class_table(own, self.class_map)

    @property
    def classes(self) -> Classes:
        """What the class ids mean in training."""
        found = self.class_table
        return self.own_classes if found is None else found.classes

    @property
    def description(self) -> str:
        """What the data is, for people and the model card."""
        raise NotImplementedError
