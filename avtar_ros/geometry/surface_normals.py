"""Surface normals from a depth map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avtar_ros.geometry.pinhole import Pinhole

Map = NDArray[np.float32]

NOISE = 0.02
"""Share of the depth by which two readings of one surface may differ anyway."""
STRIP = 64
"""Rows worked on at a time: so few stay in the processor's cache."""
LEAST_DETERMINANT = 1 / 6
"""Half of what three pixels in a corner give; pixels in a line give 0."""


@dataclass(frozen=True)
class Window:
    """Which pixels around one are taken for its surface: up to `reach` away, each `step`-th, that differ in depth by
    no more than NOISE and `steepest`, shares of the depth, the latter for each pixel between."""

    reach: int = 2
    step: int = 1
    steepest: float = 0.03


def normals_from_depth(depth: Map, camera: Pinhole, window: Window = Window()) -> Map:
    """Unit normals (H, W, 3) facing the camera of a depth map (H, W) in metres; NaN where too little is known.

    On a plane the inverse depth is linear in the image: with n the normal, r = (x, y, 1) the ray through a pixel
    and n·P = −d for the plane's points P = z r, 1/z = −n·r / d. So −n is, up to length,
    (∂w/∂x, ∂w/∂y, w − x ∂w/∂x − y ∂w/∂y) with w = 1/z. The derivatives are of a line fitted by least squares to
    the pixels of the window that continue the surface; noise of stereo and structured light is even in w.

    This is exact on planes up to their borders. Derivatives by convolution, as kornia has them, would mix what
    lies before and behind a border, and lose all pixels around each unknown one.
    """
    height, width = depth.shape
    known = (depth > 0) & np.isfinite(depth)
    inverse = np.where(known, 1 / np.where(known, depth, 1), np.nan).astype(np.float32)
    padded = np.pad(inverse, window.reach, constant_values=np.nan)
    rays = camera.rays(width, height)
    normals = np.empty((height, width, 3), np.float32)
    for top in range(0, height, STRIP):
        strip = slice(top, min(top + STRIP, height))
        slope_u, slope_v, middle = _Fit(padded[top : strip.stop + 2 * window.reach], window).solve()
        slope_x, slope_y = slope_u * np.float32(camera.fx), slope_v * np.float32(camera.fy)
        middle -= rays[strip, :, 0] * slope_x + rays[strip, :, 1] * slope_y
        scale = -1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + middle * middle)
        for axis, component in enumerate((slope_x, slope_y, middle)):
            np.multiply(component, scale, out=normals[strip, :, axis])
    return normals


class _Fit:
    """Sums over each pixel's window, for the plane w₀ + g_u u + g_v v through the inverse depths around it.

    `padded` has the inverse depths with a border as wide as the window reaches.
    """

    def __init__(self, padded: Map, window: Window) -> None:
        reach = window.reach
        self.inverse = padded[reach:-reach, reach:-reach]
        self.n, self.u, self.v, self.uu, self.uv, self.vv, self.d, self.du, self.dv = (
            np.zeros(self.inverse.shape, np.float32) for _ in range(9)
        )
        for v in range(-reach, reach + 1, window.step):
            self._add_row(padded, v, window)

    def _add_row(self, padded: Map, v: int, window: Window) -> None:
        """Add the pixels that lie v rows below."""
        height, width = self.inverse.shape
        weight, weight_u, weight_uu, d, du = (np.zeros((height, width), np.float32) for _ in range(5))
        for u in range(-window.reach, window.reach + 1, window.step):
            neighbour = padded[window.reach + v :, window.reach + u :][:height, :width]
            share = NOISE + window.steepest * max(abs(u), abs(v))
            difference = neighbour - self.inverse
            same = (np.abs(difference) <= np.float32(share) * self.inverse).astype(np.float32)  # false for NaN
            difference = np.where(same, difference, np.float32(0))
            weight += same
            d += difference
            if u:
                weight_u += np.float32(u) * same
                weight_uu += np.float32(u * u) * same
                du += np.float32(u) * difference
        for total, factor, row in (
            (self.n, 1, weight), (self.u, 1, weight_u), (self.uu, 1, weight_uu), (self.d, 1, d), (self.du, 1, du),
            (self.v, v, weight), (self.uv, v, weight_u), (self.vv, v * v, weight), (self.dv, v, d),
        ):
            if factor:
                total += np.float32(factor) * row

    def solve(self) -> tuple[Map, Map, Map]:
        """Slopes along u and v per pixel, and w in the window's middle; NaN where the fit is not certain."""
        n: Map = np.maximum(self.n, 1)  # 0 where even the pixel itself is unknown
        mean_u, mean_v = self.u / n, self.v / n
        uu, uv, vv = self.uu - self.u * mean_u, self.uv - self.u * mean_v, self.vv - self.v * mean_v
        du, dv = self.du - mean_u * self.d, self.dv - mean_v * self.d
        determinant: Map = uu * vv - uv * uv
        determinant = np.where(determinant >= LEAST_DETERMINANT, determinant, np.float32(np.nan))
        slope_u, slope_v = (vv * du - uv * dv) / determinant, (uu * dv - uv * du) / determinant
        return slope_u, slope_v, self.inverse + self.d / n - slope_u * mean_u - slope_v * mean_v
