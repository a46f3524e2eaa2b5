"""Any labelling tool's export as a data set."""

from __future__ import annotations

import numpy as np

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import SEGMENTATION
from avtar_ros.terminal.progress import Progress
from training.data.config import Split
from training.data.dataset import FrameDataset, Sample
from training.data.derived import with_derived
from training.data.files import read_image
from training.data.own_config import ToolConfig
from training.data.tools.exports import read_export
from training.errors import TrainingError


class ToolDataset(FrameDataset):
    """The pictures of an export by the names of their files; what nobody labelled is unlabelled, or of `rest`.

    Raises TrainingError if a file is missing or damaged.
    """

    def __init__(self, config: ToolConfig, split: Split) -> None:
        super().__init__(config.own_classes, config.width, config.height)
        self._config = config
        self._ids = {c.name: i for i, c in enumerate(config.own_classes)}
        export = read_export(config.dataset, config.root)
        held_out = config.validation_images or max(1, len(export.drawings) // 10)
        first = len(export.drawings) - held_out
        if first < 1:
            raise TrainingError(
                f"{config.root}: {len(export.drawings)} images have labels, and {held_out} are kept from training; "
                "none is left."
            )
        self._drawings = export.drawings[:first] if split == "train" else export.drawings[first:]
        if split == "train":
            for what in export.left_out:
                Progress.remark(f"{config.root}: left out: {what}")

    def __len__(self) -> int:
        return len(self._drawings)

    def frame(self, index: int) -> Sample:
        drawing, rest = self._drawings[index], self._config.rest
        image = read_image(drawing.image)
        height, width = image.shape[:2]
        ids = np.full((height, width), UNLABELLED if rest is None else self._ids[rest], np.uint8)
        try:
            for shape in drawing.shapes:
                ids[shape.covers(height, width)] = self._ids.get(shape.name, UNLABELLED)
        except ValueError as error:
            raise TrainingError(f"{drawing.path}: {error}.") from error
        return Sample(image, {SEGMENTATION.name: ids}, Pinhole.of_view(width, height, self._config.field_of_view_deg))

    def completed(self, sample: Sample) -> Sample:
        return with_derived(sample, self._config.derive)
