"""What the maps of an image say, in a few figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avtar_ros.predict.predicted_maps import PredictedMaps
from avtar_ros.tasks import TASKS


def summary(maps: PredictedMaps) -> dict[str, Any]:
    """Figures of one image, for a JSON file: {..., task: figures}; shares are of its pixels."""
    height, width = maps.image.shape[:2]
    return {
        "width": width,
        "height": height,
        "focal_px": round(maps.focal_px, 2),
        "focal_from": maps.lens.origin,
        **{task: dict(TASKS[task].words.figures(task_map, maps.card)) for task, task_map in maps.items()},
    }


def sentence(figures: Mapping[str, Any]) -> str:
    """The same for people: what is seen, and how far away."""
    said = (TASKS[task].words.sentence(figures[task]) for task in TASKS if task in figures)
    return "; ".join(part for part in said if part)
