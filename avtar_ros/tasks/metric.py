"""What a metric is: a function of sums over pixels, so that images, frames, cameras and bags simply add up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from avtar_ros.errors import AvtarError

TaskMap = NDArray[Any]
Maps = dict[str, TaskMap]
Sums = NDArray[np.float64]


class MetricError(AvtarError):
    """Prediction and truth that cannot be compared."""


@dataclass(frozen=True)
class Figure:
    """What a metric's key means, for people.

    `mention` is the smallest difference worth mentioning, in its unit; `meaning` says it in plain words.
    """

    title: str
    unit: str
    higher_is_better: bool
    mention: float = 0.0
    meaning: str = ""

    def text(self, value: float) -> str:
        """The value with its unit, as precise as people read it."""
        return f"{value:.1f}{self.unit}" if self.unit == "°" else f"{value:.3f} {self.unit}".rstrip()


@dataclass(frozen=True)
class MetricOptions:
    """`max_depth_m` leaves out pixels whose true depth lies beyond it; None leaves out none."""

    classes: int
    max_depth_m: float | None = None


class TaskMetric(ABC):
    """A measure of a task's maps against the truth.

    Its figures are a function of sums over pixels, (size,); the first `brief` sums give all figures but those that are
    costly to keep for every frame. `FIGURES` says what they mean, by key.
    """

    name: ClassVar[str]
    FIGURES: ClassVar[dict[str, Figure]]
    pixelwise: ClassVar[bool] = True
    """Whether each pixel is judged by itself, so that any choice of pixels can be measured, (n[, channels])."""
    sees_scale: ClassVar[bool] = False
    """Whether it depends on a scale that is known for known cameras only."""
    size: int
    brief: int

    def __init__(self, options: MetricOptions) -> None:
        self.options = options
        self.sums: Sums = np.zeros(self.size)

    @abstractmethod
    def measure(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        """The sums of maps (B, H, W[, 3]) of equal shape."""

    @abstractmethod
    def figures(self, sums: Sums) -> dict[str, float]:
        """The figures that sums give, all or the first `brief` of them; empty where no pixel was known."""

    def update(self, prediction: TaskMap, truth: TaskMap) -> None:
        """Add maps (B, H, W[, 3]) of equal shape."""
        self.sums += self.measure(prediction, truth)

    def compute(self) -> dict[str, float]:
        """The figures so far; empty while no pixel was known."""
        return self.figures(self.sums)
