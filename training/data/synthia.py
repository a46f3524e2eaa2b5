"""SYNTHIA-RAND-CITYSCAPES: rendered street scenes with the classes of Cityscapes (Ros et al., CVPR 2016)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.imaging.pictures import is_hidden
from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import DEPTH, SEGMENTATION
from training.data.classes import CITYSCAPES_16, SYNTHIA_IDS
from training.data.config import Split
from training.data.dataset import FrameDataset, Sample
from training.data.derived import with_normals_and_edges
from training.data.files import contents, read_image, read_map, require
from training.data.public_config import SynthiaConfig
from training.errors import TrainingError

WIDTH = 1280
CENTIMETRES = 100.0
UNKNOWN = (0, 65535)


class SynthiaDataset(FrameDataset):
    """Files of the same name in `RGB/`, `GT/LABELS/` and `Depth/`, the latter two 16-bit RGB.

    The first channel of a label is the class, the second the instance; depth is in centimetres in all channels.
    Normals are computed from depth, edges are the borders of classes. Raises TrainingError if the folder is
    another.
    """

    def __init__(self, config: SynthiaConfig, split: Split) -> None:
        super().__init__(config.own_classes, config.width, config.height)
        require(config.root, "SYNTHIA-RAND-CITYSCAPES", ("RGB", "GT/LABELS", "Depth"))
        self._root, self._focal_px = config.root, config.focal_px
        names = sorted(path.name for path in (config.root / "RGB").glob("*.png") if not is_hidden(path))
        if len(names) <= config.validation_images:
            raise TrainingError(
                f"{config.root / 'RGB'}: expected more than the {config.validation_images} pictures of "
                f"`validation_images`. {contents(config.root / 'RGB')}"
            )
        first = len(names) - config.validation_images
        self._names = names[:first] if split == "train" else names[first:]
        self._class_of_id = np.full(256, UNLABELLED, np.uint8)
        for position, semantic_class in enumerate(CITYSCAPES_16):
            self._class_of_id[SYNTHIA_IDS[semantic_class.name]] = position

    def __len__(self) -> int:
        return len(self._names)

    def frame(self, index: int) -> Sample:
        image = read_image(self._path(index, "RGB"))
        ids = read_map(self._path(index, "GT/LABELS"), np.uint16, channels=3)[..., 0]
        stored = read_map(self._path(index, "Depth"), np.uint16, channels=3)[..., 0]
        depth = np.where(np.isin(stored, UNKNOWN), np.nan, stored / CENTIMETRES).astype(np.float32)
        maps = {SEGMENTATION.name: self._class_of_id[np.minimum(ids, UNLABELLED)], DEPTH.name: depth}
        height, width = image.shape[:2]
        return Sample(image, maps, Pinhole.centred(width, height, self._focal_px * width / WIDTH))

    def completed(self, sample: Sample) -> Sample:
        return with_normals_and_edges(sample)

    def _path(self, index: int, folder: str) -> Path:
        return self._root / folder / self._names[index]
