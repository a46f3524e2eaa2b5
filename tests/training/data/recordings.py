"""A small recording of a robot's camera: RGB, aligned depth and CameraInfo of a slanted plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avtar_ros.bags.ground_truth import GroundTruthWriter
from avtar_ros.bags.writing import BagWriter
from tests import tiny_bags

WIDTH, HEIGHT = 64, 48
K = np.array([[60.0, 0, 30], [0, 58, 25], [0, 0, 1]])
NORMAL = np.array([0.3, -0.5, -1]) / np.linalg.norm([0.3, -0.5, -1])


def rays(width: int, height: int, k: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([(x - k[0, 2]) / k[0, 0], (y - k[1, 2]) / k[1, 1], np.ones(x.shape)], axis=-1)


def plane() -> np.ndarray:
    """A slanted plane two metres away, the left border unknown."""
    depth = (-2 / (rays(WIDTH, HEIGHT, K) @ NORMAL)).astype(np.float32)
    depth[:, :3] = np.nan
    return depth


def write_bag(path: Path, frames: int = 8) -> Path:
    """RGB with aligned depth and CameraInfo; each frame is a little brighter."""
    with BagWriter(path) as bag:
        writer = GroundTruthWriter(bag, K, jpeg_quality=98)
        for i, stamp in enumerate(tiny_bags.stamps(frames)):
            image = np.full((HEIGHT, WIDTH, 3), 60 + 10 * i, np.uint8)
            writer.write(stamp, image, {"depth": plane()})
    return path
