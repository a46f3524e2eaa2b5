"""COCO's annotation files: instances and stuff (polygons and run lengths), and panoptic segmentation."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from transformers.image_transforms import rgb_to_id

from avtar_ros.documents import NO_JSON, OTHER_FIELDS
from avtar_ros.meaning import UNLABELLED
from training.data.classes import Classes, numbered
from training.data.files import read_stored
from training.errors import TrainingError

Ids = dict[str, int]
"""What the classes' names become."""


@dataclass(frozen=True)
class CocoFile:
    """One annotation file."""

    path: Path
    names: dict[int, str]
    """Of the categories, by their ids."""
    images: dict[int, dict[str, Any]]
    annotations: dict[int, list[dict[str, Any]]]
    """By image."""
    decoder: COCO | None
    """None of a panoptic file."""

    @property
    def panoptic(self) -> bool:
        return self.decoder is None

    def paint(self, image: int, ids: Ids, on: NDArray[np.uint8], masks: Path | None = None) -> None:
        """Paint the class ids of an image's annotations into `on` (H, W); small ones lie on large ones.

        Crowds are unlabelled: they hold what is between their members too. Raises TrainingError if an annotation
        cannot be decoded.
        """
        found = self.annotations.get(image, [])
        if self.panoptic:
            for annotation in found:
                self._paint_panoptic(annotation, ids, on, masks or self.path.with_suffix(""))
            return
        for annotation in sorted(found, key=lambda a: -float(a.get("area", 0))):
            covered = self._mask(annotation)
            if covered.shape != on.shape:
                raise TrainingError(
                    f"{self.path}: says that image {image} is {covered.shape[1]}x{covered.shape[0]}, but it is "
                    f"{on.shape[1]}x{on.shape[0]}."
                )
            new = UNLABELLED if annotation.get("iscrowd") else self._new_id(annotation, ids)
            on[covered] = new

    def _paint_panoptic(self, annotation: dict[str, Any], ids: Ids, on: NDArray[np.uint8], masks: Path) -> None:
        path = masks / str(annotation["file_name"])
        stored = read_stored(path)
        if stored.shape != (*on.shape, 3):
            raise TrainingError(f"{path}: is {stored.shape}, but its image {on.shape}; expected three channels.")
        numbers = np.asarray(rgb_to_id(stored))
        for segment in annotation["segments_info"]:
            new = UNLABELLED if segment.get("iscrowd") else self._new_id(segment, ids)
            on[numbers == int(segment["id"])] = new

    def _new_id(self, annotation: dict[str, Any], ids: Ids) -> int:
        category = annotation.get("category_id")
        if category not in self.names:
            which = annotation.get("id")
            raise TrainingError(f"{self.path}: annotation {which} is of category {category!r}, which it does not list.")
        return ids[self.names[category]]

    def _mask(self, annotation: dict[str, Any]) -> NDArray[np.bool_]:
        assert self.decoder is not None
        try:
            return np.asarray(self.decoder.annToMask(annotation), np.bool_)
        except Exception as error:  # the decoder ends in whatever a damaged annotation breaks first
            raise TrainingError(
                f"{self.path}: annotation {annotation.get('id')} cannot be decoded ({type(error).__name__}: {error})."
            ) from error


def read_coco(path: Path) -> CocoFile:
    """Read once for as long as the file stays the same. Raises TrainingError if it is none."""
    if not path.is_file():
        raise TrainingError(f"{path}: no such file of annotations.")
    return _read(path, path.stat().st_mtime_ns)


def coco_classes(files: Sequence[CocoFile], also: Sequence[str] = (), any_number: bool = False) -> Classes:
    """The classes of all files, each once, in the order of their ids, then those in `also`.

    Raises TrainingError if they are more than a model can have, unless `any_number` will do.
    """
    names = dict.fromkeys(name for file in files for _, name in sorted(file.names.items()))
    names |= dict.fromkeys(also)
    if len(names) > UNLABELLED and not any_number:
        raise TrainingError(
            f"{files[0].path}: has {len(names)} categories, and a model at most {UNLABELLED} classes. Choose among "
            "them, or bring them together, by `classes: {theirs: ours}`."
        )
    return numbered(names)


@lru_cache(maxsize=8)
def _read(path: Path, _changed_ns: int) -> CocoFile:
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
    except NO_JSON as error:
        raise TrainingError(f"{path}: not JSON, or a damaged file ({error}).") from error
    if not isinstance(raw, dict) or (missing := {"images", "annotations", "categories"} - raw.keys()):
        what = f"; missing {', '.join(sorted(missing))}" if isinstance(raw, dict) else ""
        raise TrainingError(f"{path}: expected COCO's images, annotations and categories{what}.")
    try:
        names = {int(category["id"]): str(category["name"]) for category in raw["categories"]}
        images = {int(image["id"]): dict(image) for image in raw["images"]}
        annotations: dict[int, list[dict[str, Any]]] = {number: [] for number in images}
        for annotation in raw["annotations"]:
            annotations.setdefault(int(annotation["image_id"]), []).append(annotation)
        panoptic = any("segments_info" in annotation for annotation in raw["annotations"])
        segmented = panoptic or any(annotation.get("segmentation") for annotation in raw["annotations"])
        decoder = None if panoptic else _decoder(raw)
    except OTHER_FIELDS as error:
        raise TrainingError(f"{path}: not as COCO's files are ({type(error).__name__}: {error}).") from error
    if not segmented:
        raise TrainingError(f"{path}: has boxes or key points alone; expected instances, stuff or panoptic segments.")
    return CocoFile(path, names, images, annotations, decoder)


def _decoder(raw: dict[str, Any]) -> COCO:
    decoder = COCO()
    decoder.dataset = raw
    with contextlib.redirect_stdout(io.StringIO()):  # it prints how far it got
        decoder.createIndex()
    return decoder
