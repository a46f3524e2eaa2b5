"""Depth maps to points in space, with the colour of the image. No ROS."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.geometry.camera_model import CameraModel, rays


def colored_points(
    depth: NDArray[np.float32],
    image: NDArray[np.uint8],
    camera: CameraModel,
    stride: int,
    range_m: tuple[float, float],
) -> NDArray[np.float32]:
    """Points (rows, columns, 4) of each stride-th pixel of each stride-th row of a depth map.

    `depth` (H, W) is z in metres, `camera` its lens, `image` RGB of any size. A point is x, y, z in metres in the
    optical frame and its colour, 0x00RRGGBB in the bits of the float, as PCL and RViz want it. x, y and z are NaN
    where z is unknown or out of `range_m`.
    """
    z = depth[::stride, ::stride]
    rows, columns = z.shape
    points = np.empty((rows, columns, 4), np.float32)
    seen = (z >= range_m[0]) & (z <= range_m[1])  # false for NaN as well
    points[..., 2] = np.where(seen, z, np.float32(np.nan))
    np.multiply(rays(camera, stride), points[..., 2:3], out=points[..., :2])
    size = (depth.shape[1], depth.shape[0])
    if image.shape[1::-1] != size:
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    red, green, blue = np.moveaxis(image[::stride, ::stride].astype(np.uint32), -1, 0)
    points.view(np.uint32)[..., 3] = red << 16 | green << 8 | blue
    return points
