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
from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION, Maps, TaskMap

EDGE_TOLERANCE = 0.0075
"""How far a predicted edge may lie from the true one, as a share of the diagonal (BSDS's customary value)."""

EDGE_THRESHOLDS = np.linspace(0.01, 0.99, 99, dtype=np.float32)
MEDIAN_STEP_DEG = 0.01
VECTORS = 8192


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


Sums = NDArray[np.float64]


class TaskMetric(ABC):
    """A task's metric, which is a function of sums over pixels, (size,): those of several images simply add up.

    The first `brief` sums give all figures but those that are costly to keep for every frame.
    """

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


class SegmentationMetric(TaskMetric):
    """Mean intersection over union from one confusion matrix; 255 in the truth is not counted.

    Classes absent from both prediction and truth are left out. A predicted id the card does not have is an
    error of the true class.
    """

    def __init__(self, options: MetricOptions) -> None:
        # [true class, predicted class]; the last column holds predictions that are no class.
        self.size = self.brief = options.classes * (options.classes + 1)
        super().__init__(options)

    def measure(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        classes = self.options.classes
        known = truth != UNLABELLED
        true, predicted = truth[known].astype(np.intp), np.minimum(prediction[known], classes).astype(np.intp)
        if true.size and true.max() >= classes:
            raise MetricError(
                f"the truth has class id {true.max()}, but the model has {classes} classes. "
                "Judge it against labels of its own classes."
            )
        return np.bincount(true * (classes + 1) + predicted, minlength=self.size).astype(np.float64)

    def class_iou(self, sums: Sums) -> NDArray[np.float64]:
        """IoU of each class, (classes,); NaN where the class was neither there nor predicted."""
        confusion = sums.reshape(self.options.classes, -1)
        square = confusion[:, :-1]
        union = confusion.sum(1) + square.sum(0) - square.diagonal()
        return np.where(union > 0, square.diagonal() / np.maximum(union, 1), np.nan)

    def figures(self, sums: Sums) -> dict[str, float]:
        if not sums.any():
            return {}
        return {"segmentation.miou": float(np.nanmean(self.class_iou(sums)))}


class DepthMetric(TaskMetric):
    """RMSE = sqrt(Σ(p − g)² / n), abs-rel = Σ(|p − g| / g) / n, δk = share of max(p/g, g/p) < 1.25ᵏ; metres.

    Known is what is finite and positive, and in the truth not beyond `max_depth_m`.
    """

    LIMITS = 1.25 ** np.arange(1, 4)
    size = brief = 3 + len(LIMITS)

    def measure(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        known = self.known(prediction, truth)
        p, g = prediction[known].astype(np.float64), truth[known].astype(np.float64)
        error, ratio = np.abs(p - g), np.maximum(p / g, g / p)
        within = [np.count_nonzero(ratio < limit) for limit in self.LIMITS]
        return np.array([p.size, np.square(error).sum(), (error / g).sum(), *within], np.float64)

    def known(self, prediction: TaskMap, truth: TaskMap) -> NDArray[np.bool_]:
        """Which pixels count."""
        known = np.isfinite(truth) & (truth > 0) & np.isfinite(prediction) & (prediction > 0)
        if self.options.max_depth_m is not None:
            known &= truth <= self.options.max_depth_m
        return np.asarray(known)

    def figures(self, sums: Sums) -> dict[str, float]:
        if not sums[0]:
            return {}
        squared, relative, delta1, delta2, delta3 = (sums[1:] / sums[0]).tolist()
        return {
            "depth.rmse_m": float(np.sqrt(squared)),
            "depth.abs_rel": relative,
            "depth.delta1": delta1,
            "depth.delta2": delta2,
            "depth.delta3": delta3,
        }


class NormalsMetric(TaskMetric):
    """Angle atan2(‖p × g‖, p·g) between vectors, in degrees; zero and NaN vectors are unknown.

    The median comes from a histogram and is exact to `MEDIAN_STEP_DEG`.
    """

    LIMITS = (11.25, 22.5, 30.0)
    BINS = round(180 / MEDIAN_STEP_DEG)
    brief = 2 + len(LIMITS)
    size = brief + BINS

    def measure(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        angle = angles_deg(prediction, truth)
        bins = np.minimum((angle / MEDIAN_STEP_DEG).astype(np.intp), self.BINS - 1)
        within = [np.count_nonzero(angle < limit) for limit in self.LIMITS]
        counts = np.bincount(bins, minlength=self.BINS)
        return np.concatenate([[angle.size, angle.sum(dtype=np.float64)], within, counts])

    def figures(self, sums: Sums) -> dict[str, float]:
        if not sums[0]:
            return {}
        mean, *within = (sums[1 : self.brief] / sums[0]).tolist()
        found = {"normals.mean_deg": mean}
        if sums.size > self.brief:
            middle = np.searchsorted(sums[self.brief :].cumsum(), sums[0] / 2)
            found["normals.median_deg"] = (float(middle) + 0.5) * MEDIAN_STEP_DEG
        names = ("normals.within_11_25", "normals.within_22_5", "normals.within_30")
        return {**found, **dict(zip(names, within, strict=True))}


class EdgesMetric(TaskMetric):
    """ODS F-measure and mean absolute difference of edge probabilities; NaN is unknown, truth ≥ 0.5 an edge.

    Predicted edges are thinned first (`thin_edges`), so that thick ones do not pay. At each threshold,
    precision is the share of predicted edge pixels with a true one within the tolerance, recall the share of
    true edge pixels with a predicted one within it; both are pooled over the set, and the figure is
    F = 2PR / (P + R) at the best threshold. The tolerance is `EDGE_TOLERANCE` of the diagonal.

    Unlike in BSDS, which assigns pixels one to one, a pixel may match several: one distance transform does
    instead of an assignment problem for every threshold.
    """

    # Counts by how many thresholds a pixel passes, for each of: predicted, of those matched, true, of those matched.
    size = brief = 2 + 4 * (len(EDGE_THRESHOLDS) + 1)

    def measure(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        images = [self._measure_image(p, g) for p, g in zip(prediction, truth, strict=True)]
        return np.asarray(np.sum(images, axis=0, dtype=np.float64))

    def _measure_image(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        known = np.isfinite(truth) & np.isfinite(prediction)
        difference = np.abs(prediction[known] - truth[known]).sum(dtype=np.float64)

        thin = np.where(known, thin_edges(np.nan_to_num(prediction)), np.float32(0))
        edges = known & (truth >= 0.5)
        tolerance = edge_tolerance_px(truth)
        # The strongest prediction within the tolerance.
        near = cv2.dilate(thin, disc(tolerance)).astype(np.float32, copy=False)
        distance = cv2.distanceTransform((~edges).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # OpenCV gives a large finite distance, not infinity, where there is no edge at all.
        matched = (distance <= tolerance) & edges.any()
        counts = [
            _passes(thin[thin > 0]),
            _passes(thin[(thin > 0) & matched]),
            _passes(np.ones(np.count_nonzero(edges), np.float32)),
            _passes(near[edges]),
        ]
        return np.concatenate([[np.count_nonzero(known), difference], *counts])

    def figures(self, sums: Sums) -> dict[str, float]:
        if not sums[0]:
            return {}
        predicted, hits, true, found = (_at_least(count) for count in np.split(sums[2:], 4))
        precision, recall = hits / np.maximum(predicted, 1), found / np.maximum(true, 1)
        f = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        return {"edges.f1": float(f.max()), "edges.l1": float(sums[1] / sums[0])}


def edge_tolerance_px(edges: TaskMap) -> float:
    """How far an edge may lie from another in a map (H, W) to be the same."""
    return EDGE_TOLERANCE * float(np.hypot(*edges.shape))


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


def angles_deg(a: TaskMap, b: TaskMap) -> TaskMap:
    """The angles (n,) in degrees between vectors (..., 3), where both are known: finite and not zero."""
    a, b = a.reshape(-1, 3), b.reshape(-1, 3)
    # Few at a time stay in the processor's cache.
    pieces = [_angles_deg(a[i : i + VECTORS], b[i : i + VECTORS]) for i in range(0, len(a), VECTORS)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _angles_deg(a: TaskMap, b: TaskMap) -> TaskMap:
    # By component, for NumPy takes many times as long over many short vectors.
    p, g = (np.ascontiguousarray(vectors.T) for vectors in (a, b))
    squares = [_dot(vectors, vectors) for vectors in (p, g)]
    known = np.logical_and.reduce([np.isfinite(square) & (square > 0) for square in squares])
    if not known.all():  # most often all are, and picking takes time
        p, g = p[:, known], g[:, known]
    cross = [p[i - 2] * g[i - 1] - p[i - 1] * g[i - 2] for i in range(3)]
    angles: TaskMap = np.degrees(np.arctan2(np.sqrt(_dot(cross, cross)), _dot(p, g)))
    return angles


def _dot(a: Sequence[TaskMap] | TaskMap, b: Sequence[TaskMap] | TaskMap) -> TaskMap:
    """The products (n,) of vectors given as (3, n)."""
    product: TaskMap = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def disc(radius: float) -> NDArray[np.uint8]:
    """1 where a pixel is at most `radius` from the middle one, for morphology."""
    reach = np.arange(-int(radius), int(radius) + 1)
    return (np.hypot(*np.meshgrid(reach, reach)) <= radius).astype(np.uint8)


def _passes(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many of the values reach exactly k thresholds, k = 0 to all."""
    reached = np.searchsorted(EDGE_THRESHOLDS, values, side="right")
    return np.bincount(reached, minlength=len(EDGE_THRESHOLDS) + 1)


def _at_least(counts: Sums) -> Sums:
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
