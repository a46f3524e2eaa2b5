"""NYU Depth v2 as its authors publish it: one .mat file of 1449 labelled frames (Silberman et al., ECCV 2012)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import DEPTH, SEGMENTATION
from training.data.classes import NYUD_13_OF_40, NYUD_40
from training.data.config import Split
from training.data.dataset import FrameDataset, Sample
from training.data.derived import with_normals_and_edges
from training.data.files import require
from training.data.public_config import NyudConfig
from training.errors import TrainingError

FRAMES, SPLITS, MAPPING = "nyu_depth_v2_labeled.mat", "splits.mat", "classMapping40.mat"
SPLIT_KEYS: dict[Split, str] = {"train": "trainNdxs", "validation": "testNdxs"}

WIDTH = 640
KINECT = Pinhole(518.858, 519.470, 325.582, 253.736)
"""The colour camera of all frames, from the authors' toolbox."""


class NyudDataset(FrameDataset):
    """`nyu_depth_v2_labeled.mat` with `splits.mat` (795 and 654 frames) and `classMapping40.mat` beside it.

    The first is HDF5 in MATLAB's order of axes: images (N, 3, W, H), depths in metres and labels (N, W, H), labels
    of 894 kinds, 0 unlabelled. `depths` has holes filled in; normals are computed from it, edges are the borders of
    classes. Raises TrainingError if the folder is another.
    """

    def __init__(self, config: NyudConfig, split: Split) -> None:
        super().__init__(config.own_classes, config.width, config.height)
        require(config.root, "NYU Depth v2", (FRAMES, SPLITS, MAPPING))
        self._file = _open_frames(config.root / FRAMES)
        self._indices = matlab_array(config.root / SPLITS, SPLIT_KEYS[split]).astype(np.intp).ravel() - 1
        count = len(self._file["images"])
        if self._indices.size and self._indices.max() >= count:
            raise TrainingError(
                f"{config.root}: {SPLITS} names frame {self._indices.max() + 1}, but {FRAMES} has {count}."
            )
        of_40 = matlab_array(config.root / MAPPING, "mapClass").astype(np.intp).ravel()
        self._class_of_label = np.append(UNLABELLED, class_table(config.labels)[of_40]).astype(np.uint8)

    def __len__(self) -> int:
        return len(self._indices)

    def frame(self, index: int) -> Sample:
        at = self._indices[index]
        image = np.ascontiguousarray(self._file["images"][at].transpose(2, 1, 0))
        depth = self._file["depths"][at].T.astype(np.float32)
        maps = {
            SEGMENTATION.name: self._class_of_label[self._file["labels"][at].T],
            DEPTH.name: np.where(depth > 0, depth, np.float32(np.nan)),
        }
        scale = image.shape[1] / WIDTH
        return Sample(image, maps, KINECT.scaled(scale, scale))

    def completed(self, sample: Sample) -> Sample:
        return with_normals_and_edges(sample)


def class_table(labels: int) -> NDArray[np.uint8]:
    """The class id for each of the stored numbers 0 (unlabelled) to 40."""
    ids = range(len(NYUD_40)) if labels == len(NYUD_40) else NYUD_13_OF_40
    return np.array([UNLABELLED, *ids], np.uint8)


def matlab_array(path: Path, key: str) -> NDArray[Any]:
    """A variable of a MATLAB 5 file. Raises TrainingError if the file is none or lacks it."""
    try:
        variables = loadmat(path, variable_names=[key])
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        raise TrainingError(f"{path}: not a MATLAB 5 file, or a damaged one ({error}).") from error
    if key not in variables:
        found = ", ".join(name for name, *_ in whosmat(path)) or "nothing"
        raise TrainingError(f"{path}: expected the variable {key}; found {found}.")
    return np.asarray(variables[key])


def _open_frames(path: Path) -> h5py.File:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise TrainingError(f"{path}: not an HDF5 file, or a damaged one ({error}). Download it again.") from error
    missing = {"images", "depths", "labels"} - file.keys()
    if missing:
        raise TrainingError(f"{path}: expected images, depths and labels; found {', '.join(file.keys()) or 'nothing'}.")
    if file["images"].ndim != 4 or file["images"].shape[1] != 3:
        raise TrainingError(f"{path}: expected images of shape (N, 3, W, H), found {file['images'].shape}.")
    return file
