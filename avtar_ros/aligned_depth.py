"""How good depth is up to what one camera can hardly see: its scale, or scale and shift of its inverse.

Every image's prediction is brought nearest to its truth first, over the pixels that are known in both; figures are
then pooled over pixels, as all are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avtar_ros.metrics import DepthMetric, Figure, MetricOptions, Sums, TaskMetric
from avtar_ros.tasks import TaskMap

Depths = NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """`align` takes the known depths p and g (n,), n ≥ 1, of one image, and gives p aligned."""

    title: str
    align: Callable[[Depths, Depths], Depths]


def median_scaled(p: Depths, g: Depths) -> Depths:
    """p · median(g) / median(p)."""
    return np.asarray(p * (np.median(g) / np.median(p)))


def disparity_aligned(p: Depths, g: Depths) -> Depths:
    """1 / (s/p + t), with s and t of least squares against 1/g (Ranftl et al., MiDaS, TPAMI 2022).

    No farther than the farthest g, as lines through noise may pass through infinity.
    """
    x, y = 1 / p, 1 / g
    spread = np.square(x - x.mean()).sum()
    slope = float((x - x.mean()) @ y / spread) if spread > 0 else 0.0
    disparity = slope * (x - x.mean()) + y.mean()
    return np.asarray(1 / np.maximum(disparity, y.min()))


ALIGNMENTS = {
    "scaled": Alignment("median-scaled", median_scaled),
    "aligned": Alignment("scale and shift in disparity", disparity_aligned),
}
"""By the prefix of their figures' names."""

_FIGURES = {
    "rmse_m": Figure("RMSE", "m", False),
    "abs_rel": Figure("Mean relative error", "", False),
    "delta1": Figure("δ < 1.25", "", True),
}

ALIGNED_FIGURES = {
    f"depth.{prefix}_{key}": Figure(f"{figure.title}, {alignment.title}", figure.unit, figure.higher_is_better)
    for prefix, alignment in ALIGNMENTS.items()
    for key, figure in _FIGURES.items()
}


class AlignedDepthMetric(TaskMetric):
    """Depth's figures after one of `ALIGNMENTS`."""

    size = brief = DepthMetric.size

    def __init__(self, options: MetricOptions, prefix: str) -> None:
        super().__init__(options)
        self._metric, self._prefix = DepthMetric(options), prefix
        self.figures_given = {key: f for key, f in ALIGNED_FIGURES.items() if key.startswith(f"depth.{prefix}_")}

    def measure(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        """The sums of maps (B, H, W)."""
        images = [self._measure_image(p, g) for p, g in zip(prediction, truth, strict=True)]
        return np.asarray(np.sum(images, axis=0, dtype=np.float64))

    def _measure_image(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        known = self._metric.known(prediction, truth)
        if not known.any():
            return np.zeros(self.size)
        p, g = prediction[known].astype(np.float64), truth[known].astype(np.float64)
        return self._metric.measure(ALIGNMENTS[self._prefix].align(p, g), g)

    def figures(self, sums: Sums) -> dict[str, float]:
        found = self._metric.figures(sums)
        return {f"depth.{self._prefix}_{key}": found[f"depth.{key}"] for key in _FIGURES if found}
