"""What is measured of every frame. Each measure is a function of sums, so that frames, cameras, bags add up.

A meter takes a `View` of a frame and gives sums; figures come from sums of one frame or of many alike. Meters that
need the truth are here; those that need none are in `stability`, `agreement` and `image_quality`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.model_card import ModelCard
from avtar_ros.perception import Frame
from avtar_ros.tasks import DEPTH, TASKS, Maps
from avtar_ros.tasks.metric import Figure, MetricOptions, Sums, TaskMetric

BANDS_M = ((0.0, 2.0), (2.0, 5.0), (5.0, 10.0), (10.0, np.inf))
SMALL_WIDTH = 320
"""At which motion, sharpness and the look of a frame as a whole are measured."""


def small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image (H, W, 3) shrunk to SMALL_WIDTH, or as it is where it is no wider."""
    height, width = image.shape[:2]
    if width <= SMALL_WIDTH:
        return image
    size = (SMALL_WIDTH, max(1, round(height * SMALL_WIDTH / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True)
class View:
    """A frame with its maps and the truth there is, all of one size, and the view before it from the same camera."""

    frame: Frame
    maps: Maps
    truth: Maps
    before: View | None = None

    @property
    def focal_px(self) -> float | None:
        """The focal length in pixels of the maps."""
        if self.frame.focal_px is None:
            return None
        width: int = next(iter(self.maps.values())).shape[1]
        return float(self.frame.focal_px * width / self.frame.image.shape[1])

    @cached_property
    def small(self) -> NDArray[np.uint8]:
        """The frame's RGB image, small."""
        return small(self.frame.image)

    @cached_property
    def grey(self) -> NDArray[np.uint8]:
        """The small image in grey."""
        return np.asarray(cv2.cvtColor(self.small, cv2.COLOR_RGB2GRAY), np.uint8)


class Meter(ABC):
    """One measure. `FIGURES` are what it can give; `name` is its own."""

    name: str
    figures_given: Mapping[str, Figure]

    @abstractmethod
    def measure(self, view: View) -> Sums | None:
        """The sums of one frame; None where it does not have what this measures. May raise MetricError."""

    @abstractmethod
    def figures(self, sums: Sums) -> dict[str, float]:
        """The figures that sums give, empty where nothing was measured."""

    def brief(self, sums: Sums) -> Sums:
        """The sums without what is too large to keep for every frame; they still give most figures."""
        return sums


class TruthMeter(Meter):
    """One of a task's metrics, against the truth."""

    def __init__(self, task: str, metric: TaskMetric) -> None:
        self.name = metric.name
        self.task = task
        self.metric = metric
        self.figures_given = metric.FIGURES

    def measure(self, view: View) -> Sums | None:
        if self.task not in view.truth or self.task not in view.maps:
            return None
        return self.metric.measure(view.maps[self.task][None], view.truth[self.task][None])

    def figures(self, sums: Sums) -> dict[str, float]:
        return self.metric.figures(sums)

    def brief(self, sums: Sums) -> Sums:
        return sums[: self.metric.brief]


def truth_meters(card: ModelCard, tasks: Sequence[str], max_depth_m: float | None) -> list[Meter]:
    """A meter for each metric of each task."""
    options = MetricOptions(len(card.classes), max_depth_m)
    metrics_of = {task: (*TASKS[task].metrics, *TASKS[task].metrics_of_recordings) for task in tasks}
    return [TruthMeter(task, metric(options)) for task in tasks for metric in metrics_of[task]]


def with_derived_truth(view: View) -> View:
    """The view with those true maps that are not known but follow from others where the focal length is known."""
    if not view.truth or view.focal_px is None:
        return view
    height, width = next(iter(view.truth.values())).shape[:2]
    camera = Pinhole.centred(width, height, view.focal_px)
    unknown = {task: TASKS[task].derived_truth for task in view.maps if task not in view.truth}
    derived = {task: derive(view.truth, camera) for task, derive in unknown.items() if derive is not None}
    return replace(view, truth={**view.truth, **{task: true for task, true in derived.items() if true is not None}})


def in_band(view: View, low_m: float, high_m: float) -> View:
    """The view of those pixels alone, (n[, 3]), where it is true that low ≤ depth < high."""
    depth = view.truth[DEPTH.name]
    inside = (depth >= low_m) & (depth < high_m)
    truth, maps = ({task: known[task][inside] for task in view.truth} for known in (view.truth, view.maps))
    return replace(view, truth=truth, maps=maps)
