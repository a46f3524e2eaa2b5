"""Depth: float32 metres along the optical axis, NaN where unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.meaning import DepthRange, Meaning
from avtar_ros.rendering import Image
from avtar_ros.tasks.depth_metrics import DepthMetric, DisparityAlignedMetric, MedianScaledMetric
from avtar_ros.tasks.metric import Figure, TaskMap
from avtar_ros.tasks.task import Difference, Stability, Storage, Task
from avtar_ros.tasks.words import Words

SIGNIFICANT_BITS = 10
SHOWN = (2, 98)
"""Percentiles of depth between which colours are spread where they are to fit what is shown."""


def color_depth(depth: NDArray[np.float32], meaning: Meaning) -> Image:
    """Depth (H, W) in metres to Turbo, near = red; logarithmic over the range of the model; unknown = black."""
    assert meaning.depth is not None
    low, high = np.log(meaning.depth.min_m), np.log(meaning.depth.max_m)
    known = depth > 0  # false for NaN as well
    nearness = (high - cv2.log(np.where(known, depth, np.float32(1)))) * np.float32(255 / (high - low))
    levels = np.clip(nearness, 0, 255).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    return cv2.bitwise_and(colors, colors, mask=known.view(np.uint8)).astype(np.uint8, copy=False)


def shown_range(depths: Sequence[TaskMap], otherwise: DepthRange) -> DepthRange:
    """What to spread colours over to fit these maps: their SHOWN percentiles, or `otherwise` where all is unknown."""
    known = np.concatenate([np.ravel(depth[np.isfinite(depth) & (depth > 0)]) for depth in depths] or [np.empty(0)])
    if not known.size:
        return otherwise
    near, far = (float(value) for value in np.percentile(known, SHOWN))
    return DepthRange(near, max(far, near * 1.1), otherwise.focal_px)


def _relative(reference: TaskMap, other: TaskMap) -> NDArray[np.float64]:
    """Per cent of the reference."""
    expected = reference.astype(np.float64)
    return np.asarray(100 * np.abs(other - expected) / expected)


def _jitter(now: TaskMap, before: TaskMap) -> NDArray[np.float64]:
    """|ln d_t − ln d_{t−1}|."""
    known = np.isfinite(now) & np.isfinite(before) & (now > 0) & (before > 0)
    difference = np.log(now[known], dtype=np.float64) - np.log(before[known], dtype=np.float64)
    return np.asarray(np.abs(difference))


def _millimetres(depth: TaskMap) -> NDArray[Any]:
    rounded = np.round(depth * 1000)
    return np.where((rounded > 0) & (rounded < 65535), rounded, 0).astype(np.uint16)


def _ten_bits(millimetres: NDArray[Any]) -> NDArray[Any]:
    """To SIGNIFICANT_BITS, an error of at most 1 in 1024: single millimetres of a prediction are noise."""
    _, exponent = np.frexp(millimetres.astype(np.float32))
    step = np.left_shift(1, np.maximum(exponent - SIGNIFICANT_BITS, 0))
    return np.asarray(np.minimum((millimetres + step // 2) // step * step, 65534), np.uint16)


def _metres(stored: NDArray[Any]) -> TaskMap:
    metres = stored / np.float32(1000) if stored.dtype == np.uint16 else stored
    known = (stored > 0) & (stored != 65535)
    return np.where(known, metres, np.float32(np.nan)).astype(np.float32)


PERCENTILES = {"p2_m": 2, "median_m": 50, "p98_m": 98}


def _figures(depth: TaskMap, meaning: Meaning) -> Mapping[str, float | None]:
    """Percentiles in metres, of what is known."""
    known = depth[np.isfinite(depth)]
    if not known.size:
        return dict.fromkeys(PERCENTILES)
    return {name: round(float(np.percentile(known, p)), 3) for name, p in PERCENTILES.items()}


def _sentence(figures: Mapping[str, Any]) -> str:
    near, median, far = (figures[name] for name in PERCENTILES)
    return "" if median is None else f"depth {near:.1f} to {far:.1f} m, half of it nearer than {median:.1f} m"


DEPTH = Task(
    name="depth",
    title="Depth",
    unit="m",
    dtype=np.float32,
    channels=0,
    encoding="32FC1",
    interpolation=cv2.INTER_LINEAR,
    colorize=color_depth,
    metrics=(DepthMetric, MedianScaledMetric, DisparityAlignedMetric),
    difference=Difference("mean relative difference", " %", {"fp16": 1.0, "fp32": 0.1}, _relative),
    stability=Stability("depth.jitter", Figure(
        "Jitter where nothing moves, relative", "", False, 0.001,
        "how much distances change from frame to frame where nothing moves, as a share",
    ), _jitter),
    storage=Storage(np.uint16, _millimetres, _metres, rounded=_ten_bits),
    words=Words(_figures, _sentence, lambda metres, meaning: f"{metres:.2f} m"),
)
