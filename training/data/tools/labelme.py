"""LabelMe: a JSON file beside each picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from avtar_ros.documents import OTHER_FIELDS
from training.data.tools.drawing import (
    Drawing,
    Export,
    Shape,
    bitmap,
    circle,
    decoded_mask,
    of_base64,
    polygon,
    rectangle,
)
from training.data.tools.reading import read_json, require_files
from training.errors import TrainingError

NO_LABEL = ("__ignore__", "_background_")
"""What its own tools leave unlabelled."""
WITHOUT_AREA = ("line", "linestrip", "point", "points")


def read_labelme(root: Path) -> Export:
    """All JSON files below a folder that name a picture. Raises TrainingError if one is damaged."""
    left_out: Counter[str] = Counter()
    drawings = [_read(path, left_out) for path in require_files(root, "*.json", "LabelMe's files NAME.json")]
    names = sorted({shape.name for drawing in drawings for shape in drawing.shapes} - set(NO_LABEL))
    lost = tuple(f"{count} shapes of type {what}, without area" for what, count in left_out.items())
    return Export(tuple(drawings), tuple(names), lost)


def _read(path: Path, left_out: Counter[str]) -> Drawing:
    raw = read_json(path)
    try:
        shapes = []
        for entry in raw["shapes"]:
            kind = entry.get("shape_type") or "polygon"
            if kind in WITHOUT_AREA:
                left_out[kind] += 1
            else:
                shapes.append(_shape(kind, entry))
        return Drawing(path, path.parent / str(raw["imagePath"]).replace("\\", "/"), tuple(shapes))
    except OTHER_FIELDS as error:
        raise TrainingError(f"{path}: not as LabelMe writes it ({type(error).__name__}: {error}).") from error


def _shape(kind: str, entry: dict[str, Any]) -> Shape:
    name, points = str(entry["label"]), entry["points"]
    if kind == "polygon":
        return polygon(name, points)
    if kind == "rectangle":
        return rectangle(name, points)
    if kind == "circle":
        return circle(name, *points)
    if kind == "mask":
        (left, top), _ = points
        return bitmap(name, decoded_mask(of_base64(entry["mask"])), round(left), round(top))
    raise ValueError(f"a shape of the unknown type {kind!r}")
