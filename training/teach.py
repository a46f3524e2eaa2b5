"""What teachers see in a recording or in pictures, as a folder of images with maps, to look at and to correct."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from avtar_ros.bags.names import bag_files
from avtar_ros.disk.files import write_bytes, write_text
from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, TASKS, TaskMap
from avtar_ros.terminal.progress import Progress
from training.config import RunConfig
from training.data.batch import Batch
from training.data.class_files import CLASSES, write_classes
from training.data.config import TaughtConfig
from training.data.datasets import open_dataset
from training.data.folder import FORMATS, IMAGE_ENDINGS, IMAGES
from training.data.intrinsics import INTRINSICS
from training.errors import TrainingError
from training.licences import licence_of_model

UNKNOWN_EDGE = 127
TEACHERS = "teachers.json"
CHUNK = 16


def source_settings(source: Path) -> list[str]:
    """What makes the pictures that a config's teachers look at those of `source`, a bag or a folder of pictures."""
    if source.is_dir() and not bag_files(source):
        pictures = [path for path in source.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS]
        if pictures:
            return ["data.data.dataset=pictures", f"data.data.folder={json.dumps(str(source))}"]
    return ["data.data.dataset=rosbag", f"data.data.bag={json.dumps(str(source))}"]


def taught_data(config: RunConfig) -> TaughtConfig:
    """Raises TrainingError if the config's data is not taught by `teachers`."""
    if not isinstance(config.data, TaughtConfig) or not config.data.teachers:
        raise TrainingError(
            f"{config.name}: `data` must be `dataset: taught` with `teachers`, as in training/configs/taught.yaml."
        )
    return config.data


def write_taught(config: RunConfig, out: Path, source: Path) -> int:
    """Write all pictures of a config's taught data with their labels as a `folder` data set; gives how many.

    The last are those that are kept from training. Raises TrainingError or AvtarError if the data or a teacher
    cannot be had, or the folder holds what no command of ours wrote.
    """
    data = taught_data(config)
    splits = [open_dataset(data, "train"), open_dataset(data, "validation")]
    with OutputFolder(out, [source]) as folder:
        folder.claim(IMAGES, *TASKS, INTRINSICS, CLASSES, FORMATS, TEACHERS)
        for name in (IMAGES, *TASKS):
            (out / name).mkdir(exist_ok=True)
        cameras: dict[str, list[float]] = {}
        with Progress(total=sum(map(len, splits)), unit="image", desc=f"writing {out}") as progress:
            for dataset in splits:
                for start in range(0, len(dataset), CHUNK):
                    batch = dataset.batch(range(start, min(start + CHUNK, len(dataset))))
                    _write_batch(batch, out, cameras)
                    progress.update(len(batch))
        write_text(out / INTRINSICS, json.dumps(cameras, indent=1))
        if data.classes:
            write_classes(out / CLASSES, data.classes)
        write_text(out / FORMATS, yaml.safe_dump({"edges": {"unknown": [UNKNOWN_EDGE]}}))
        described = {"made of": data.description, "licence": licence_of_model(config)}
        write_text(out / TEACHERS, json.dumps(described, indent=1) + "\n")
        for name in TASKS:
            if not any((out / name).iterdir()):
                (out / name).rmdir()
    return len(cameras)


def _write_batch(batch: Batch, out: Path, cameras: dict[str, list[float]]) -> None:
    height, width = batch.image.shape[1:3]
    for i in range(len(batch)):
        name = f"{len(cameras):06}"
        focal = float(batch.focal[i])
        cameras[name] = [focal, focal, (width - 1) / 2, (height - 1) / 2]
        _write(out / IMAGES / f"{name}.png", batch.image[i].numpy())
        for task, values in batch.maps.items():
            if task == DEPTH.name and batch.relative is not None and bool(batch.relative[i]):
                continue  # of unknown scale: no metres
            _write(out / task / f"{name}.png", _stored(task, values[i].numpy()))


def _stored(task: str, values: TaskMap) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """What `folder` reads: normals of 16 bits, for 8 are coarse; edges of which 127 is unknown; all else as in bags."""
    if task == NORMALS.name:
        known = np.isfinite(values).all(axis=-1, keepdims=True)
        return np.where(known, np.round((np.nan_to_num(values) + 1) / 2 * 65535).clip(1, 65535), 0).astype(np.uint16)
    if task == EDGES.name:
        levels = np.round(255 * np.nan_to_num(values)).clip(0, 255)
        levels = np.where(levels == UNKNOWN_EDGE, UNKNOWN_EDGE + 1, levels)
        return np.where(np.isnan(values), UNKNOWN_EDGE, levels).astype(np.uint8)
    return np.asarray(TASKS[task].storage.encode(values))


def _write(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    done, png = cv2.imencode(".png", pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1]))
    if not done:
        raise TrainingError(f"{path}: cannot be made a picture.")
    write_bytes(path, png.tobytes())


def pictures_of(config: RunConfig) -> Sequence[int]:
    """How many pictures there are to train on, and how many are kept from it. Reads a recording at the first use."""
    data = taught_data(config)
    from training.data.datasets import open_images

    return [len(open_images(data.data, split)) for split in ("train", "validation")]


def labelling_seconds(config: RunConfig) -> float:
    """How long a picture takes its teachers, tried with one batch of random pixels."""
    import time

    from training import processes
    from training.data.teachers.labelling import Labeller
    from training.data.teachers.opening import open_teachers

    data = taught_data(config)
    teachers = open_teachers(data.teachers, data.width, processes.device())
    labeller = Labeller(list(zip(teachers, data.teachers, strict=True)), data.trust, data.derive)
    images = torch.randint(0, 256, (data.batch_size, data.height, data.width, 3), dtype=torch.uint8)
    focal = torch.full((data.batch_size,), float(data.width))
    labeller.labelled(Batch(images, {}, focal))  # the first takes longer
    began = time.monotonic()
    labeller.labelled(Batch(images, {}, focal))
    return (time.monotonic() - began) / data.batch_size
