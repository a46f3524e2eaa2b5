"""Fitting depth of unknown scale to some that is known: robustly, for sensors and teachers are both wrong at places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.teachers.config import DepthKind

FEWEST = 100
"""Known pixels below which a fit is none."""
ROUNDS = 20
MOST = 50_000
"""Pixels that a fit looks at; more add time and nothing else."""
SMALLEST_INVERSE = 1e-3
"""1/m: what lies beyond a kilometre is unknown."""

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Fit:
    """depth = scale · x + shift for metres and relative depth, 1 / (scale · x + shift) for disparity."""

    kind: DepthKind
    scale: float
    shift: float

    def metres(self, seen: Map) -> Map:
        """What a teacher saw, in metres; NaN where that is behind the camera or nowhere."""
        value = self.scale * seen + self.shift
        if self.kind == "disparity":
            value = np.where(value > SMALLEST_INVERSE, 1 / np.maximum(value, SMALLEST_INVERSE), np.nan)
        return np.where(value > 0, value, np.nan).astype(np.float32)


def fit_depth(seen: Map, known: Map, kind: DepthKind) -> Fit | None:
    """The scale, and for depth that is not metric the shift, that bring `seen` to `known` metres, both (H, W).

    Metres get a scale alone, the median of the ratios. Else it is a line by least absolute deviations (iteratively
    reweighted least squares), in inverse depth for disparity. None where too little is known of both, or a larger
    value would be on the wrong side.
    """
    both = np.isfinite(seen) & np.isfinite(known) & (known > 0)
    x, z = seen[both].astype(np.float64), known[both].astype(np.float64)
    if x.size < FEWEST:
        return None
    step = max(1, x.size // MOST)
    x, z = x[::step], z[::step]
    if kind == "metres":
        return Fit(kind, float(np.median(z / x)), 0.0)
    target = 1 / z if kind == "disparity" else z
    if float(np.ptp(x)) == 0:  # flat: it says nothing but the mean
        return None
    scale, shift = _line(x, target)
    return Fit(kind, scale, shift) if scale > 0 else None


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """The line a x + b that minimises the sum of absolute deviations from y, nearly."""
    weight = np.ones_like(x)
    tiny = 1e-4 * float(np.median(np.abs(y)))
    scale = shift = 0.0
    for _ in range(ROUNDS):
        total = weight.sum()
        mean_x, mean_y = (weight * x).sum() / total, (weight * y).sum() / total
        variance = (weight * (x - mean_x) ** 2).sum()
        if variance == 0:
            break
        scale = float((weight * (x - mean_x) * (y - mean_y)).sum() / variance)
        shift = float(mean_y - scale * mean_x)
        weight = 1 / np.maximum(np.abs(y - scale * x - shift), tiny)
    return scale, shift
