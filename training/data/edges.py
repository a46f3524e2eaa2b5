"""Edge maps from other maps, for data sets that have none: one pixel thick, on the left or upper side of a border."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.meaning import UNLABELLED

Mask = NDArray[np.bool_]
Map = NDArray[np.float32]

JUMP = 0.06
"""Share of the depth by which neighbouring pixels differ across a border of things."""
CONTRAST = (60.0, 140.0)
"""Canny's thresholds on the gradient of 8-bit grey: weaker lines are texture or noise."""


def label_edges(ids: NDArray[np.uint8]) -> Map:
    """Borders between classes (H, W): 1 on a border, 0 elsewhere, NaN where unlabelled."""
    edges = _borders(ids[:, 1:] != ids[:, :-1], ids[1:] != ids[:-1], ids.shape).astype(np.float32)
    edges[ids == UNLABELLED] = np.nan
    return edges


def image_and_depth_edges(image: NDArray[np.uint8], depth: Map) -> Map:
    """Where depth jumps, or the image (H, W, 3) has a strong line: 1, elsewhere 0."""
    smooth = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    lines = cv2.Canny(smooth, *CONTRAST, L2gradient=True) > 0
    across, down = depth_jumps(depth[:, :-1], depth[:, 1:]), depth_jumps(depth[:-1], depth[1:])
    return (lines | _borders(across, down, depth.shape)).astype(np.float32)


def depth_jumps(depth: Map, neighbour: Map) -> Mask:
    """Where two depths are of different things; false where one is unknown."""
    jumps: Mask = np.abs(depth - neighbour) > JUMP * np.minimum(depth, neighbour)
    return jumps


def _borders(across: Mask, down: Mask, shape: tuple[int, ...]) -> Mask:
    borders = np.zeros(shape, np.bool_)
    borders[:, :-1] |= across
    borders[:-1] |= down
    return borders
