"""Pictures of data: an image and all its maps side by side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.model_card import ModelCard
from avtar_ros.rendering import legend, side_by_side
from avtar_ros.tasks import SEGMENTATION, TASKS, Maps
from avtar_ros.terminal.progress import Progress
from training.build import new_card, starting_point
from training.config import RunConfig
from training.data.augment import augmented
from training.data.config import Split
from training.data.datasets import open_dataset
from training.errors import TrainingError


def write_data_previews(config: RunConfig, folder: Path, count: int, split: Split, augment: bool) -> None:
    """Pictures of `count` samples of a config's data, evenly spread, at the size of training, named by their numbers.

    With `augment` they are changed at random as in training. Raises TrainingError if the data cannot be read.
    """
    dataset = open_dataset(config.data, split)
    card = new_card(config, starting_point(config))
    chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int).tolist()
    names = {index: f"{index:06}.png" for index in chosen}
    with OutputFolder(folder) as output:
        output.claim(*names.values())
        for index, name in Progress(names.items(), unit="picture", desc=f"previews in {folder}"):
            batch = dataset.batch([index])
            if augment:
                batch = augmented(batch, config.augment, torch.Generator().manual_seed(config.seed + index))
            maps = {task: values[0].numpy() for task, values in batch.maps.items() if task in config.tasks}
            write_preview(folder / name, batch.image[0].numpy(), maps, card)


def write_preview(path: Path, image: NDArray[np.uint8], maps: Maps, card: ModelCard) -> None:
    """A picture of an image and its maps, in the colours of `card`, with the names of classes where there are any."""
    pictures = {"image": image} | {TASKS[name].title: TASKS[name].colorize(m, card) for name, m in maps.items()}
    picture = side_by_side(pictures)
    if SEGMENTATION.name in maps:
        picture = np.vstack([picture, legend(card, picture.shape[1])])
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise TrainingError(f"{path}: cannot be written. Is there room on the disk?")
