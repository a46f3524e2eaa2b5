"""Surface normals from a depth map."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]

REACH = 2
"""Pixels on either side that are taken for the same surface."""
CONTINUOUS = 0.15
"""By what share of the depth the pixels around one may differ; more is a border between surfaces."""


def normals_of_depth(depth: Map, focal_px: float) -> Map:
    """Unit normals (H, W, 3) in the optical frame, facing the camera, of depth (H, W) in metres; NaN where unknown.

    On a plane the inverse depth w = 1/z is linear in the image, so that with x, y in pixels from the middle of the
    image n = -(f ∂w/∂x, f ∂w/∂y, w - x ∂w/∂x - y ∂w/∂y), up to length. The slopes are those of a line fitted by
    least squares to the (2 REACH + 1)² pixels around. A pixel is known where all of these are, and belong together.
    """
    known = np.isfinite(depth) & (depth > 0)
    safe = np.where(known, depth, 1).astype(np.float32)
    window = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    where_known = np.where(known, safe, 0).astype(np.float32)
    nearest = cv2.erode(where_known, window, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    farthest = cv2.dilate(safe, window)
    known = (nearest > 0) & (farthest - nearest <= CONTINUOUS * safe)

    inverse = (1 / safe).astype(np.float32)
    along = np.arange(-REACH, REACH + 1, dtype=np.float32)
    even = np.ones_like(along)
    weight = float(np.square(along).sum() * even.sum())
    slope_x = cv2.sepFilter2D(inverse, cv2.CV_32F, along / weight, even)
    slope_y = cv2.sepFilter2D(inverse, cv2.CV_32F, even, along / weight)
    middle = cv2.blur(inverse, window.shape)
    height, width = depth.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x - (width - 1) / 2, y - (height - 1) / 2
    towards = np.dstack([focal_px * slope_x, focal_px * slope_y, middle - x * slope_x - y * slope_y])
    length = np.sqrt(np.einsum("...i,...i", towards, towards))[..., None]
    return np.where(known[..., None], -towards / np.maximum(length, 1e-12), np.nan).astype(np.float32)
