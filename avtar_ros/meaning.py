"""What the values of maps mean: classes by their ids, and the range of depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

UNLABELLED = 255
"""The class id of what has no label."""


@dataclass(frozen=True)
class SemanticClass:
    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class DepthRange:
    """Metres the model can give, and the focal length (pixels, at the model's input width) it was trained for."""

    min_m: float
    max_m: float
    focal_px: float


class Meaning(Protocol):
    """What must be known to show maps: every model card tells it."""

    @property
    def classes(self) -> tuple[SemanticClass, ...]: ...

    @property
    def depth(self) -> DepthRange | None: ...
