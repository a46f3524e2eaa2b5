"""From a config's `data` section to the data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avtar_ros.engines.opening import open_engine
from training.data.bags import BagDataset
from training.data.cityscapes import CityscapesDataset
from training.data.coco import CocoDataset
from training.data.config import DataConfig, GivenConfig, MixedConfig, Split, TaughtConfig
from training.data.dataset import Dataset
from training.data.drawn import ToolDataset
from training.data.files import contents
from training.data.folder import FolderDataset
from training.data.labelled import LabelledDataset
from training.data.manifest import ManifestDataset
from training.data.mixed import MixedDataset
from training.data.nyud import FRAMES, MAPPING, SPLITS, NyudDataset
from training.data.nyud_mt import FOLDERS, NyudMtDataset
from training.data.own_config import BagConfig, CocoConfig, FolderConfig, ManifestConfig, PicturesConfig, ToolConfig
from training.data.pictures import PicturesDataset
from training.data.public_config import (
    CityscapesConfig,
    NyudConfig,
    OmnidataConfig,
    RoomsConfig,
    SynthiaConfig,
    TaskonomyConfig,
)
from training.data.renamed import RenamedDataset
from training.data.rooms import RoomsDataset
from training.data.synthia import SynthiaDataset
from training.data.taskonomy import TaskonomyDataset
from training.data.taught import TaughtDataset
from training.data.vocabulary import onto
from training.errors import TrainingError


def open_dataset(config: DataConfig, split: Split) -> Dataset:
    """The data set that a config names. Raises TrainingError or BagError if its files are not as they should be."""
    dataset = _OPENERS[type(config)](config, split)
    return dataset if isinstance(config, MixedConfig | TaughtConfig) else _renamed(dataset, config, split)


def open_images(config: GivenConfig, split: Split) -> Dataset:
    """What a teacher labels: of a recording all frames, with or without depth."""
    if isinstance(config, BagConfig):
        return _renamed(BagDataset(config, split, unlabelled=True), config, split)
    return open_dataset(config, split)


def _renamed(dataset: Dataset, config: GivenConfig, split: Split) -> Dataset:
    """With its classes brought to those that the config asks for."""
    table = config.class_table
    if table is None or dataset.classes == table.classes:
        return dataset
    return RenamedDataset(dataset, table, config.description if split == "train" else "")


def _rooms(config: RoomsConfig, split: Split) -> Dataset:
    count, seed = {
        "train": (config.rooms, config.first_seed),
        "validation": (config.validation_rooms, config.validation_seed),
    }[split]
    return RoomsDataset(count, seed, config.width, config.height, views=config.views)


def _nyud(config: NyudConfig, split: Split) -> Dataset:
    published, folder = config.root / FRAMES, config.root / "gt_sets"
    if not published.exists() and not folder.exists():
        raise TrainingError(
            f"{config.root}: not the folder of NYU Depth v2: expected {FRAMES} with {SPLITS} and {MAPPING}, or the "
            f"folders of NYUD-MT, {', '.join(FOLDERS)}. {contents(config.root)}"
        )
    return NyudDataset(config, split) if published.exists() else NyudMtDataset(config, split)


def _taught(config: TaughtConfig, split: Split) -> Dataset:
    images = open_images(config.data, split)
    if config.teacher is None:
        return LabelledDataset(images, config, split)
    return TaughtDataset(images, open_engine(config.teacher), config.width, config.height)


def _mixed(config: MixedConfig, split: Split) -> Dataset:
    # Rooms last: rendering them takes minutes, and a folder that is missing should be known before.
    rooms_last = sorted(range(len(config.parts)), key=lambda i: isinstance(config.parts[i].data, RoomsConfig))
    opened = {i: open_dataset(config.parts[i].data, split) for i in rooms_last}
    classes = config.classes
    for i, dataset in opened.items():
        if config.vocabulary is not None and dataset.classes not in ((), classes):
            what = config.parts[i].data.description if split == "train" else ""
            opened[i] = RenamedDataset(dataset, onto(dataset.classes, classes), what)
    parts = [(opened[i], part.repeat if split == "train" else 1) for i, part in enumerate(config.parts)]
    return MixedDataset(parts, classes)


_OPENERS: dict[type, Callable[[Any, Split], Dataset]] = {
    RoomsConfig: _rooms,
    NyudConfig: _nyud,
    CityscapesConfig: CityscapesDataset,
    TaskonomyConfig: TaskonomyDataset,
    OmnidataConfig: TaskonomyDataset,
    SynthiaConfig: SynthiaDataset,
    BagConfig: BagDataset,
    PicturesConfig: PicturesDataset,
    FolderConfig: FolderDataset,
    CocoConfig: CocoDataset,
    ManifestConfig: ManifestDataset,
    ToolConfig: ToolDataset,
    TaughtConfig: _taught,
    MixedConfig: _mixed,
}
