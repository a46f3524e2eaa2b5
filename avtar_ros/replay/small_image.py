"""Images at the size at which they are looked at as a whole: motion, sharpness, and how odd a frame looks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH = 320


def small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image (H, W, 3) shrunk to WIDTH, or as it is where it is no wider."""
    height, width = image.shape[:2]
    if width <= WIDTH:
        return image
    size = (WIDTH, max(1, round(height * WIDTH / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
