"""What the maps of an image say, in a few figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from avtar_ros.meaning import UNLABELLED
from avtar_ros.predict.predicted_maps import PredictedMaps
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION

LEAST_SHARE = 0.001
"""Of the pixels, below which a class is not worth mentioning."""
PERCENTILES = {"p2_m": 2, "median_m": 50, "p98_m": 98}
NAMED = 4
"""How many classes a line of text names."""


def summary(maps: PredictedMaps) -> dict[str, Any]:
    """Figures of one image, for a JSON file: shares are of its pixels."""
    height, width = maps.image.shape[:2]
    known = {SEGMENTATION.name: _segmentation, DEPTH.name: _depth, NORMALS.name: _normals, EDGES.name: _edges}
    return {
        "width": width,
        "height": height,
        "focal_px": round(maps.focal_px, 2),
        "focal_from": maps.lens.origin,
        **{task: known[task](maps) for task in maps},
    }


def sentence(figures: Mapping[str, Any]) -> str:
    """The same for people: what is seen, and how far away."""
    parts = []
    if shares := figures.get(SEGMENTATION.name):
        parts.append(", ".join(f"{name} {share:.0%}" for name, share in list(shares.items())[:NAMED]))
    if (depth := figures.get(DEPTH.name)) and depth["median_m"] is not None:
        near, median, far = (depth[key] for key in PERCENTILES)
        parts.append(f"depth {near:.1f} to {far:.1f} m, half of it nearer than {median:.1f} m")
    return "; ".join(parts)


def _segmentation(maps: PredictedMaps) -> dict[str, float]:
    """{class: share}, the largest first."""
    counts = np.bincount(maps.segmentation.ravel(), minlength=256)
    names = {**dict(enumerate(maps.classes)), UNLABELLED: "unlabelled"}
    shares = {names.get(i, str(i)): counts[i] / counts.sum() for i in np.argsort(-counts, kind="stable").tolist()}
    return {name: round(float(share), 4) for name, share in shares.items() if share >= LEAST_SHARE}


def _depth(maps: PredictedMaps) -> dict[str, float | None]:
    known = maps.depth[np.isfinite(maps.depth)]
    if not known.size:
        return dict.fromkeys(PERCENTILES)
    return {name: round(float(np.percentile(known, p)), 3) for name, p in PERCENTILES.items()}


def _normals(maps: PredictedMaps) -> dict[str, float]:
    """Shares of what faces up and down as in an upright picture, and sideways or the camera."""
    up = -maps.normals[..., 1]
    return {
        "upward": round(float((up > 0.8).mean()), 4),
        "downward": round(float((up < -0.8).mean()), 4),
        "upright": round(float((np.abs(up) < 0.3).mean()), 4),
    }


def _edges(maps: PredictedMaps) -> dict[str, float]:
    return {"share": round(float((maps.edges > 0.5).mean()), 4)}
