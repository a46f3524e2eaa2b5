"""Images labelled in COCO's formats, which most labelling tools export: instances, stuff, panoptic segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import SEGMENTATION
from avtar_ros.terminal.progress import Progress
from training.data.coco_files import read_coco
from training.data.config import Split
from training.data.dataset import FrameDataset, Sample
from training.data.derived import with_derived
from training.data.files import contents, read_image
from training.data.own_config import CocoConfig
from training.errors import TrainingError


class CocoDataset(FrameDataset):
    """The images that have annotations, by their ids; pixels of no annotation are unlabelled, or of the class `rest`.

    Of several files what the first has lies on top. Raises TrainingError if a file is missing or damaged.
    """

    def __init__(self, config: CocoConfig, split: Split) -> None:
        super().__init__(config.classes, config.width, config.height)
        part = config.validation if split == "validation" and config.validation is not None else config
        self._config, self._folder, self._masks = config, part.images, part.masks
        self._files = [read_coco(path) for path in part.annotations]
        self._ids = _new_ids(config)
        annotated = sorted({image for file in self._files for image, found in file.annotations.items() if found})
        listed = {number: image for file in self._files for number, image in file.images.items()}
        if strange := [image for image in annotated if image not in listed]:
            raise TrainingError(f"{part.annotations[0]}: annotates images that it does not list: {strange[:8]}.")
        self._names = {image: str(listed[image]["file_name"]) for image in annotated}
        self._chosen = self._split(annotated, split)
        if split == "train" and len(listed) > len(annotated):
            without = len(listed) - len(annotated)
            Progress.remark(f"{config.description}: left out: {without} images without annotations")

    def __len__(self) -> int:
        return len(self._chosen)

    def frame(self, index: int) -> Sample:
        number = self._chosen[index]
        image = read_image(_find(self._folder, self._names[number]))
        height, width = image.shape[:2]
        rest = self._config.rest
        ids = np.full((height, width), UNLABELLED if rest is None else self._ids[rest], np.uint8)
        for file in reversed(self._files):
            file.paint(number, self._ids, ids, self._masks)
        return Sample(image, {SEGMENTATION.name: ids}, Pinhole.of_view(width, height, self._config.field_of_view_deg))

    def completed(self, sample: Sample) -> Sample:
        return with_derived(sample, self._config.derive)

    def _split(self, images: list[int], split: Split) -> list[int]:
        config = self._config
        if config.validation is not None:
            held_out = 0 if split == "train" else len(images)
        else:
            held_out = config.validation_images or max(1, len(images) // 10)
        first = len(images) - held_out
        chosen = images[:first] if split == "train" else images[first:]
        if not chosen or first < 0:
            raise TrainingError(
                f"{', '.join(file.path.name for file in self._files)}: {len(images)} images have annotations, of which "
                f"{held_out} are kept from training; none is left."
            )
        return chosen


def _new_ids(config: CocoConfig) -> dict[str, int]:
    """For each category's name its id in training."""
    own, table = config.own_classes, config.class_table
    ids = range(len(own)) if table is None else table.ids
    return dict(zip((c.name for c in own), ids, strict=True))


def _find(folder: Path, name: str) -> Path:
    """Where an image lies: by its name as listed, or by its last part, as exports often add a folder."""
    for path in (folder / name, folder / Path(name).name):
        if path.is_file():
            return path
    raise TrainingError(f"{folder}: has no image {name}, which the annotations list. {contents(folder)}")
