"""A folder of pictures, without any maps."""

from __future__ import annotations

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.imaging.pictures import in_order
from training.data.config import Split
from training.data.dataset import FrameDataset, Sample
from training.data.files import contents, read_image
from training.data.own_config import PicturesConfig
from training.errors import TrainingError

ENDINGS = (".jpg", ".jpeg", ".png")


class PicturesDataset(FrameDataset):
    """The pictures in a folder and all below it, upright, by name. Raises TrainingError if there are too few."""

    def __init__(self, config: PicturesConfig, split: Split) -> None:
        super().__init__(config.own_classes, config.width, config.height)
        self._degrees = config.field_of_view_deg
        paths = in_order(path for path in config.folder.rglob("*") if path.suffix.lower() in ENDINGS)
        if len(paths) <= config.validation_images:
            raise TrainingError(
                f"{config.folder}: expected more than the {config.validation_images} pictures ({', '.join(ENDINGS)}) "
                f"of `validation_images`, found {len(paths)}. {contents(config.folder)}"
            )
        first = len(paths) - config.validation_images
        self._paths = paths[:first] if split == "train" else paths[first:]

    def __len__(self) -> int:
        return len(self._paths)

    def frame(self, index: int) -> Sample:
        image = read_image(self._paths[index], upright=True)
        return Sample(image, {}, Pinhole.of_view(image.shape[1], image.shape[0], self._degrees))
