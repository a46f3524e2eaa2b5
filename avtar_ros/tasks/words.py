"""What a map says, in figures and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from avtar_ros.meaning import Meaning
from avtar_ros.tasks.metric import TaskMap

LEAST_SHARE = 0.001
"""Of the pixels, below which nothing is worth mentioning."""


def share(where: Any) -> float:
    """The share of pixels for which this is true, rounded for people."""
    return round(float(np.mean(where)), 4)


def _mean(task_map: TaskMap, meaning: Meaning) -> Mapping[str, float | None]:
    known = task_map[np.isfinite(task_map)]
    return {"mean": round(float(known.mean()), 4) if known.size else None}


def _number(value: Any, meaning: Meaning) -> str:
    return ", ".join(f"{component:.2f}" for component in np.atleast_1d(value))


@dataclass(frozen=True)
class Words:
    """How a task's maps are told of.

    `figures` sums up a whole map, `sentence` says the most important of that, "" where there is nothing to say, and
    `at` says the value at one pixel.
    """

    figures: Callable[[TaskMap, Meaning], Mapping[str, float | None]] = _mean
    sentence: Callable[[Mapping[str, Any]], str] = lambda figures: ""
    at: Callable[[Any, Meaning], str] = _number


PLAIN = Words()
"""Of a task that nothing more is known of."""
