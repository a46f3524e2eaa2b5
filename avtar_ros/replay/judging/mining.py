"""Which frames of a run are worth learning from: where the model is least sure, or contradicts itself the most.

For each figure j that needs no truth, such as flicker or the angle between normals and those of depth, frame i is bad
by z_ij = max(0, ±(x_ij − m_j) / s_j), the sign making worse positive, with m_j the median over the run and
s_j = 1.4826 · median |x_ij − m_j|. A frame's score is

    score_i = sqrt(mean_j z_ij²)        over the figures that the frame has
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from avtar_ros.replay.judging.frame_table import FrameTable
from avtar_ros.tasks.metric import Figure

SMALLEST_SPREAD = 1e-3
"""Of the median: figures that hardly differ between frames tell none apart."""


def scores(table: FrameTable, figures: Mapping[str, Figure]) -> NDArray[np.float64]:
    """The score of each frame (frames,) by those of `figures` that the table has; 0 where a frame has none."""
    badness = [_badness(np.array(table.columns[key]), f) for key, f in figures.items() if key in table.columns]
    if not badness:
        return np.zeros(len(table))
    squares = np.square(np.stack(badness))
    known = np.isfinite(squares)
    total = np.where(known, squares, 0).sum(axis=0)
    return np.asarray(np.sqrt(total / np.maximum(known.sum(axis=0), 1)))


def _badness(values: NDArray[np.float64], figure: Figure) -> NDArray[np.float64]:
    if not np.isfinite(values).any():
        return np.full(values.shape, np.nan)
    median = np.nanmedian(values)
    spread = 1.4826 * np.nanmedian(np.abs(values - median))
    worse = median - values if figure.higher_is_better else values - median
    return np.asarray(np.maximum(worse / max(spread, SMALLEST_SPREAD * abs(median), 1e-12), 0))


def choose(table: FrameTable, score: NDArray[np.float64], count: int, apart_ns: int) -> list[int]:
    """The indices of at most `count` frames, the highest scores first; of one camera's, none closer in time than
    `apart_ns`, for neighbours teach the same."""
    chosen: list[int] = []
    taken: dict[str, list[int]] = {}
    for index in np.argsort(-score, kind="stable").tolist():
        if len(chosen) == count or not score[index] > 0:
            break
        stamps = taken.setdefault(table.cameras[index], [])
        if _free(table.stamps_ns[index], stamps, apart_ns):
            stamps.append(table.stamps_ns[index])
            chosen.append(index)
    return chosen


def _free(stamp_ns: int, taken: Sequence[int], apart_ns: int) -> bool:
    return all(abs(stamp_ns - other) >= apart_ns for other in taken)
