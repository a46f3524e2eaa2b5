"""CVAT's "Segmentation mask 1.1": JPEGImages/, SegmentationClass/ in colours, and labelmap.txt that says which."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.data.class_files import StoredClasses
from training.data.classes import numbered
from training.data.files import read_stored, require
from training.data.tools.drawing import Drawing, Export, Mask, Shape
from training.data.tools.reading import require_files
from training.errors import TrainingError

IMAGES, MASKS, LABELS = "JPEGImages", "SegmentationClass", "labelmap.txt"
BACKGROUND = "background"
"""What nobody has labelled."""


def read_cvat(root: Path) -> Export:
    """Raises TrainingError if the folder is another."""
    require(root, "CVAT's Segmentation mask 1.1", [MASKS, LABELS])
    colours = _read_labels(root / LABELS)
    names = tuple(name for name in colours if name != BACKGROUND)
    stored = StoredClasses(
        tuple(type(c)(c.name, colours[c.name]) for c in numbered(names)),
        tuple(range(len(names))),
        ignored_colours=(colours[BACKGROUND],) if BACKGROUND in colours else (),
    )
    if not (root / IMAGES).is_dir():
        raise TrainingError(f"{root}: has no {IMAGES}: export again with `Save images`, or put the images there.")
    images = {path.stem: path for path in sorted((root / IMAGES).rglob("*")) if path.is_file()}
    drawings = []
    for path in require_files(root, f"{MASKS}/*.png", f"masks in {MASKS}/"):
        if path.stem not in images:
            raise TrainingError(f"{path}: {IMAGES} has no image of this name.")
        drawings.append(Drawing(path, images[path.stem], tuple(_shape(path, stored, i) for i in range(len(names)))))
    return Export(tuple(drawings), names)


def _shape(path: Path, stored: StoredClasses, place: int) -> Shape:
    def covers(height: int, width: int) -> Mask:
        picture = read_stored(path)
        if picture.ndim != 3 or picture.shape[:2] != (height, width):
            raise ValueError(f"expected a picture in colours of {width}x{height}, found one of shape {picture.shape}")
        return np.asarray(stored.of_colours(picture[..., :3]) == place)

    return Shape(stored.classes[place].name, covers)


def _read_labels(path: Path) -> dict[str, tuple[int, int, int]]:
    """name:red,green,blue:parts:actions, a line each."""
    found: dict[str, tuple[int, int, int]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise TrainingError(f"{path}: not text, or a damaged file ({error}).") from error
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, colour, *_ = line.split(":")
            red, green, blue = (int(level) for level in colour.split(","))
        except ValueError as error:
            raise TrainingError(f"{path}: expected NAME:RED,GREEN,BLUE:PARTS:ACTIONS, found {line!r}.") from error
        found[name.strip()] = (red, green, blue)
    return found
