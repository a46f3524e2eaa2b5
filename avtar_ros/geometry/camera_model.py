"""The lens of a camera: what sensor_msgs/CameraInfo says of it, at any size of its images. No ROS."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FISHEYE = "equidistant"


@dataclass(frozen=True)
class CameraModel:
    """The fields of sensor_msgs/CameraInfo that describe a lens, for images of `width` x `height`."""

    width: int
    height: int
    distortion_model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]

    @classmethod
    def of_message(cls, info: Any) -> CameraModel:
        """From a CameraInfo of ROS 2, or of ROS 1, where the names are in upper case."""
        k, r, p, d = (
            tuple(map(float, getattr(info, name, getattr(info, name.upper(), ())))) for name in "krpd"
        )
        return cls(int(info.width), int(info.height), str(info.distortion_model), d, k, r, p)

    @classmethod
    def pinhole(cls, width: int, height: int, focal_px: float) -> CameraModel:
        """A lens without distortion that looks straight ahead: pixels have their centres at whole numbers."""
        f, x, y = float(focal_px), (width - 1) / 2, (height - 1) / 2
        k = (f, 0.0, x, 0.0, f, y, 0.0, 0.0, 1.0)
        p = (f, 0.0, x, 0.0, 0.0, f, y, 0.0, 0.0, 0.0, 1.0, 0.0)
        return cls(width, height, "plumb_bob", (0.0,) * 5, k, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), p)

    def cut(self, left: int, top: int, width: int, height: int) -> CameraModel:
        """The lens of a part of its images."""
        return self._moved(np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], float), width, height)

    def resized(self, width: int, height: int) -> CameraModel:
        """The lens where its images are stretched to another size, as OpenCV does it.

        Coordinates are those of pixel centres, so that x + 1/2 is what grows with the width.
        """
        if (width, height) == (self.width, self.height):
            return self
        x, y = width / self.width, height / self.height
        return self._moved(np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]]), width, height)

    def rectified(self) -> CameraModel:
        """The lens that images have after rectification: the projection P, without distortion or rotation."""
        k = np.reshape(self.p, (3, 4))[:, :3]
        identity = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        return dataclasses.replace(self, k=tuple(k.ravel().tolist()), d=(), r=identity)

    def _moved(self, change: NDArray[np.float64], width: int, height: int) -> CameraModel:
        """With pixel coordinates changed by a 3x3 matrix."""
        k, p = change @ np.reshape(self.k, (3, 3)), change @ np.reshape(self.p, (3, 4))
        return CameraModel(width, height, self.distortion_model, self.d, tuple(k.ravel().tolist()), self.r,
                           tuple(p.ravel().tolist()))


@functools.lru_cache(maxsize=16)
def rays(camera: CameraModel, stride: int) -> NDArray[np.float32]:
    """Where each stride-th pixel of each stride-th row looks: (rows, columns, 2), x and y at z = 1.

    Distortion is undone with OpenCV's models; `d` must have as many numbers as they take, as of `lens.read_lens`.
    """
    x, y = np.meshgrid(np.arange(0, camera.width, stride), np.arange(0, camera.height, stride))
    seen = np.stack([x, y], axis=-1).astype(np.float64)
    fisheye = camera.distortion_model == FISHEYE
    undistort: Any = cv2.fisheye.undistortPoints if fisheye else cv2.undistortPoints
    distortion = np.array(camera.d or (0.0,) * 4)
    directions = undistort(seen.reshape(-1, 1, 2), np.reshape(camera.k, (3, 3)), distortion)
    looks: NDArray[np.float32] = directions.reshape(seen.shape).astype(np.float32)
    looks.setflags(write=False)  # shared by all who ask
    return looks
