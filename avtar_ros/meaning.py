"""What the values of maps mean: classes by their ids, and the range of depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar


class _Divisible(Protocol):
    def __truediv__(self, other: float, /) -> Any: ...


F = TypeVar("F", bound=_Divisible)
"""A number, or an array or tensor of them."""

UNLABELLED = 255
"""The class id of what has no label."""


@dataclass(frozen=True)
class SemanticClass:
    name: str
    color: tuple[int, int, int]


def plain_name(name: str) -> str:
    """A class's name without what writers differ in: case, spaces, dashes and underscores."""
    return " ".join(str(name).lower().replace("_", " ").replace("-", " ").split())


@dataclass(frozen=True)
class DepthRange:
    """Metres the model can give, and the focal length (pixels, at the model's input width) it was trained for."""

    min_m: float
    max_m: float
    focal_px: float

    def scale(self, focal_px: F) -> F:
        """Factor on predicted depth for cameras of other focal lengths, in pixels at the model's input width.

        A metre at z spans f / z pixels: what looks the same through twice the focal length is twice as far.
        """
        factor: F = focal_px / self.focal_px
        return factor


class Meaning(Protocol):
    """What must be known to show maps: every model card tells it."""

    @property
    def classes(self) -> tuple[SemanticClass, ...]: ...

    @property
    def depth(self) -> DepthRange | None: ...
