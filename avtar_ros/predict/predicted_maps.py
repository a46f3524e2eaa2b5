"""What a model makes of one image, as it is handed to people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros import rendering
from avtar_ros.errors import AvtarError
from avtar_ros.geometry.camera_model import CameraModel
from avtar_ros.geometry.point_cloud import colored_points
from avtar_ros.meaning import DepthRange
from avtar_ros.model_card import ModelCard
from avtar_ros.predict.lens import Lens
from avtar_ros.predict.points import Points
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION, TASKS, Maps, TaskMap
from avtar_ros.tasks.depth import shown_range

PANEL = (480, 360)
"""The most that each of the pictures side by side is wide and high, in pixels."""
OVERLAY = 0.6


@dataclass(frozen=True, eq=False)
class PredictedMaps(Mapping[str, TaskMap]):
    """The maps of one image, by name or as attributes: `maps["depth"]` is `maps.depth`.

    `image` is RGB uint8 (H, W, 3), `name` what it is called, `card` the model's, `lens` the focal length that depth is
    metric for. An attribute of a task that was not computed raises AvtarError.
    """

    image: NDArray[np.uint8]
    arrays: Maps
    card: ModelCard
    lens: Lens
    name: str = "image"

    @property
    def tasks(self) -> tuple[str, ...]:
        """What was computed."""
        return tuple(self.arrays)

    @property
    def segmentation(self) -> NDArray[np.uint8]:
        """Class ids (H, W), to be looked up in `classes`; 255 = unlabelled."""
        return self._map(SEGMENTATION.name)

    @property
    def depth(self) -> NDArray[np.float32]:
        """Distance along the optical axis (H, W) in metres."""
        return self._map(DEPTH.name)

    @property
    def normals(self) -> NDArray[np.float32]:
        """Unit vectors (H, W, 3) in the optical frame (x right, y down, z forward), facing the camera."""
        return self._map(NORMALS.name)

    @property
    def edges(self) -> NDArray[np.float32]:
        """Probability (H, W) that a pixel lies on an edge."""
        return self._map(EDGES.name)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their ids."""
        return tuple(c.name for c in self.card.classes)

    @property
    def focal_px(self) -> float:
        """fx in pixels at the image's width that depth and points are metric for; see `lens` for where it is from."""
        return self.lens.focal_px

    def points(self, stride: int = 1, max_m: float = np.inf) -> Points:
        """The pixels of each stride-th column and row as points in space, up to `max_m` metres away.

        The lens is taken for one without distortion that looks through the middle of the image.
        """
        if stride < 1:
            raise AvtarError(f"a stride of {stride}: give 1 for every pixel, 2 for every second one, ...")
        height, width = self.depth.shape
        focal_px = self.focal_px * width / self.image.shape[1]
        grid = colored_points(
            self.depth, self.image, CameraModel.pinhole(width, height, focal_px), stride, (1e-6, float(max_m))
        ).reshape(-1, 4)
        points = grid[np.isfinite(grid[:, 2])]
        colors = np.ascontiguousarray(points[:, 3]).view(np.uint32)[:, None] >> np.array([16, 8, 0], np.uint32)
        return Points(np.ascontiguousarray(points[:, :3]), (colors & 255).astype(np.uint8))

    def colors(self, task: str, near_m: float | None = None, far_m: float | None = None) -> NDArray[np.uint8]:
        """A map in colours, RGB (H, W, 3); depth from `near_m` to `far_m`, else over its own range."""
        meaning: Any = self.card
        if task == DEPTH.name:
            near, far = self.depth_range()
            meaning = self._shown(near if near_m is None else near_m, far if far_m is None else far_m)
        picture = TASKS[task].colorize(self._map(task), meaning)
        return rendering.overlay(self.image, picture, OVERLAY) if TASKS[task].overlaid else picture

    def depth_range(self) -> tuple[float, float]:
        """The range of depth in metres, but for the least and most of it; the model's where nothing is known."""
        assert self.card.depth is not None
        found = shown_range([self.depth], self.card.depth)
        return found.min_m, found.max_m

    def picture(
        self, tasks: Sequence[str] | None = None, near_m: float | None = None, far_m: float | None = None
    ) -> NDArray[np.uint8]:
        """The image and its maps in colours side by side, with a legend; RGB (H, W, 3). Depth as in `colors`."""
        tasks = self.tasks if tasks is None else tasks
        panel = self.fitted(*PANEL)
        pictures = {"Image": panel.image}
        for task in tasks:
            pictures[panel._title(task, near_m, far_m)] = panel.colors(task, near_m, far_m)
        sheet = rendering.side_by_side(pictures)
        if SEGMENTATION.name not in tasks:
            return sheet
        return np.vstack([sheet, rendering.legend(self.card, sheet.shape[1])])

    def fitted(self, width: int, height: int) -> PredictedMaps:
        """The same at the size that just fits into this one, to be looked at."""
        scale = min(width / self.image.shape[1], height / self.image.shape[0])
        columns, rows = (max(1, round(side * scale)) for side in self.image.shape[1::-1])
        image = cv2.resize(self.image, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        arrays = {task: TASKS[task].resize(task_map, columns, rows) for task, task_map in self.arrays.items()}
        lens = replace(self.lens, focal_px=self.focal_px * columns / self.image.shape[1])
        return replace(self, image=image, arrays=arrays, lens=lens)

    def _title(self, task: str, near_m: float | None, far_m: float | None) -> str:
        if task != DEPTH.name:
            return TASKS[task].title
        near, far = self.depth_range()
        near, far = near if near_m is None else near_m, far if far_m is None else far_m
        about = "" if self.lens.known else "about "
        return f"{DEPTH.title}: red {about}{near:.1f} m, blue {far:.1f} m"

    def _shown(self, near_m: float, far_m: float) -> ModelCard:
        """The card with another range of depth, which colours are then spread over."""
        if not 0 < near_m < far_m:
            raise AvtarError(f"depth from {near_m} to {far_m} m: the first must be positive, and less than the second.")
        return self.card.replace(depth=DepthRange(near_m, far_m, self.focal_px))

    def _map(self, task: str) -> TaskMap:
        if task not in self.arrays:
            raise AvtarError(f"no map of {task} was computed, only {', '.join(self)}. Ask for it, or of another model.")
        return self.arrays[task]

    def __getitem__(self, task: str) -> TaskMap:
        return self.arrays[task]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"<maps of {self.name}, {width} x {height}: {', '.join(self)}>"
