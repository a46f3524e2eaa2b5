"""How far two sets of maps of the same images lie apart: an engine's and its model's, half and single precision's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION, Maps, TaskMap

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


@dataclass(frozen=True)
class Figure:
    """What is averaged over pixels for one task, and how large it may be with an engine of each precision.

    `difference` takes the reference's map and the other one.
    """

    title: str
    unit: str
    limits: dict[str, float]
    difference: Callable[[TaskMap, TaskMap], NDArray[np.float64]]


def _other_ids(reference: TaskMap, other: TaskMap) -> NDArray[np.float64]:
    different: NDArray[np.float64] = 100.0 * np.not_equal(reference, other)
    return different


def _relative(reference: TaskMap, other: TaskMap) -> NDArray[np.float64]:
    expected = reference.astype(np.float64)
    relative: NDArray[np.float64] = 100 * np.abs(other - expected) / expected
    return relative


def _degrees_between(reference: TaskMap, other: TaskMap) -> NDArray[np.float64]:
    """Angle between unit vectors, from the chord: near zero the arc cosine of their product has no digits left."""
    chord = np.linalg.norm(other.astype(np.float64) - reference, axis=-1)
    degrees: NDArray[np.float64] = np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1)))
    return degrees


def _absolute(reference: TaskMap, other: TaskMap) -> NDArray[np.float64]:
    absolute: NDArray[np.float64] = np.abs(other.astype(np.float64) - reference)
    return absolute


FIGURES = {
    SEGMENTATION.name: Figure("pixels of another class", " %", {"fp16": 1.0, "fp32": 0.1}, _other_ids),
    DEPTH.name: Figure("mean relative difference", " %", {"fp16": 1.0, "fp32": 0.1}, _relative),
    NORMALS.name: Figure("mean angle", "°", {"fp16": 1.0, "fp32": 0.1}, _degrees_between),
    EDGES.name: Figure("mean difference", "", {"fp16": 0.01, "fp32": 0.001}, _absolute),
}


class Comparison:
    """Streams pairs of maps of the same tasks, and says how far they agree."""

    def __init__(self, tasks: Iterable[str]) -> None:
        self._sums = dict.fromkeys(tasks, 0.0)
        self._pixels = dict.fromkeys(self._sums, 0)

    def add(self, reference: Maps, other: Maps) -> None:
        """Two sets of maps (B, H, W[, 3]) of the same images."""
        for name in self._sums:
            difference = FIGURES[name].difference(reference[name], other[name])
            self._sums[name] += float(difference.sum())
            self._pixels[name] += difference.size

    def agreements(self, precision: str) -> dict[str, Agreement]:
        """Each task's figure, with the limit of `precision`."""
        return {
            name: Agreement(FIGURES[name].title, total / self._pixels[name], FIGURES[name].limits[precision],
                            FIGURES[name].unit)
            for name, total in self._sums.items()
        }  # fmt: skip


def describe(agreements: dict[str, Agreement]) -> str:
    """A line a task, for people."""
    return "\n".join(
        f"  {name:13} {'ok    ' if agreement.holds else 'FAILED'} {agreement}"
        for name, agreement in agreements.items()
    )
