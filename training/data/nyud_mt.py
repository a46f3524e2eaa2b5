"""NYUD-MT: the frames of NYU Depth v2 as a folder of files, with normals and edges (Maninis et al., CVPR 2019)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.geometry.surface_normals import normals_from_depth
from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION, Maps
from training.data.config import Split
from training.data.dataset import FrameDataset, Sample
from training.data.files import contents, read_image, read_map, require
from training.data.nyud import KINECT, class_table, matlab_array
from training.data.public_config import NyudConfig
from training.errors import TrainingError

FOLDERS = ("images", "segmentation", "depth", "normals", "edge", "gt_sets")
SPLITS: dict[Split, str] = {"train": "train", "validation": "val"}
SUFFIXES = (".npy", ".png", ".mat", ".jpg")
COMPARED = 8
"""How many frames tell which way the axes of the stored normals point."""
AGREEMENT = 0.5
"""Mean cosine between stored normals and those computed from depth that they must come to."""


class NyudMtDataset(FrameDataset):
    """Files of one name in `images/`, `segmentation/`, `depth/`, `normals/` and `edge/`; `gt_sets/*.txt` list them.

    There are two releases. One has segmentation and depth as .mat, with a variable of the folder's name, normals as
    .jpg (n = 2p / 255 − 1) and edges as .png (255 = edge); the other has .png and .npy of the values themselves.
    In both 0, or 255, is unlabelled, 1 to 40 are the classes, depth is in metres.

    Which way the axes of the normals point is published nowhere, so it is found by comparison with depth. Raises
    TrainingError where the two do not go together, or where the folder is another.
    """

    def __init__(self, config: NyudConfig, split: Split) -> None:
        super().__init__(config.own_classes, config.width, config.height)
        require(config.root, "NYUD-MT", FOLDERS)
        self._root = config.root
        listed = config.root / "gt_sets" / f"{SPLITS[split]}.txt"
        if not listed.is_file():
            raise TrainingError(f"{listed}: no such list of frames. {contents(listed.parent)}")
        self._names = listed.read_text().split()
        self._classes_of_stored = class_table(config.labels)
        self._signs = self._normal_signs()

    def __len__(self) -> int:
        return len(self._names)

    def frame(self, index: int) -> Sample:
        image = read_image(self._root / "images" / f"{self._names[index]}.jpg")
        maps: Maps = {
            SEGMENTATION.name: self._segmentation(index),
            DEPTH.name: self._depth(index),
            NORMALS.name: self._normals(index) * self._signs,
            EDGES.name: _probability(self._stored(index, "edge")),
        }
        return Sample(image, maps, _camera(*image.shape[:2]))

    def _segmentation(self, index: int) -> NDArray[np.uint8]:
        stored = self._stored(index, "segmentation").astype(np.intp)
        ids = np.where(stored == UNLABELLED, 0, stored)
        last = len(self._classes_of_stored) - 1
        unknown = ids[(ids < 0) | (ids > last)]
        if unknown.size:
            raise TrainingError(
                f"{self._path(index, 'segmentation')}: expected labels from 0 to {last}, or {UNLABELLED} where there "
                f"is none; found {', '.join(map(str, np.unique(unknown)[:5]))}. Unpack the data set again."
            )
        return self._classes_of_stored[ids]

    def _depth(self, index: int) -> NDArray[np.float32]:
        depth = self._stored(index, "depth").astype(np.float32)
        return np.where(depth > 0, depth, np.float32(np.nan))

    def _normals(self, index: int) -> NDArray[np.float32]:
        stored = self._stored(index, "normals", channels=3)
        normals = stored.astype(np.float32)
        if stored.dtype == np.uint8:
            normals = normals / np.float32(127.5) - 1
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        return np.where(length > 0.5, normals / np.maximum(length, 0.5), np.float32(np.nan))

    def _stored(self, index: int, folder: str, channels: int = 1) -> NDArray[Any]:
        """A map as it is in its file, of whichever kind."""
        path = self._path(index, folder)
        return READERS[path.suffix](path, folder, channels)

    def _path(self, index: int, folder: str) -> Path:
        stem = self._root / folder / self._names[index]
        paths = [path for suffix in SUFFIXES if (path := stem.with_name(stem.name + suffix)).is_file()]
        if not paths:
            raise TrainingError(f"{stem}: expected a file with one of {', '.join(SUFFIXES)}. {contents(stem.parent)}")
        return paths[0]

    def _normal_signs(self) -> NDArray[np.float32]:
        """Factors ±1 that turn the stored axes into x right, y down, z forward."""
        agreement, pixels = np.zeros(3), 0
        for index in range(0, len(self), max(1, len(self) // COMPARED)):
            depth, stored = self._depth(index), self._normals(index)
            products = stored * normals_from_depth(depth, _camera(*depth.shape))
            known = np.isfinite(products).all(axis=-1)
            agreement += products[known].sum(axis=0, dtype=np.float64)
            pixels += int(np.count_nonzero(known))
        if np.abs(agreement).sum() < AGREEMENT * pixels:
            raise TrainingError(
                f"{self._root / 'normals'}: they do not fit depth/: the mean cosine with the normals of depth is "
                f"{np.abs(agreement).sum() / pixels:.2f} at best. Unpack the data set again."
            )
        return np.where(agreement < 0, -1, 1).astype(np.float32)


def _camera(height: int, width: int) -> Pinhole:
    """The Kinect's, for frames cut out of the middle."""
    full_width, full_height = 640, 480
    return KINECT.cropped((full_width - width) / 2, (full_height - height) / 2)


def _probability(edges: NDArray[Any]) -> NDArray[np.float32]:
    return edges.astype(np.float32) / np.float32(255 if edges.dtype == np.uint8 and edges.max(initial=0) > 1 else 1)


def _read_npy(path: Path, folder: str, channels: int) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: not a NumPy array, or a damaged one ({error}).") from error


def _read_picture(path: Path, folder: str, channels: int) -> NDArray[Any]:
    return read_map(path, np.uint8, channels)


READERS: dict[str, Callable[[Path, str, int], NDArray[Any]]] = {
    ".npy": _read_npy,
    ".png": _read_picture,
    ".jpg": _read_picture,
    ".mat": lambda path, folder, channels: matlab_array(path, folder),
}
