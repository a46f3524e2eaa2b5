"""Cityscapes: street scenes with class labels and stereo disparity (Cordts et al., CVPR 2016)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avtar_ros.documents import OTHER_FIELDS
from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.imaging.pictures import is_hidden
from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import DEPTH, SEGMENTATION
from training.data.classes import CITYSCAPES_19, CITYSCAPES_IDS, Classes
from training.data.config import Split
from training.data.dataset import FrameDataset, Sample
from training.data.derived import with_normals_and_edges
from training.data.files import contents, read_image, read_map, require
from training.data.public_config import CityscapesConfig
from training.errors import TrainingError

FOLDERS = ("leftImg8bit", "gtFine", "disparity", "camera")
SPLITS: dict[Split, str] = {"train": "train", "validation": "val"}
SUFFIX = "_leftImg8bit.png"


class CityscapesDataset(FrameDataset):
    """Files `leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png` and alike in gtFine, disparity and camera.

    Stereo gives depth = baseline · fx / disparity, disparity = (p − 1) / 256 of the stored p, 0 unknown. Normals are
    computed from depth, edges are the borders of classes. Raises TrainingError if the folder is another.
    """

    def __init__(self, config: CityscapesConfig, split: Split) -> None:
        super().__init__(config.own_classes, config.width, config.height)
        require(config.root, "Cityscapes", FOLDERS)
        self._root, self._split, self._max_depth = config.root, SPLITS[split], config.max_depth_m
        images = config.root / "leftImg8bit" / self._split
        paths = (path for path in images.glob(f"*/*{SUFFIX}") if not is_hidden(path))
        self._names = sorted(path.relative_to(images).as_posix() for path in paths)
        if not self._names:
            raise TrainingError(f"{images}: expected CITY/*{SUFFIX}. {contents(images)}")
        self._class_of_id = id_table(CITYSCAPES_IDS, config.own_classes)

    def __len__(self) -> int:
        return len(self._names)

    def frame(self, index: int) -> Sample:
        camera, baseline = self._camera(self._path(index, "camera", "_camera.json"))
        disparity = (read_map(self._path(index, "disparity", "_disparity.png"), np.uint16) - np.float32(1)) / 256
        depth = np.where(disparity > 0, baseline * camera.fx / np.maximum(disparity, 1e-6), np.nan)
        ids = read_map(self._path(index, "gtFine", "_gtFine_labelIds.png"), np.uint8)
        maps = {
            SEGMENTATION.name: self._class_of_id[ids],
            DEPTH.name: np.where(depth <= self._max_depth, depth, np.nan).astype(np.float32),
        }
        return Sample(read_image(self._path(index, "leftImg8bit", SUFFIX)), maps, camera)

    def completed(self, sample: Sample) -> Sample:
        return with_normals_and_edges(sample)

    def _path(self, index: int, folder: str, suffix: str) -> Path:
        return self._root / folder / self._split / (self._names[index].removesuffix(SUFFIX) + suffix)

    def _camera(self, path: Path) -> tuple[Pinhole, float]:
        """The camera and the metres between it and its twin."""
        try:
            raw = json.loads(path.read_text())
            inside = raw["intrinsic"]
            lens = Pinhole(*(float(inside[key]) for key in ("fx", "fy", "u0", "v0")))
            return lens, float(raw["extrinsic"]["baseline"])
        except FileNotFoundError:
            raise TrainingError(f"{path}: no such file. {contents(path.parent)}") from None
        except OTHER_FIELDS as error:
            wanted = "intrinsic fx, fy, u0, v0 and extrinsic baseline"
            raise TrainingError(f"{path}: expected {wanted} ({error}).") from error


def id_table(ids: Sequence[int], classes: Classes) -> NDArray[np.uint8]:
    """For each stored id, (256,), the class's position in `classes`; `ids` are those of the 19 classes, in order."""
    table = np.full(256, UNLABELLED, np.uint8)
    for stored, semantic_class in zip(ids, CITYSCAPES_19, strict=True):
        if semantic_class in classes:
            table[stored] = classes.index(semantic_class)
    return table
