"""How good depth is: in metres, and up to what one camera can hardly see, its scale, or scale and shift of its inverse.

Aligned figures bring every image's prediction nearest to its truth first, over the pixels that are known in both.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from avtar_ros.tasks.metric import Figure, Sums, TaskMap, TaskMetric

Depths = NDArray[np.float64]


class DepthMetric(TaskMetric):
    """RMSE = sqrt(Σ(p − g)² / n), abs-rel = Σ(|p − g| / g) / n, δk = share of max(p/g, g/p) < 1.25ᵏ; metres.

    Known is what is finite and positive, and in the truth not beyond `max_depth_m`.
    """

    name = "depth"
    FIGURES: ClassVar = {
        "depth.rmse_m": Figure("RMSE", "m", False, 0.01, "typical error in metres, in which large errors count most"),
        "depth.abs_rel": Figure(
            "Mean relative error", "", False, 0.005, "mean error as a share of the true distance: 0.1 is 10 cm at 1 m"
        ),
        "depth.delta1": Figure("δ < 1.25", "", True, 0.005, "share of pixels within 25 % of the true distance"),
        "depth.delta2": Figure("δ < 1.25²", "", True, 0.005, "share of pixels within 56 %"),
        "depth.delta3": Figure("δ < 1.25³", "", True, 0.005, "share of pixels within 95 %"),
    }
    sees_scale = True
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
        squared, *means = (sums[1:] / sums[0]).tolist()
        return dict(zip(self.FIGURES, [float(np.sqrt(squared)), *means], strict=True))


def _aligned_figures(key: str, way: str, left: str) -> dict[str, Figure]:
    """The figures after `way` of aligning, which leaves the error that is `left`."""
    return {
        f"depth.{key}_rmse_m": Figure(f"RMSE, {way}", "m", False, 0.01, f"the error that is left where {left}"),
        f"depth.{key}_abs_rel": Figure(f"Mean relative error, {way}", "", False, 0.005, "relative error, the same way"),
        f"depth.{key}_delta1": Figure(
            f"δ < 1.25, {way}", "", True, 0.005, "share of pixels within 25 %, the same way"
        ),
    }


class AlignedDepthMetric(DepthMetric):
    """RMSE, abs-rel and δ1 after `align`."""

    pixelwise = False
    sees_scale = False

    @staticmethod
    @abstractmethod
    def align(p: Depths, g: Depths) -> Depths:
        """The known depths p (n,), n ≥ 1, of one image, brought nearest to its true ones g (n,)."""

    def measure(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        images = [self._measure_image(p, g) for p, g in zip(prediction, truth, strict=True)]
        return np.asarray(np.sum(images, axis=0, dtype=np.float64))

    def _measure_image(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        known = self.known(prediction, truth)
        if not known.any():
            return np.zeros(self.size)
        p, g = prediction[known].astype(np.float64), truth[known].astype(np.float64)
        return super().measure(self.align(p, g), g)

    def figures(self, sums: Sums) -> dict[str, float]:
        if not sums[0]:
            return {}
        squared, *means = (sums[1:] / sums[0]).tolist()
        return dict(zip(self.FIGURES, [float(np.sqrt(squared)), *means[:2]], strict=True))


class MedianScaledMetric(AlignedDepthMetric):
    """After scaling by median(g) / median(p)."""

    name = "scaled depth"
    FIGURES: ClassVar = _aligned_figures(
        "scaled", "median-scaled", "one factor for each image makes the scale right"
    )

    @staticmethod
    def align(p: Depths, g: Depths) -> Depths:
        return np.asarray(p * (np.median(g) / np.median(p)))


class DisparityAlignedMetric(AlignedDepthMetric):
    """After p becomes 1 / (s/p + t), with s and t of least squares against 1/g (Ranftl et al., MiDaS, TPAMI 2022).

    No farther than the farthest g, as lines through noise may pass through infinity.
    """

    name = "aligned depth"
    FIGURES: ClassVar = _aligned_figures(
        "aligned", "scale and shift in disparity", "factor and offset of 1/depth are made right for each image"
    )

    @staticmethod
    def align(p: Depths, g: Depths) -> Depths:
        x, y = 1 / p, 1 / g
        centred = x - x.mean()
        spread = np.square(centred).sum()
        slope = float(centred @ y / spread) if spread > 0 else 0.0
        return np.asarray(1 / np.maximum(slope * centred + y.mean(), y.min()))
