"""How steady maps are where nothing moves: no truth is needed to see a map flicker.

A pixel is static where between two consecutive frames the optical flow f is short, ‖f‖ < STILL_PX, and the image is
the same, |I_t − I_{t−1}| ≤ SAME_GREY, both of the frames' small images. Over static pixels, the figure is the mean
of what the task's record holds two maps' difference to be.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.replay.judging.meters import Meter, View
from avtar_ros.tasks import TASKS, TaskMap
from avtar_ros.tasks.metric import Sums

STILL_PX = 0.5
SAME_GREY = 12
LONGEST_NS = 1_000_000_000
"""Frames further apart are not compared."""


class StabilityMeter(Meter):
    """The mean difference of a task's consecutive maps over static pixels."""

    def __init__(self, task: str, static: StaticPixels) -> None:
        self.name = f"stability of {task}"
        self.task = task
        self._static = static
        self._stability = TASKS[task].stability
        self.figures_given = {self._stability.key: self._stability.figure}

    def measure(self, view: View) -> Sums | None:
        before = view.before
        if before is None or self.task not in view.maps or self.task not in before.maps:
            return None
        now, then = view.maps[self.task], before.maps[self.task]
        static = self._static(view)
        if static is None or now.shape != then.shape:
            return None
        height, width = now.shape[:2]
        mask = cv2.resize(static, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
        values = self._stability.between(_picked(now, mask), _picked(then, mask))
        return np.array([values.size, values.sum()], np.float64)

    def figures(self, sums: Sums) -> dict[str, float]:
        return {self._stability.key: float(sums[1] / sums[0])} if sums[0] else {}


def _picked(task_map: TaskMap, mask: NDArray[np.bool_]) -> TaskMap:
    """The map's pixels (n[, 3]) where the mask (H, W) is true; of vectors five times as fast as `task_map[mask]`."""
    return np.compress(mask.ravel(), task_map.reshape(mask.size, *task_map.shape[2:]), axis=0)


class StaticPixels:
    """Where nothing moves between a view and the one before; the last answer is kept, as several ask."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._view: View | None = None
        self._answer: NDArray[np.uint8] | None = None

    def __call__(self, view: View) -> NDArray[np.uint8] | None:
        """(h, w), 1 where static; None where the frames are too far apart or of different size."""
        if view is not self._view:
            self._view, self._answer = view, self._find(view)
        return self._answer

    def _find(self, view: View) -> NDArray[np.uint8] | None:
        before = view.before
        if before is None or before.frame.image.shape != view.frame.image.shape:
            return None
        if not 0 < view.frame.stamp_ns - before.frame.stamp_ns <= LONGEST_NS:
            return None
        now, then = view.grey, before.grey
        flow = self._flow.calc(now, then, np.zeros((*now.shape, 2), np.float32))
        same = cv2.absdiff(now, then) <= SAME_GREY
        still = flow[..., 0] ** 2 + flow[..., 1] ** 2 < STILL_PX**2
        return np.asarray(same & still, np.uint8)

