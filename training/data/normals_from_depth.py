"""Surface normals from depth, for data sets that have depth alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.camera import Pinhole

Map = NDArray[np.float32]

NOISE = 0.02
"""Share of the depth by which two readings of one surface may differ anyway."""
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
    inverse = np.where(depth > 0, 1 / np.where(depth > 0, depth, 1), np.nan).astype(np.float32)
    fit = _Fit(inverse, window)
    slope_u, slope_v, middle = fit.solve()
    rays = camera.rays(width, height)
    slope_x, slope_y = slope_u * camera.fx, slope_v * camera.fy
    toward = np.stack([slope_x, slope_y, middle - rays[..., 0] * slope_x - rays[..., 1] * slope_y], axis=-1)
    length = np.sqrt(np.einsum("...i,...i", toward, toward))[..., None]
    return np.asarray(-toward / length, np.float32)


class _Fit:
    """Sums over each pixel's window, for the plane w₀ + g_u u + g_v v through the inverse depths around it."""

    def __init__(self, inverse: Map, window: Window) -> None:
        self.inverse, self.window = inverse, window
        reach = window.reach
        shape = inverse.shape
        self.n = np.ones(shape, np.float32)
        self.u, self.v, self.uu, self.uv, self.vv, self.d, self.du, self.dv = (
            np.zeros(shape, np.float32) for _ in range(8)
        )
        padded = np.pad(inverse, reach, constant_values=np.nan)
        offsets = range(-reach, reach + 1, window.step)
        for v in offsets:
            for u in offsets:
                if (u, v) != (0, 0):
                    self._add(u, v, padded[reach + v :, reach + u :][: shape[0], : shape[1]])

    def _add(self, u: int, v: int, neighbour: Map) -> None:
        difference = neighbour - self.inverse
        share = NOISE + self.window.steepest * max(abs(u), abs(v))
        same = np.abs(difference) <= share * self.inverse  # false for NaN
        difference[~same] = 0
        weight = same.astype(np.float32)
        self.n += weight
        self.d += difference
        for total, factor in ((self.u, u), (self.v, v), (self.uu, u * u), (self.uv, u * v), (self.vv, v * v)):
            if factor:
                total += factor * weight
        for total, factor in ((self.du, u), (self.dv, v)):
            if factor:
                total += factor * difference

    def solve(self) -> tuple[Map, Map, Map]:
        """Slopes along u and v per pixel, and w in the window's middle; NaN where the fit is not certain."""
        uu, uv, vv = (
            self.uu - self.u * self.u / self.n,
            self.uv - self.u * self.v / self.n,
            self.vv - self.v * self.v / self.n,
        )
        du, dv = self.du - self.u * self.d / self.n, self.dv - self.v * self.d / self.n
        determinant = uu * vv - uv * uv
        determinant = np.where(determinant >= LEAST_DETERMINANT, determinant, np.float32(np.nan))
        slope_u, slope_v = (vv * du - uv * dv) / determinant, (uu * dv - uv * du) / determinant
        return slope_u, slope_v, self.inverse + (self.d - slope_u * self.u - slope_v * self.v) / self.n
