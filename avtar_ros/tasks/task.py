"""The task record: everything that differs between tasks where maps are used, shown, stored and judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.meaning import Meaning
from avtar_ros.rendering import Image
from avtar_ros.tasks.metric import Figure, Maps, TaskMap, TaskMetric
from avtar_ros.tasks.words import PLAIN, Words


@dataclass(frozen=True)
class Difference:
    """How far two maps of one image lie apart, a mean over pixels, and how far an engine of each precision may be.

    `between` takes the reference's map and the other one, (B, H, W[, channels]), and gives what is averaged.
    """

    title: str
    unit: str
    limits: dict[str, float]
    between: Callable[[TaskMap, TaskMap], NDArray[np.float64]]


@dataclass(frozen=True)
class Stability:
    """How unsteady maps are: `between` takes pixels (n[, channels]) of a frame and the same of the frame before."""

    key: str
    figure: Figure
    between: Callable[[TaskMap, TaskMap], NDArray[np.float64]]


@dataclass(frozen=True)
class Storage:
    """How a map is stored losslessly: `encode` gives integers of `dtype`, `decode` takes them or plain floats.

    `rounded` leaves of a prediction's integers what means something.
    """

    dtype: type[np.generic]
    encode: Callable[[TaskMap], NDArray[Any]]
    decode: Callable[[NDArray[Any]], TaskMap]
    channels: int = 0
    rounded: Callable[[NDArray[Any]], NDArray[Any]] = lambda stored: stored
    repeats: bool = False
    """Whether neighbours are mostly the same, rather than a little different each."""


@dataclass(frozen=True)
class Task:
    """What the robot's side must know of one task.

    A task map is (H, W), or (H, W, channels) where channels > 0.
    """

    name: str
    title: str
    unit: str
    dtype: type[np.generic]
    channels: int
    encoding: str
    """ROS image encoding of the raw map."""
    interpolation: int
    """OpenCV flag for bringing the map to another size."""
    colorize: Callable[[TaskMap, Meaning], Image]
    metrics: tuple[type[TaskMetric], ...]
    """The first figure of the first one stands for the task."""
    difference: Difference
    stability: Stability
    storage: Storage
    metrics_of_recordings: tuple[type[TaskMetric], ...] = ()
    """What is measured beside them of a recording, which shows a part of what there is."""
    derived_truth: Callable[[Maps, Pinhole], TaskMap | None] | None = None
    """Makes the true map of those of other tasks and the camera, for data that have none; None where it cannot."""
    words: Words = PLAIN
    """What a map says, for people."""
    unit_vectors: bool = False
    """Whether the channels are a unit vector, to be renormalised after interpolation."""
    overlaid: bool = False
    """Whether its colours are best looked at over the image."""

    @property
    def main_figure(self) -> str:
        """The key of the figure that stands for the task."""
        return next(iter(self.metrics[0].FIGURES))

    @property
    def figures(self) -> dict[str, Figure]:
        """What each figure of its metrics means, by key."""
        return {key: figure for metric in self.metrics for key, figure in metric.FIGURES.items()}

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        return (height, width, self.channels) if self.channels else (height, width)

    def resize(self, task_map: TaskMap, width: int, height: int, out: TaskMap | None = None) -> TaskMap:
        """The map at another size, in `out` where that is given; class ids are never mixed, unit vectors stay unit."""
        if task_map.shape[:2] == (height, width):
            if out is None:
                return task_map
            np.copyto(out, task_map)
            return out
        resized: TaskMap = cv2.resize(task_map, (width, height), dst=out, interpolation=self.interpolation)
        if self.unit_vectors:
            # With OpenCV: NumPy takes twenty times as long over many short vectors.
            squares = cv2.transform(cv2.multiply(resized, resized), np.ones((1, self.channels), np.float32))
            length = np.maximum(cv2.sqrt(squares), np.float32(1e-6))
            resized = cv2.divide(resized, cv2.merge([length] * self.channels), dst=resized)
        if out is not None and resized is not out:  # OpenCV takes an array of its own where it cannot use the one given
            np.copyto(out, resized)
            return out
        return resized
