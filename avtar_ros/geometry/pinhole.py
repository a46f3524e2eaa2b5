"""The camera that an image was taken with."""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, tan

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pinhole:
    """A camera without distortion, in pixels; the centre of the first pixel is (0, 0)."""

    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def centred(cls, width: int, height: int, focal_px: float) -> Pinhole:
        """Square pixels, the optical axis through the middle of the image."""
        return cls(focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)

    @classmethod
    def of_view(cls, width: int, height: int, degrees: float) -> Pinhole:
        """The same from the horizontal field of view."""
        return cls.centred(width, height, width / 2 / tan(radians(degrees) / 2))

    def cropped(self, left: float, top: float) -> Pinhole:
        """The camera of the image without its first columns and rows."""
        return Pinhole(self.fx, self.fy, self.cx - left, self.cy - top)

    def scaled(self, x: float, y: float) -> Pinhole:
        """The camera of the image with x times as many columns and y times as many rows."""
        return Pinhole(self.fx * x, self.fy * y, (self.cx + 0.5) * x - 0.5, (self.cy + 0.5) * y - 0.5)

    def rays(self, width: int, height: int) -> NDArray[np.float32]:
        """What each pixel sees at depth 1, (H, W, 3): points are depth times these."""
        x = ((np.arange(width) - self.cx) / self.fx).astype(np.float32)
        y = ((np.arange(height) - self.cy) / self.fy).astype(np.float32)
        return np.stack([*np.meshgrid(x, y), np.ones((height, width), np.float32)], axis=-1)
