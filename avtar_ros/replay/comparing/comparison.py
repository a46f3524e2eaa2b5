"""Two runs over the same frames, figure by figure, with how sure the difference is.

Frames are drawn again with replacement, the same ones for both runs, RESAMPLES times (the paired bootstrap); where a
recording is long, blocks of consecutive frames instead. From each draw come both runs' figures and their difference;
its 2.5th and 97.5th percentiles are the confidence interval. Where that does not hold 0, the runs differ; whether that
is worth mentioning, the figure itself says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from avtar_ros.errors import AvtarError
from avtar_ros.replay.judging.frame_table import FrameTable
from avtar_ros.replay.judging.meters import Meter
from avtar_ros.tasks.metric import Figure, Sums

RESAMPLES = 1000
SEED = 0
CONFIDENCE = (2.5, 97.5)
WORST = 5
ROUNDING = 1e-5
"""Share of a figure that is no difference, however sure: results of single precision differ by as much."""


class Verdict(Enum):
    """What a figure, or all of a task's, say of the second run."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no difference found"
    SLIGHT = "no difference worth mentioning"
    MIXED = "better in some, worse in others"


@dataclass(frozen=True)
class Comparison:
    """A figure of the baseline and of the candidate, and the interval of candidate minus baseline."""

    key: str
    figure: Figure
    baseline: float
    candidate: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        return self.candidate - self.baseline

    @property
    def verdict(self) -> Verdict:
        if self.low <= 0 <= self.high or abs(self.difference) <= ROUNDING * abs(self.baseline):
            return Verdict.SAME
        if abs(self.difference) < self.figure.mention:
            return Verdict.SLIGHT
        return Verdict.BETTER if (self.difference > 0) == self.figure.higher_is_better else Verdict.WORSE


def compare_sums(
    meters: Sequence[Meter], baseline: Mapping[str, Sums], candidate: Mapping[str, Sums]
) -> list[Comparison]:
    """Compare two runs by the sums of their blocks, {meter: (blocks, size)}; block i holds the same frames in both.

    Raises AvtarError if the runs do not have the same blocks.
    """
    random = np.random.default_rng(SEED)
    found = []
    for meter in meters:
        a, b = baseline.get(meter.name), candidate.get(meter.name)
        if a is None or b is None:
            continue
        if a.shape != b.shape:
            raise AvtarError(
                f"the runs cannot be compared in {meter.name}: one has {a.shape[0]} blocks of frames of "
                f"{a.shape[1]} sums, the other {b.shape[0]} of {b.shape[1]}. Compare runs over the same frames, "
                "of models with the same classes."
            )
        weights = random.multinomial(len(a), np.full(len(a), 1 / len(a)), size=RESAMPLES).astype(np.float64)
        found += _compare_figures(meter, a, b, weights)
    return found


def _compare_figures(meter: Meter, a: Sums, b: Sums, weights: NDArray[np.float64]) -> list[Comparison]:
    whole_a, whole_b = meter.figures(a.sum(axis=0)), meter.figures(b.sum(axis=0))
    draws = [
        (meter.figures(drawn_a), meter.figures(drawn_b))
        for drawn_a, drawn_b in zip(weights @ a, weights @ b, strict=True)
    ]
    comparisons = []
    for key in whole_a.keys() & whole_b.keys():
        differences = [d_b[key] - d_a[key] for d_a, d_b in draws if key in d_a and key in d_b]
        low, high = np.percentile(differences, CONFIDENCE).tolist()
        comparisons.append(Comparison(key, meter.figures_given[key], whole_a[key], whole_b[key], low, high))
    return sorted(comparisons, key=lambda c: list(meter.figures_given).index(c.key))


def verdicts(comparisons: Sequence[Comparison]) -> dict[str, Verdict]:
    """For each task, what all of its figures say together; what is measured of the image alone is left out."""
    by_task: dict[str, set[Verdict]] = {}
    for comparison in comparisons:
        task = comparison.key.partition(".")[0]
        if task != "image":
            by_task.setdefault(task, set()).add(comparison.verdict)
    return {task: _together(found) for task, found in by_task.items()}


def _together(found: set[Verdict]) -> Verdict:
    differing = found - {Verdict.SAME, Verdict.SLIGHT}
    if not differing:
        return Verdict.SLIGHT if Verdict.SLIGHT in found else Verdict.SAME
    return Verdict.MIXED if len(differing) > 1 else differing.pop()


@dataclass(frozen=True)
class DifferingFrame:
    """A frame, and its figure in both runs."""

    stamp_ns: int
    camera: str
    baseline: float
    candidate: float


def most_differing(key: str, baseline: FrameTable, candidate: FrameTable) -> list[DifferingFrame]:
    """The frames in which a figure differs most, the most first. Both tables have the same frames."""
    if key not in baseline.columns or key not in candidate.columns:
        return []
    a, b = np.array(baseline.columns[key]), np.array(candidate.columns[key])
    difference = np.nan_to_num(np.abs(b - a))
    order = np.argsort(-difference, kind="stable")[:WORST]
    return [
        DifferingFrame(baseline.stamps_ns[i], baseline.cameras[i], float(a[i]), float(b[i]))
        for i in order.tolist()
        if difference[i] > 0
    ]
