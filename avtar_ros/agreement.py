"""How far two sets of maps of the same images lie apart: an engine's and its model's, half and single precision's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from avtar_ros.tasks import TASKS, Maps

PRECISIONS = ("fp16", "fp32")


@dataclass(frozen=True)
class Agreement:
    """How far maps of one task lie from the reference, over all pixels; `value` may be at most `limit`."""

    figure: str
    value: float
    limit: float
    unit: str

    @property
    def holds(self) -> bool:
        return self.value <= self.limit  # false for NaN, too

    def __str__(self) -> str:
        return f"{self.figure} {self.value:.3g}{self.unit}, allowed {self.limit:g}{self.unit}"


class MapComparison:
    """Streams pairs of maps of the same tasks, and says how far they agree."""

    def __init__(self, tasks: Iterable[str]) -> None:
        self._sums = dict.fromkeys(tasks, 0.0)
        self._pixels = dict.fromkeys(self._sums, 0)

    def add(self, reference: Maps, other: Maps) -> None:
        """Two sets of maps (B, H, W[, 3]) of the same images."""
        for name in self._sums:
            difference = TASKS[name].difference.between(reference[name], other[name])
            self._sums[name] += float(difference.sum())
            self._pixels[name] += difference.size

    def agreements(self, precision: str) -> dict[str, Agreement]:
        """Each task's figure, with the limit of `precision`."""
        found = {}
        for name, total in self._sums.items():
            difference = TASKS[name].difference
            mean, limit = total / self._pixels[name], difference.limits[precision]
            found[name] = Agreement(difference.title, mean, limit, difference.unit)
        return found


def describe(agreements: dict[str, Agreement]) -> str:
    """A line a task, for people."""
    return "\n".join(
        f"  {name:13} {'ok    ' if agreement.holds else 'FAILED'} {agreement}"
        for name, agreement in agreements.items()
    )
