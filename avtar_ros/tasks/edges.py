"""Edges: float32 probabilities."""

from __future__ import annotations

from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.meaning import Meaning
from avtar_ros.rendering import Image
from avtar_ros.tasks.metric import Figure, Sums, TaskMap, TaskMetric
from avtar_ros.tasks.task import Difference, Stability, Storage, Task
from avtar_ros.tasks.words import Words, share

EDGE_TOLERANCE = 0.0075
"""How far a predicted edge may lie from the true one, as a share of the diagonal (BSDS's customary value)."""
EDGE_THRESHOLDS = np.linspace(0.01, 0.99, 99, dtype=np.float32)


def color_edges(edges: NDArray[np.float32], meaning: Meaning) -> Image:
    """Edge probability (H, W) to grey, 1 = white."""
    levels = np.nan_to_num(255 * edges, nan=0.0).clip(0, 255).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=-1)


class EdgesMetric(TaskMetric):
    """ODS F-measure and mean absolute difference of edge probabilities; NaN is unknown, truth ≥ 0.5 an edge.

    Predicted edges are thinned first (`thin_edges`), so that thick ones do not pay. At each threshold,
    precision is the share of predicted edge pixels with a true one within the tolerance, recall the share of
    true edge pixels with a predicted one within it; both are pooled over the set, and the figure is
    F = 2PR / (P + R) at the best threshold. The tolerance is `EDGE_TOLERANCE` of the diagonal.

    Unlike in BSDS, which assigns pixels one to one, a pixel may match several: one distance transform does
    instead of an assignment problem for every threshold.
    """

    name = "edges"
    FIGURES: ClassVar = {
        "edges.f1": Figure(
            "F-measure (ODS)", "", True, 0.005,
            "balance of edges that were found and edges that are right, at the best threshold; 1 is perfect",
        ),
        "edges.l1": Figure(
            "Mean absolute difference", "", False, 0.005, "mean difference of the probability of an edge"
        ),
    }
    pixelwise = False
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


def _absolute(one: TaskMap, other: TaskMap) -> NDArray[np.float64]:
    return np.asarray(np.abs(one.astype(np.float64) - other))


def _levels(edges: TaskMap) -> NDArray[Any]:
    return np.round(255 * np.nan_to_num(edges)).clip(0, 255).astype(np.uint8)


def _probabilities(stored: NDArray[Any]) -> TaskMap:
    return (stored / np.float32(255) if stored.dtype == np.uint8 else stored).astype(np.float32)


EDGES = Task(
    name="edges",
    title="Edges",
    unit="probability",
    dtype=np.float32,
    channels=0,
    encoding="32FC1",
    interpolation=cv2.INTER_LINEAR,
    colorize=color_edges,
    metrics=(EdgesMetric,),
    difference=Difference("mean difference", "", {"fp16": 0.01, "fp32": 0.001}, _absolute),
    stability=Stability("edges.jitter", Figure(
        "Jitter where nothing moves", "", False, 0.001, "how much edges flicker where nothing moves"
    ), _absolute),
    storage=Storage(np.uint8, _levels, _probabilities, repeats=True),
    words=Words(lambda edges, meaning: {"share": share(edges > 0.5)}, at=lambda edge, meaning: f"{edge:.0%}"),
)
