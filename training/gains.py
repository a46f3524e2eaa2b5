"""One number for several tasks: Δm, the mean relative gain (Maninis et al., CVPR 2019)."""

from __future__ import annotations

from collections.abc import Mapping

from avtar_ros.metrics import FIGURES
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION

MAIN_FIGURES = {
    SEGMENTATION.name: "segmentation.miou",
    DEPTH.name: "depth.rmse_m",
    NORMALS.name: "normals.mean_deg",
    EDGES.name: "edges.f1",
}
"""The figure that stands for a task."""


def relative_gain(figures: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """The mean over tasks of how much better their main figures are than the baseline's; 0.1 is 10 % better.

    Only tasks count that both have figures of; 0 where there are none.
    """
    gains = []
    for key in MAIN_FIGURES.values():
        if key in figures and key in baseline:
            better = figures[key] - baseline[key]
            gains.append((better if FIGURES[key].higher_is_better else -better) / max(abs(baseline[key]), 1e-9))
    return sum(gains) / max(1, len(gains))
