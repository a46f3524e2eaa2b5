"""A folder of images with any of their maps beside them: what most people have, and what we write ourselves.

    images/          any pictures, also in folders of their own: jpg, png, tiff, webp, bmp
    depth/ segmentation/ normals/ edges/
                     maps with the names of their images: png, tiff, npy
    intrinsics.json  the camera, or one a folder or image
    classes.yaml     what the ids or colours in segmentation/ mean
    maps.yaml        how maps are stored, where it is not as usual and the config does not say it
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from avtar_ros.documents import NO_YAML
from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.tasks import DEPTH, SEGMENTATION, TASKS
from avtar_ros.terminal.progress import Progress
from training.data.class_files import CLASSES, read_stored_classes
from training.data.config import Split
from training.data.dataset import FrameDataset, Sample
from training.data.derived import with_derived
from training.data.files import contents, read_image, require
from training.data.intrinsics import INTRINSICS, read_intrinsics
from training.data.own_config import FolderConfig
from training.data.stored_maps import MAP_ENDINGS, FormatsConfig, read_map_file
from training.errors import TrainingError

IMAGES, FORMATS = "images", "maps.yaml"
IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")
ASSUMED_VIEW_DEG = 60.0
SAME_ASPECT = 0.02
"""Share by which the shapes of an image and its map may differ, as where both were made smaller and rounded."""


class FolderDataset(FrameDataset):
    """The images by name, each with what maps there are of it; the last of them are the validation split.

    What is missing is unknown, and what was found is said. Raises TrainingError if the folder is another, a file
    cannot be read, or a mask holds what classes.yaml does not name.
    """

    def __init__(self, config: FolderConfig, split: Split) -> None:
        super().__init__(config.own_classes, config.width, config.height)
        require(config.root, "images with maps", [IMAGES])
        self._config, self._root = config, config.root
        self._images = _by_name(config.root / IMAGES, IMAGE_ENDINGS, "pictures")
        self._maps = {task: found for task in TASKS if (found := _by_name(config.root / task, MAP_ENDINGS, "maps"))}
        self._classes = read_stored_classes(config.root / CLASSES) if SEGMENTATION.name in self._maps else None
        self._formats = _formats(config)
        intrinsics = config.root / INTRINSICS
        self._intrinsics = read_intrinsics(intrinsics) if intrinsics.exists() else None
        if self._intrinsics is None and config.field_of_view_deg is None and DEPTH.name in self._maps:
            raise TrainingError(
                f"{config.root}: has depth, but neither {INTRINSICS} says of what camera, nor `field_of_view_deg` in "
                "the config. A metre looks different through every lens."
            )
        names = self._known(sorted(self._images), split)
        held_out = config.held_out(len(names))
        if len(names) <= held_out:
            raise TrainingError(
                f"{config.root}: {len(names)} images, and `validation_images` keeps {held_out} from training."
            )
        first = len(names) - held_out
        self._names = names[:first] if split == "train" else names[first:]

    def __len__(self) -> int:
        return len(self._names)

    def frame(self, index: int) -> Sample:
        name = self._names[index]
        image = read_image(self._images[name])
        maps = {}
        for task, files in self._maps.items():
            if name in files:
                maps[task] = read_map_file(files[name], task, self._formats, self._classes)
                self._check_shape(files[name], maps[task].shape[:2], image.shape[:2])
        return Sample(image, maps, self._camera(name, image.shape[1], image.shape[0]))

    def completed(self, sample: Sample) -> Sample:
        return with_derived(sample, self._config.derive)

    def _camera(self, name: str, width: int, height: int) -> Pinhole:
        if self._intrinsics is not None:
            return self._intrinsics.camera(name, width, height)
        return Pinhole.of_view(width, height, self._config.field_of_view_deg or ASSUMED_VIEW_DEG)

    def _check_shape(self, path: Path, shape: tuple[int, ...], image: tuple[int, ...]) -> None:
        if abs(shape[1] * image[0] / (shape[0] * image[1]) - 1) > SAME_ASPECT:
            raise TrainingError(
                f"{path}: is {shape[1]}x{shape[0]}, of another shape than its image, {image[1]}x{image[0]}."
            )

    def _known(self, names: list[str], split: Split) -> list[str]:
        """The images that have a camera; the first split to be opened says what the folder has."""
        intrinsics = self._intrinsics
        known = [name for name in names if intrinsics is None or intrinsics.knows(name)]
        if split == "train":
            found = [f"{task} {len(files.keys() & set(known))}" for task, files in self._maps.items()]
            Progress.remark(f"{self._root}: {len(known)} images; of them with {', '.join(found) or 'no maps'}")
            if lost := len(names) - len(known):
                Progress.remark(f"left out: {lost} images that {INTRINSICS} has no camera for")
            for task, files in self._maps.items():
                if strange := sorted(files.keys() - self._images.keys()):
                    more = f" and {len(strange) - 4} more" if len(strange) > 4 else ""
                    Progress.remark(f"left out: maps in {task}/ without an image: {', '.join(strange[:4])}{more}")
            if intrinsics is None and self._config.field_of_view_deg is None:
                view = f"the view is taken as {ASSUMED_VIEW_DEG:g} degrees wide"
                Progress.remark(f"{self._root}: no {INTRINSICS}; {view}")
        return known


def _formats(config: FolderConfig) -> FormatsConfig:
    """What the config says of how maps are stored, else what the folder says."""
    path = config.root / FORMATS
    if config.maps != FormatsConfig() or not path.is_file():
        return config.maps
    try:
        return FormatsConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (*NO_YAML, ValidationError) as error:
        raise TrainingError(f"{path}: does not say how maps are stored: {' '.join(str(error).split())}") from error


def _by_name(folder: Path, endings: tuple[str, ...], what: str) -> dict[str, Path]:
    """The files in a folder and below it by their paths without endings; none where there is no such folder."""
    if not folder.is_dir():
        return {}
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    fitting = [path for path in files if path.suffix.lower() in endings]
    if files and not fitting:
        raise TrainingError(f"{folder}: expected {what} ({', '.join(endings)}). {contents(folder)}")
    named: dict[str, Path] = {}
    for path in fitting:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            raise TrainingError(f"{folder}: {named[name].name} and {path.name} have the same name; keep one of them.")
        named[name] = path
    return named
