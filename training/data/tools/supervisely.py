"""Supervisely: a project with meta.json, and in each data set img/NAME with ann/NAME.json."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path
from typing import Any

from avtar_ros.documents import OTHER_FIELDS
from training.data.files import require
from training.data.tools.drawing import Drawing, Export, Shape, bitmap, decoded_mask, of_base64, polygon, rectangle
from training.data.tools.reading import read_json, require_files
from training.errors import TrainingError

WITHOUT_AREA = ("point", "line", "polyline", "graph", "cuboid", "any")


def read_supervisely(root: Path) -> Export:
    """Raises TrainingError if the folder is no project, or a file of it is damaged."""
    require(root, "a project of Supervisely", ["meta.json"])
    try:
        names = tuple(str(entry["title"]) for entry in read_json(root / "meta.json")["classes"])
    except OTHER_FIELDS as error:
        raise TrainingError(f"{root / 'meta.json'}: expected classes, each with a title ({error}).") from error
    left_out: Counter[str] = Counter()
    files = require_files(root, "ann/*.json", "Supervisely's files DATA SET/ann/NAME.json")
    drawings = tuple(_read(path, left_out) for path in files)
    return Export(drawings, names, tuple(f"{n} shapes of type {what}, without area" for what, n in left_out.items()))


def _read(path: Path, left_out: Counter[str]) -> Drawing:
    raw = read_json(path)
    try:
        shapes = []
        for entry in raw["objects"]:
            kind = str(entry["geometryType"])
            if kind in WITHOUT_AREA:
                left_out[kind] += 1
            else:
                shapes.append(_shape(kind, entry))
    except (*OTHER_FIELDS, zlib.error) as error:
        raise TrainingError(f"{path}: not as Supervisely writes it ({type(error).__name__}: {error}).") from error
    return Drawing(path, path.parent.parent / "img" / path.name.removesuffix(".json"), tuple(shapes))


def _shape(kind: str, entry: dict[str, Any]) -> Shape:
    name = str(entry["classTitle"])
    if kind == "bitmap":
        left, top = entry["bitmap"]["origin"]
        return bitmap(name, decoded_mask(zlib.decompress(of_base64(entry["bitmap"]["data"]))), int(left), int(top))
    exterior, interior = entry["points"]["exterior"], entry["points"].get("interior", [])
    if kind == "polygon":
        return polygon(name, exterior, interior)
    if kind == "rectangle":
        return rectangle(name, exterior)
    raise ValueError(f"a shape of the unknown type {kind!r}")
