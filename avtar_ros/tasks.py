"""The tasks: one record each, holding everything that differs between them.

To add a task, add a record here and a head and a loss of the same name in `training`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros import rendering
from avtar_ros.meaning import Meaning

TaskMap = NDArray[Any]
Maps = dict[str, TaskMap]


@dataclass(frozen=True)
class Task:
    """What the runtime must know of one task.

    A task map is (H, W), or (H, W, channels) where channels > 0.
    """

    name: str
    title: str
    unit: str
    dtype: type[np.generic]
    channels: int
    encoding: str
    """ROS image encoding of the raw map."""
    interpolation: int
    """OpenCV flag for bringing the map to another size."""
    colorize: Callable[[TaskMap, Meaning], rendering.Image]
    unit_vectors: bool = False
    """Whether the channels are a unit vector, to be renormalised after interpolation."""
    overlaid: bool = False
    """Whether its colours are best looked at over the image."""

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        return (height, width, self.channels) if self.channels else (height, width)

    def resize(self, task_map: TaskMap, width: int, height: int) -> TaskMap:
        """The map at another size; class ids are never mixed and unit vectors stay unit."""
        if task_map.shape[:2] == (height, width):
            return task_map
        resized: TaskMap = cv2.resize(task_map, (width, height), interpolation=self.interpolation)
        if self.unit_vectors:
            # With OpenCV: NumPy takes twenty times as long over many short vectors.
            squares = cv2.transform(cv2.multiply(resized, resized), np.ones((1, self.channels), np.float32))
            length = np.maximum(cv2.sqrt(squares), np.float32(1e-6))
            resized = cv2.divide(resized, cv2.merge([length] * self.channels), dst=resized)
        return resized


SEGMENTATION = Task("segmentation", "Segmentation", "class id", np.uint8, 0, "mono8", cv2.INTER_NEAREST,
                    rendering.color_classes, overlaid=True)
DEPTH = Task("depth", "Depth", "m", np.float32, 0, "32FC1", cv2.INTER_LINEAR, rendering.color_depth)
NORMALS = Task("normals", "Surface normals", "unit vector", np.float32, 3, "32FC3", cv2.INTER_LINEAR,
               rendering.color_normals, unit_vectors=True)
EDGES = Task("edges", "Edges", "probability", np.float32, 0, "32FC1", cv2.INTER_LINEAR, rendering.color_edges)

TASKS: dict[str, Task] = {task.name: task for task in (SEGMENTATION, DEPTH, NORMALS, EDGES)}
