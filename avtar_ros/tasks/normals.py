"""Surface normals: float32 unit vectors in the optical frame (x right, y down, z forward), facing the camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.geometry.surface_normals import Window, normals_from_depth
from avtar_ros.meaning import Meaning
from avtar_ros.rendering import Image
from avtar_ros.tasks.metric import Figure, Maps, Sums, TaskMap, TaskMetric
from avtar_ros.tasks.task import Difference, Stability, Storage, Task
from avtar_ros.tasks.words import Words, share

MEDIAN_STEP_DEG = 0.01
VECTORS = 8192
TRUE_SURFACE = Window(reach=4, step=4)
"""Wide enough to even out some of a depth camera's noise."""


def color_normals(normals: NDArray[np.float32], meaning: Meaning) -> Image:
    """Normals (H, W, 3) to the customary colours: red = left, green = up, blue = towards the camera."""
    levels: Image = np.nan_to_num(127.5 - 127.5 * normals, nan=0.0).clip(0, 255).astype(np.uint8)
    return levels


class NormalsMetric(TaskMetric):
    """Angle atan2(‖p × g‖, p·g) between vectors, in degrees; zero and NaN vectors are unknown.

    The median comes from a histogram and is exact to `MEDIAN_STEP_DEG`.
    """

    name = "normals"
    FIGURES: ClassVar = {
        "normals.mean_deg": Figure(
            "Mean angle", "°", False, 0.2, "angle between predicted and true direction of the surface"
        ),
        "normals.median_deg": Figure("Median angle", "°", False, 0.2, "half of the pixels have a smaller angle"),
        "normals.within_11_25": Figure("Within 11.25°", "", True, 0.005, "share of pixels whose angle is below 11.25°"),
        "normals.within_22_5": Figure("Within 22.5°", "", True, 0.005, "share of pixels whose angle is below 22.5°"),
        "normals.within_30": Figure("Within 30°", "", True, 0.005, "share of pixels whose angle is below 30°"),
    }
    LIMITS = (11.25, 22.5, 30.0)
    BINS = round(180 / MEDIAN_STEP_DEG)
    brief = 2 + len(LIMITS)
    size = brief + BINS

    def measure(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        angle = angles_deg(prediction, truth)
        bins = np.minimum((angle / MEDIAN_STEP_DEG).astype(np.intp), self.BINS - 1)
        within = [np.count_nonzero(angle < limit) for limit in self.LIMITS]
        counts = np.bincount(bins, minlength=self.BINS)
        return np.concatenate([[angle.size, angle.sum(dtype=np.float64)], within, counts])

    def figures(self, sums: Sums) -> dict[str, float]:
        if not sums[0]:
            return {}
        mean, *within = (sums[1 : self.brief] / sums[0]).tolist()
        found = {"normals.mean_deg": mean}
        if sums.size > self.brief:
            middle = np.searchsorted(sums[self.brief :].cumsum(), sums[0] / 2)
            found["normals.median_deg"] = (float(middle) + 0.5) * MEDIAN_STEP_DEG
        names = ("normals.within_11_25", "normals.within_22_5", "normals.within_30")
        return {**found, **dict(zip(names, within, strict=True))}


def angles_deg(a: TaskMap, b: TaskMap) -> TaskMap:
    """The angles (n,) in degrees between vectors (..., 3), where both are known: finite and not zero."""
    a, b = a.reshape(-1, 3), b.reshape(-1, 3)
    # Few at a time stay in the processor's cache.
    pieces = [_angles_deg(a[i : i + VECTORS], b[i : i + VECTORS]) for i in range(0, len(a), VECTORS)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _angles_deg(a: TaskMap, b: TaskMap) -> TaskMap:
    # By component, for NumPy takes many times as long over many short vectors.
    p, g = (np.ascontiguousarray(vectors.T) for vectors in (a, b))
    squares = [_dot(vectors, vectors) for vectors in (p, g)]
    known = np.logical_and.reduce([np.isfinite(square) & (square > 0) for square in squares])
    if not known.all():  # most often all are, and picking takes time
        p, g = p[:, known], g[:, known]
    cross = [p[i - 2] * g[i - 1] - p[i - 1] * g[i - 2] for i in range(3)]
    angles: TaskMap = np.degrees(np.arctan2(np.sqrt(_dot(cross, cross)), _dot(p, g)))
    return angles


def _dot(a: Sequence[TaskMap] | TaskMap, b: Sequence[TaskMap] | TaskMap) -> TaskMap:
    """The products (n,) of vectors given as (3, n)."""
    product: TaskMap = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def _degrees_between(reference: TaskMap, other: TaskMap) -> NDArray[np.float64]:
    """Angle between unit vectors, from the chord: near zero the arc cosine of their product has no digits left."""
    chord = np.linalg.norm(other.astype(np.float64) - reference, axis=-1)
    return np.asarray(np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1))))


def _jitter(now: TaskMap, before: TaskMap) -> NDArray[np.float64]:
    """The angle between n_t and n_{t−1} in degrees."""
    return angles_deg(now, before).astype(np.float64)


def _of_true_depth(truth: Maps, camera: Pinhole) -> TaskMap | None:
    """The normals of the surface that true depth shows."""
    return normals_from_depth(truth["depth"], camera, TRUE_SURFACE) if "depth" in truth else None


def _levels(normals: TaskMap) -> NDArray[Any]:
    known = np.isfinite(normals).all(axis=-1, keepdims=True) & normals.any(axis=-1, keepdims=True)
    return np.where(known, np.round(127.5 * (normals + 1)), 0).clip(0, 255).astype(np.uint8)


def _vectors(stored: NDArray[Any]) -> TaskMap:
    normals = stored / np.float32(127.5) - 1 if stored.dtype == np.uint8 else stored
    known = stored.any(axis=-1, keepdims=True)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.where(known, normals / np.where(known, length, 1), np.float32(np.nan)).astype(np.float32)


def _figures(normals: TaskMap, meaning: Meaning) -> Mapping[str, float | None]:
    """Shares of what faces up, down and sideways, for a camera that is held upright."""
    up = -normals[..., 1]
    return {"upward": share(up > 0.8), "downward": share(up < -0.8), "sideways": share(np.abs(up) < 0.3)}


def _at(normal: Any, meaning: Meaning) -> str:
    return ", ".join(f"{component:+.2f}" for component in normal)


NORMALS = Task(
    name="normals",
    title="Surface normals",
    unit="unit vector",
    dtype=np.float32,
    channels=3,
    encoding="32FC3",
    interpolation=cv2.INTER_LINEAR,
    colorize=color_normals,
    metrics=(NormalsMetric,),
    difference=Difference("mean angle", "°", {"fp16": 1.0, "fp32": 0.1}, _degrees_between),
    stability=Stability("normals.jitter_deg", Figure(
        "Jitter where nothing moves", "°", False, 0.1,
        "how much directions change from frame to frame where nothing moves",
    ), _jitter),
    storage=Storage(np.uint8, _levels, _vectors, channels=3),
    words=Words(_figures, at=_at),
    derived_truth=_of_true_depth,
    unit_vectors=True,
)
