"""Everything that can be shown of one frame, made when it is asked for. No ROS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from avtar_ros import rendering
from avtar_ros.geometry.camera_model import CameraModel
from avtar_ros.geometry.lens import Lens
from avtar_ros.geometry.point_cloud import colored_points
from avtar_ros.perception import Frame, Perception
from avtar_ros.tasks import DEPTH, TASKS, Maps, TaskMap

if TYPE_CHECKING:
    from avtar_ros.node.parameters import OutputParameters

T = TypeVar("T")


class FrameMaps:
    """A frame's maps, their colours, its points. Each is made once, when first asked for."""

    def __init__(
        self,
        frame: Frame,
        outputs: Maps,
        perception: Perception,
        lens: Lens,
        settings: OutputParameters,
    ) -> None:
        """`outputs`: what the engine gave for the frame; `lens`: that of the image, where it is known."""
        self.settings = settings
        self._frame = frame
        self._outputs = outputs
        self._perception = perception
        self._lens = lens
        self._made: dict[str, Any] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the maps."""
        return self._perception.size_of_maps(self._frame)

    def map(self, task: str, out: TaskMap | None = None) -> TaskMap:
        """The task map as published: at the size asked for, depth metric for the camera.

        Where `out` is given it is made there, and must stay as it is as long as this is asked for more.
        """
        made = self._once(task, lambda: self._perception.finish_map(self._frame, task, self._outputs[task], out))
        if out is not None and made is not out:
            np.copyto(out, made)
        return made

    def colors(self, task: str) -> rendering.Image:
        """The task map in colour (H, W, 3)."""
        card = self._perception.engine.card
        return self._once(f"{task} in colour", lambda: TASKS[task].colorize(self.map(task), card))

    def overlay(self) -> rendering.Image:
        """The first of the perception's tasks in colour over the image, at the maps' size."""
        colors, opacity = self.colors(self._perception.tasks[0]), self.settings.overlay_opacity
        return self._once("overlay", lambda: rendering.overlay(self._frame.image, colors, opacity))

    def camera(self) -> CameraModel | None:
        """The lens at the maps' size, where it is known."""
        height, width = self.size
        return self._lens.model and self._lens.model.resized(width, height)

    def points(self) -> NDArray[np.float32] | None:
        """Coloured points (rows, columns, 4), see `colored_points`.

        Where the lens is not known, it is taken for one of the focal length that the model was trained for:
        that fits the depth. Where it is known to be no pinhole's, there are no points.
        """
        if self._lens.odd:
            return None
        depth, limits = self.map(DEPTH.name), (self.settings.points_min_m, self.settings.points_max_m)
        camera = self.camera() or self._trained_camera()
        return colored_points(depth, self._frame.image, camera, self.settings.points_stride, limits)

    def _trained_camera(self) -> CameraModel:
        card = self._perception.engine.card
        assert card.depth is not None
        height, width = self._frame.image.shape[:2]
        focal_px = card.depth.focal_px * width / card.width
        map_height, map_width = self.size
        return CameraModel.pinhole(width, height, focal_px).resized(map_width, map_height)

    def _once(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._made:
            self._made[name] = make()
        made: T = self._made[name]
        return made
