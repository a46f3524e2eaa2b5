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

from avtar_ros.aligned_depth import ALIGNMENTS, AlignedDepthMetric
from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.geometry.surface import Window, normals_from_depth
from avtar_ros.metrics import FIGURES, METRICS, Figure, MetricOptions, Sums, TaskMetric
from avtar_ros.model_card import ModelCard
from avtar_ros.perception import Frame
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, Maps

TRUE_SURFACE = Window(reach=4, step=4)
"""Wide enough to even out some of a depth camera's noise."""
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
    """A task's metric against the truth."""

    def __init__(self, task: str, metric: TaskMetric) -> None:
        self.name = task
        self.task = task
        self.metric = metric
        self.figures_given = {key: figure for key, figure in FIGURES.items() if key.startswith(f"{task}.")}

    def measure(self, view: View) -> Sums | None:
        if self.task not in view.truth or self.task not in view.maps:
            return None
        return self.metric.measure(view.maps[self.task][None], view.truth[self.task][None])

    def figures(self, sums: Sums) -> dict[str, float]:
        return self.metric.figures(sums)

    def brief(self, sums: Sums) -> Sums:
        return sums[: self.metric.brief]


class AlignedDepthMeter(Meter):
    """Depth after each frame's was aligned with its truth: what is left of the error when the scale, which one camera
    cannot see, or scale and shift of disparity are given."""

    def __init__(self, metric: AlignedDepthMetric, name: str) -> None:
        self.name = name
        self.metric = metric
        self.figures_given = metric.figures_given

    def measure(self, view: View) -> Sums | None:
        if DEPTH.name not in view.truth or DEPTH.name not in view.maps:
            return None
        sums = self.metric.measure(view.maps[DEPTH.name][None], view.truth[DEPTH.name][None])
        return sums if sums.any() else None

    def figures(self, sums: Sums) -> dict[str, float]:
        return self.metric.figures(sums)


def truth_meters(card: ModelCard, tasks: Sequence[str], max_depth_m: float | None) -> list[Meter]:
    """A meter for each task, and one for each way to align depth."""
    options = MetricOptions(len(card.classes), max_depth_m)
    meters: list[Meter] = [TruthMeter(task, METRICS[task](options)) for task in tasks]
    if DEPTH.name in tasks:
        meters += [AlignedDepthMeter(AlignedDepthMetric(options, prefix), f"{prefix} depth") for prefix in ALIGNMENTS]
    return meters


def with_normals_of_depth(view: View) -> View:
    """The view with true normals computed from true depth, where these are not known but the focal length is."""
    unknown = NORMALS.name in view.maps and NORMALS.name not in view.truth
    if not unknown or DEPTH.name not in view.truth or view.focal_px is None:
        return view
    depth = view.truth[DEPTH.name]
    camera = Pinhole.centred(depth.shape[1], depth.shape[0], view.focal_px)
    normals = normals_from_depth(depth, camera, TRUE_SURFACE)
    return replace(view, truth={**view.truth, NORMALS.name: normals})


def in_band(view: View, low_m: float, high_m: float) -> View:
    """The view of those pixels alone, (n[, 3]), where it is true that low ≤ depth < high, and without edges.

    Edges are lines between surfaces, most often at different depths, and so belong to no band.
    """
    depth = view.truth[DEPTH.name]
    inside = (depth >= low_m) & (depth < high_m)
    tasks = [task for task in view.truth if task != EDGES.name]
    truth, maps = ({task: known[task][inside] for task in tasks} for known in (view.truth, view.maps))
    return replace(view, truth=truth, maps=maps)
