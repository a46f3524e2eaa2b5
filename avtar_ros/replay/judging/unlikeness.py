"""Frames that look least like the rest of a recording.

A frame's look is its small image shrunk further to LOOK_SIZE, in RGB. Over all frames, per value j of the look, with
the median m_j and the spread s_j = 1.4826 · median |x_ij − m_j|, at least one grey level,

    unlikeness_i = sqrt(mean_j ((x_ij − m_j) / s_j)²)

which is about 1 for a frame like the others. Medians, so that odd frames do not hide one another.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

LOOK_SIZE = (6, 4)

Look = NDArray[np.uint8]


def look(image: NDArray[np.uint8]) -> Look:
    """The look (72,) of an RGB image (H, W, 3)."""
    return np.asarray(cv2.resize(image, LOOK_SIZE, interpolation=cv2.INTER_AREA), np.uint8).reshape(-1)


def unlikeness(looks: Sequence[Look]) -> NDArray[np.float32]:
    """How much each frame differs from the rest, (frames,)."""
    if not looks:
        return np.zeros(0, np.float32)
    values = np.stack(looks).astype(np.float32)
    deviation = values - np.median(values, axis=0)
    spread = np.maximum(1.4826 * np.median(np.abs(deviation), axis=0), 1)
    return np.asarray(np.sqrt(np.square(deviation / spread).mean(axis=1)), np.float32)
