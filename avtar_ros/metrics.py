"""How good maps are: streaming metrics in NumPy, shared by training and replay.

    metrics = StreamingMetrics(card.tasks, len(card.classes))
    metrics.update(prediction, truth)      # as often as there are frames
    metrics.compute()                      # {"segmentation.miou": 0.61, "depth.rmse_m": 0.31, ...}

Every figure is pooled over the pixels of the whole set, never a mean of per-image figures, and memory does
not grow with the set. A pixel counts where truth and prediction are both known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.errors import AvtarError
from avtar_ros.rendering import UNLABELLED
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION, Maps, TaskMap

EDGE_TOLERANCE = 0.0075
"""How far a predicted edge may lie from the true one, as a share of the diagonal (BSDS's customary value)."""

EDGE_THRESHOLDS = np.linspace(0.01, 0.99, 99, dtype=np.float32)
MEDIAN_STEP_DEG = 0.01


class MetricError(AvtarError):
    """Prediction and truth that cannot be compared."""


@dataclass(frozen=True)
class Figure:
    """What a metric's key means, for people."""

    title: str
    unit: str
    higher_is_better: bool

    def text(self, value: float) -> str:
        """The value with its unit, as precise as people read it."""
        return f"{value:.1f}{self.unit}" if self.unit == "°" else f"{value:.3f} {self.unit}".rstrip()


FIGURES = {
    "segmentation.miou": Figure("Mean IoU", "", True),
    "depth.rmse_m": Figure("RMSE", "m", False),
    "depth.abs_rel": Figure("Mean relative error", "", False),
    "depth.delta1": Figure("δ < 1.25", "", True),
    "depth.delta2": Figure("δ < 1.25²", "", True),
    "depth.delta3": Figure("δ < 1.25³", "", True),
    "normals.mean_deg": Figure("Mean angle", "°", False),
    "normals.median_deg": Figure("Median angle", "°", False),
    "normals.within_11_25": Figure("Within 11.25°", "", True),
    "normals.within_22_5": Figure("Within 22.5°", "", True),
    "normals.within_30": Figure("Within 30°", "", True),
    "edges.f1": Figure("F-measure (ODS)", "", True),
    "edges.l1": Figure("Mean absolute difference", "", False),
}


@dataclass(frozen=True)
class MetricOptions:
    """`max_depth_m` leaves out pixels whose true depth lies beyond it; None leaves out none."""

    classes: int
    max_depth_m: float | None = None


class TaskMetric(ABC):
    """The running sums of one task."""

    def __init__(self, options: MetricOptions) -> None:
        self.options = options

    @abstractmethod
    def update(self, prediction: TaskMap, truth: TaskMap) -> None:
        """Add maps (B, H, W[, 3]) of equal shape."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """The figures so far; empty while no pixel was known."""


class SegmentationMetric(TaskMetric):
    """Mean intersection over union from one confusion matrix; 255 in the truth is not counted.

    Classes absent from both prediction and truth are left out. A predicted id the card does not have is an
    error of the true class.
    """

    def __init__(self, options: MetricOptions) -> None:
        super().__init__(options)
        self.confusion = np.zeros((options.classes, options.classes + 1), np.int64)
        """[true class, predicted class]; the last column holds predictions that are no class."""

    def update(self, prediction: TaskMap, truth: TaskMap) -> None:
        classes = self.options.classes
        known = truth != UNLABELLED
        true, predicted = truth[known].astype(np.intp), np.minimum(prediction[known], classes).astype(np.intp)
        if true.size and true.max() >= classes:
            raise MetricError(
                f"the truth has class id {true.max()}, but the model has {classes} classes. "
                "Judge it against labels of its own classes."
            )
        pairs = np.bincount(true * (classes + 1) + predicted, minlength=self.confusion.size)
        self.confusion += pairs.reshape(self.confusion.shape)

    def class_iou(self) -> NDArray[np.float64]:
        """IoU of each class, (classes,); NaN where the class was neither there nor predicted."""
        square = self.confusion[:, :-1]
        union = self.confusion.sum(1) + square.sum(0) - square.diagonal()
        return np.where(union > 0, square.diagonal() / np.maximum(union, 1), np.nan)

    def compute(self) -> dict[str, float]:
        if not self.confusion.any():
            return {}
        return {"segmentation.miou": float(np.nanmean(self.class_iou()))}


class DepthMetric(TaskMetric):
    """RMSE = sqrt(Σ(p − g)² / n), abs-rel = Σ(|p − g| / g) / n, δk = share of max(p/g, g/p) < 1.25ᵏ; metres.

    Known is what is finite and positive, and in the truth not beyond `max_depth_m`.
    """

    LIMITS = 1.25 ** np.arange(1, 4)

    def __init__(self, options: MetricOptions) -> None:
        super().__init__(options)
        self._pixels = 0
        self._squared = self._relative = 0.0
        self._within = np.zeros(len(self.LIMITS), np.int64)

    def update(self, prediction: TaskMap, truth: TaskMap) -> None:
        known = np.isfinite(truth) & (truth > 0) & np.isfinite(prediction) & (prediction > 0)
        if self.options.max_depth_m is not None:
            known &= truth <= self.options.max_depth_m
        p, g = prediction[known].astype(np.float64), truth[known].astype(np.float64)
        error, ratio = np.abs(p - g), np.maximum(p / g, g / p)
        self._pixels += p.size
        self._squared += float(np.square(error).sum())
        self._relative += float((error / g).sum())
        self._within += [np.count_nonzero(ratio < limit) for limit in self.LIMITS]

    def compute(self) -> dict[str, float]:
        if not self._pixels:
            return {}
        delta1, delta2, delta3 = (self._within / self._pixels).tolist()
        return {
            "depth.rmse_m": float(np.sqrt(self._squared / self._pixels)),
            "depth.abs_rel": self._relative / self._pixels,
            "depth.delta1": delta1,
            "depth.delta2": delta2,
            "depth.delta3": delta3,
        }


class NormalsMetric(TaskMetric):
    """Angle 2·atan2(‖p − g‖, ‖p + g‖) between unit vectors, in degrees; zero and NaN vectors are unknown.

    The median comes from a histogram and is exact to `MEDIAN_STEP_DEG`.
    """

    LIMITS = (11.25, 22.5, 30.0)

    def __init__(self, options: MetricOptions) -> None:
        super().__init__(options)
        self._pixels = 0
        self._sum = 0.0
        self._within = np.zeros(len(self.LIMITS), np.int64)
        self._histogram = np.zeros(round(180 / MEDIAN_STEP_DEG), np.int64)

    def update(self, prediction: TaskMap, truth: TaskMap) -> None:
        lengths = [_length(vectors) for vectors in (prediction, truth)]
        known = np.logical_and.reduce([np.isfinite(length) & (length > 0) for length in lengths])
        p, g = (vectors[known] / length[known][:, None]
                for vectors, length in zip((prediction, truth), lengths, strict=True))
        angle = np.degrees(2 * np.arctan2(_length(p - g), _length(p + g)))
        self._pixels += angle.size
        self._sum += float(angle.sum(dtype=np.float64))
        self._within += [np.count_nonzero(angle < limit) for limit in self.LIMITS]
        bins = np.minimum((angle / MEDIAN_STEP_DEG).astype(np.intp), self._histogram.size - 1)
        self._histogram += np.bincount(bins, minlength=self._histogram.size)

    def compute(self) -> dict[str, float]:
        if not self._pixels:
            return {}
        middle = np.searchsorted(self._histogram.cumsum(), self._pixels / 2)
        within = (self._within / self._pixels).tolist()
        return {
            "normals.mean_deg": self._sum / self._pixels,
            "normals.median_deg": (float(middle) + 0.5) * MEDIAN_STEP_DEG,
            "normals.within_11_25": within[0],
            "normals.within_22_5": within[1],
            "normals.within_30": within[2],
        }


class EdgesMetric(TaskMetric):
    """ODS F-measure and mean absolute difference of edge probabilities; NaN is unknown, truth ≥ 0.5 an edge.

    Predicted edges are thinned first (`thin_edges`), so that thick ones do not pay. At each threshold,
    precision is the share of predicted edge pixels with a true one within the tolerance, recall the share of
    true edge pixels with a predicted one within it; both are pooled over the set, and the figure is
    F = 2PR / (P + R) at the best threshold. The tolerance is `EDGE_TOLERANCE` of the diagonal.

    Unlike in BSDS, which assigns pixels one to one, a pixel may match several: one distance transform does
    instead of an assignment problem for every threshold.
    """

    def __init__(self, options: MetricOptions) -> None:
        super().__init__(options)
        self._pixels = 0
        self._difference = 0.0
        # Counts by how many thresholds a pixel passes; cumulated from the right only in `compute`.
        self._predicted, self._predicted_matched, self._true, self._true_matched = (
            np.zeros(len(EDGE_THRESHOLDS) + 1, np.int64) for _ in range(4)
        )

    def update(self, prediction: TaskMap, truth: TaskMap) -> None:
        for predicted, true in zip(prediction, truth, strict=True):
            self._update_image(predicted, true)

    def _update_image(self, prediction: TaskMap, truth: TaskMap) -> None:
        known = np.isfinite(truth) & np.isfinite(prediction)
        self._pixels += int(np.count_nonzero(known))
        self._difference += float(np.abs(prediction[known] - truth[known]).sum(dtype=np.float64))

        thin = np.where(known, thin_edges(np.nan_to_num(prediction)), np.float32(0))
        edges = known & (truth >= 0.5)
        tolerance = EDGE_TOLERANCE * float(np.hypot(*truth.shape))
        # The strongest prediction within the tolerance.
        near = cv2.dilate(thin, _disc(tolerance)).astype(np.float32, copy=False)
        distance = cv2.distanceTransform((~edges).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # OpenCV gives a large finite distance, not infinity, where there is no edge at all.
        matched = (distance <= tolerance) & edges.any()
        self._predicted += _passes(thin[thin > 0])
        self._predicted_matched += _passes(thin[(thin > 0) & matched])
        self._true += _passes(np.ones(np.count_nonzero(edges), np.float32))
        self._true_matched += _passes(near[edges])

    def compute(self) -> dict[str, float]:
        if not self._pixels:
            return {}
        counts = (self._predicted_matched, self._predicted, self._true_matched, self._true)
        hits, predicted, found, true = (_at_least(count) for count in counts)
        precision, recall = hits / np.maximum(predicted, 1), found / np.maximum(true, 1)
        f = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        return {"edges.f1": float(f.max()), "edges.l1": self._difference / self._pixels}


def thin_edges(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Edge map (H, W) with all but the crests of its lines set to 0: non-maximum suppression.

    Judged on a slightly blurred map, across the line: in that of four directions in which the map bends most.
    """
    smooth = cv2.GaussianBlur(edges.astype(np.float32), (0, 0), 1.0)
    padded = np.pad(smooth, 1, mode="edge")
    height, width = edges.shape
    best_bend = np.zeros_like(smooth)
    crest = np.zeros(edges.shape, bool)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        before = padded[1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
        after = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        bend = (before + after - 2 * smooth) / (dy * dy + dx * dx)
        chosen = bend < best_bend
        # Strict on one side only, so that of two equal neighbours one remains.
        crest = np.where(chosen, (smooth > before) & (smooth >= after), crest)
        best_bend = np.where(chosen, bend, best_bend)
    return np.where(crest, edges, np.float32(0)).astype(np.float32)


def _length(vectors: TaskMap) -> TaskMap:
    """The lengths (...) of vectors (..., 3)."""
    length: TaskMap = np.sqrt(np.einsum("...i,...i", vectors, vectors))
    return length


def _disc(radius: float) -> NDArray[np.uint8]:
    reach = np.arange(-int(radius), int(radius) + 1)
    return (np.hypot(*np.meshgrid(reach, reach)) <= radius).astype(np.uint8)


def _passes(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many of the values reach exactly k thresholds, k = 0 to all."""
    reached = np.searchsorted(EDGE_THRESHOLDS, values, side="right")
    return np.bincount(reached, minlength=len(EDGE_THRESHOLDS) + 1)


def _at_least(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """From counts of pixels that reach exactly k thresholds, those that reach each threshold."""
    return counts[::-1].cumsum()[::-1][1:]


METRICS: dict[str, type[TaskMetric]] = {
    SEGMENTATION.name: SegmentationMetric,
    DEPTH.name: DepthMetric,
    NORMALS.name: NormalsMetric,
    EDGES.name: EdgesMetric,
}


class StreamingMetrics:
    """The metrics of several tasks at once."""

    def __init__(self, tasks: Sequence[str], classes: int, max_depth_m: float | None = None) -> None:
        options = MetricOptions(classes, max_depth_m)
        self.tasks: dict[str, TaskMetric] = {task: METRICS[task](options) for task in tasks}

    def update(self, prediction: Maps, truth: Maps) -> None:
        """Add a batch of maps (B, H, W[, 3]); tasks without truth are skipped.

        Raises MetricError where a prediction and its truth differ in shape, or class ids do not fit.
        """
        for task, metric in self.tasks.items():
            if task not in truth:
                continue
            if prediction[task].shape != truth[task].shape:
                raise MetricError(
                    f"{task}: prediction is {prediction[task].shape}, truth {truth[task].shape}. "
                    "Bring the truth to the prediction's size first."
                )
            metric.update(prediction[task], truth[task])

    def compute(self) -> dict[str, float]:
        """All figures so far under their keys in `FIGURES`; only of tasks whose truth had known pixels."""
        return {key: value for metric in self.tasks.values() for key, value in metric.compute().items()}
