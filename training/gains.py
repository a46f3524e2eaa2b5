"""One number for several tasks: Δm, the mean relative gain (Maninis et al., CVPR 2019)."""

from __future__ import annotations

from collections.abc import Mapping

from avtar_ros.tasks import TASKS


def relative_gain(figures: Mapping[str, float], baseline: Mapping[str, float]) -> float:
    """The mean over tasks of how much better their main figures are than the baseline's; 0.1 is 10 % better.

    Only tasks count that both have figures of; 0 where there are none.
    """
    gains = []
    for task in TASKS.values():
        key = task.main_figure
        if key in figures and key in baseline:
            better = figures[key] - baseline[key]
            gains.append((better if task.figures[key].higher_is_better else -better) / max(abs(baseline[key]), 1e-9))
    return sum(gains) / max(1, len(gains))
