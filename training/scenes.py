"""Looking at synthetic rooms: preview pictures, and bags of a camera that walks through a room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.ground_truth import GroundTruthWriter
from avtar_ros.bags.mcap_file import maker_of
from avtar_ros.bags.writing import BagWriter
from avtar_ros.disk.outputs import OutputFolder, check_file
from avtar_ros.meaning import DepthRange, SemanticClass
from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import TASKS, Maps
from avtar_ros.terminal.progress import Progress
from training.data.batch import Batch
from training.data.synthetic_rooms import CLASSES, render_rooms, render_sequence
from training.previews import write_preview

Image = NDArray[np.uint8]

MAKER = "avtar-train scenes"
"""What is written into its bags, to know them again."""
FIRST_STAMP_NS = 1_700_000_000_000_000_000
"""When the camera of every written bag starts: any fixed time, so that the same seed gives the same bag."""


def write_previews(folder: Path, seeds: Sequence[int], width: int, height: int) -> None:
    """A picture a room into `folder`: the image and its four maps side by side."""
    card = _card(width, height)
    names = {seed: f"room_{seed}.png" for seed in seeds}
    with OutputFolder(folder) as output:
        output.claim(*names.values())
        for seed, name in Progress(names.items(), unit="room", desc=f"previews in {folder}"):
            image, maps = _frames(render_rooms([seed], width, height))[0]
            write_preview(folder / name, image, maps, card)


def write_bag(path: Path, seed: int, frames: int, rate_hz: float, width: int, height: int) -> None:
    """A bag with camera, CameraInfo and the ground truth of all tasks, from a walk through the room of a seed."""
    check_file(path, [], lambda path: maker_of(path) == MAKER)
    path.parent.mkdir(parents=True, exist_ok=True)
    stamps = iter(FIRST_STAMP_NS + round(i * 1e9 / rate_hz) for i in range(frames))
    with BagWriter(path, maker=MAKER) as bag, Progress(total=frames, unit="frame", desc=str(path)) as progress:
        for batch in render_sequence(seed, frames, width, height, rate_hz):
            writer = GroundTruthWriter(bag, _intrinsics(float(batch.focal[0]), width, height))
            for image, maps in _frames(batch):
                writer.write(next(stamps), image, maps)
                progress.update()


def _frames(batch: Batch) -> list[tuple[Image, Maps]]:
    return [
        (batch.image[i].numpy(), {name: values[i].numpy() for name, values in batch.maps.items()})
        for i in range(len(batch))
    ]


def _intrinsics(focal: float, width: int, height: int) -> NDArray[np.float64]:
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def _card(width: int, height: int) -> ModelCard:
    """A card to colour ground truth by."""
    classes = tuple(SemanticClass(*c) for c in CLASSES)
    return ModelCard("synthetic rooms", tuple(TASKS), width, height, classes, DepthRange(0.3, 10.0, 1.0))
