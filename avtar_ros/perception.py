"""From camera frames to task maps: resize, infer, resize back, and make depth metric for this camera. No ROS.

    perception = Perception(engine)
    maps, = perception([Frame(image, stamp_ns, focal_px=585.0)])
    maps["depth"]  # metres, at the camera's size
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines.engine import Engine
from avtar_ros.errors import AvtarError
from avtar_ros.tasks import DEPTH, TASKS, Maps, TaskMap

MapSize = Literal["camera", "model"]


@dataclass(frozen=True)
class Frame:
    """One camera image: RGB uint8 (H, W, 3), when it was taken, and by what.

    `focal_px` is the camera's fx at this image's width, where known. Raises AvtarError if the image is of another
    type or shape, whatever its strides, and where the focal length is not a positive number.
    """

    image: NDArray[np.uint8]
    stamp_ns: int
    frame_id: str = ""
    focal_px: float | None = None

    def __post_init__(self) -> None:
        check_image(self.image)
        if self.focal_px is not None and not 0 < self.focal_px < math.inf:
            raise AvtarError(f"a focal length of {self.focal_px} pixels: give a positive one, or none if unknown.")


class Perception:
    """An engine with what comes before and after it.

    Images are stretched to the model's size, so every pixel of a map belongs to the pixel of the image at the
    same relative place, whatever the camera's aspect ratio. Maps come back at the camera's size, or stay at
    the model's.

    `tasks` chooses among the model's tasks (default: all); raises AvtarError for one that it does not have.
    """

    def __init__(
        self, engine: Engine, tasks: Sequence[str] | None = None, map_size: MapSize = "camera"
    ) -> None:
        self.engine = engine
        self.tasks = check_tasks(engine, tasks)
        self.map_size = map_size

    def __call__(self, frames: Sequence[Frame]) -> list[Maps]:
        """The maps of each frame, all frames in one batch through the engine."""
        outputs = self.engine.infer(self.prepare(frames))
        return [
            self.finish(frame, {task: outputs[task][i] for task in self.tasks})
            for i, frame in enumerate(frames)
        ]

    def prepare(self, frames: Sequence[Frame]) -> NDArray[np.uint8]:
        """The engine's input for `frames`, (B, H, W, 3)."""
        images = np.empty((len(frames), self.engine.card.height, self.engine.card.width, 3), np.uint8)
        for image, frame in zip(images, frames, strict=True):
            _stretch(frame.image, image)
        return images

    def finish(self, frame: Frame, maps: Maps) -> Maps:
        """What the engine gave for `frame`, at the size asked for and with depth metric for its camera."""
        return {task: self.finish_map(frame, task, task_map) for task, task_map in maps.items()}

    def finish_map(self, frame: Frame, task: str, task_map: TaskMap, out: TaskMap | None = None) -> TaskMap:
        """One of these; made in `out`, where that is given."""
        if task == DEPTH.name:  # before it is resized: there are fewer pixels
            task_map = task_map * self.depth_scale(frame)
        height, width = self.size_of_maps(frame)
        return TASKS[task].resize(task_map, width, height, out)

    def size_of_maps(self, frame: Frame) -> tuple[int, int]:
        """Height and width of a frame's maps."""
        if self.map_size == "model":
            return self.engine.card.height, self.engine.card.width
        height, width = frame.image.shape[:2]
        return height, width

    def depth_scale(self, frame: Frame) -> np.float32:
        """Factor on predicted depth for the frame's camera; 1 where its focal length is not known."""
        card = self.engine.card
        if frame.focal_px is None or card.depth is None:
            return np.float32(1)
        return np.float32(card.depth.scale(frame.focal_px * card.width / frame.image.shape[1]))


def check_image(image: Any) -> None:
    """Raise AvtarError if `image` is not an RGB image, uint8 (H, W, 3) with pixels in it, saying what to do."""
    if not isinstance(image, np.ndarray):
        raise AvtarError(f"an image is a NumPy array, RGB uint8 (H, W, 3), not {type(image).__name__}.")
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
        return
    advice = "Convert it: cv2.cvtColor changes channels, and image.astype(numpy.uint8) the type of values in 0..255."
    if not image.size:
        advice = "It has no pixels: was the picture read?"
    elif image.dtype.kind == "f":
        advice = "Scale it to 0..255 first, then image.astype(numpy.uint8)."
    elif image.ndim == 2 or image.shape[2:] == (1,):
        advice = "Make a grey image colour: cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)."
    elif image.ndim == 3 and image.shape[2] == 4:
        advice = "Leave the fourth channel out: image[..., :3]."
    raise AvtarError(
        f"an image of shape {image.shape} and type {image.dtype} given; images are RGB uint8 (H, W, 3). {advice}"
    )


def _stretch(image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Resize `image` into `out`: each side is halved while it has two pixels for one, the rest is bilinear.

    Every pixel counts, so that fine detail does not alias, and it takes a sixth of the time of INTER_AREA at any size,
    which is fast where the sizes are multiples only.
    """
    height, width = out.shape[:2]
    while (smaller := (_halved(image.shape[1], width), _halved(image.shape[0], height))) != image.shape[1::-1]:
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    if cv2.resize(image, (width, height), dst=out, interpolation=cv2.INTER_LINEAR) is not out:
        # OpenCV takes an array of its own where it cannot use the one given, which would then keep what was in it.
        raise AvtarError(f"an image {image.shape} of {image.dtype} cannot be resized into {out.shape} of {out.dtype}.")


def _halved(size: int, wanted: int) -> int:
    return size // 2 if size >= 2 * wanted else size


def check_tasks(engine: Engine, tasks: Sequence[str] | None) -> tuple[str, ...]:
    """`tasks`, or all of the model's where none is given; raises AvtarError for one that it does not have."""
    if missing := [task for task in tasks or () if task not in engine.card.tasks]:
        raise AvtarError(
            f"model {engine.card.name!r} has no task {', '.join(missing)}. "
            f"Choose among: {', '.join(engine.card.tasks)}."
        )
    return tuple(tasks or engine.card.tasks)
