"""A robot's own recordings as a data set: depth from the sensor, normals and edges computed, no segmentation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from avtar_ros.bags.bag import Bag
from avtar_ros.bags.reading import bag_files, open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera, RecordedFrame
from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.geometry.surface import Window, normals_from_depth
from avtar_ros.tasks import DEPTH, EDGES, NORMALS
from training.data.batch import Batch
from training.data.config import BagConfig, Split
from training.data.dataset import Sample, fitted
from training.data.edges import image_and_depth_edges
from training.data.packed import PackedDataset, default_cache, pack, packed_images
from training.errors import TrainingError

VERSION = 2  # counts up whenever the same bag gives other maps, so that those kept on disk are told apart
WINDOW = Window(reach=8, step=2, steepest=0.01)
"""At the sensor's own size: wide enough to even out its noise."""


class BagDataset(PackedDataset):
    """The frames of a camera that have aligned depth, in the order recorded, read from the bag at the first use.

    The bag needs CameraInfo; images are taken as rectified, as depth aligned to them is. Its last frames are the
    validation split. Raises TrainingError where something is lacking, BagError where it is no bag.
    """

    def __init__(self, config: BagConfig, split: Split, cache: Path | None = None) -> None:
        folder = (cache or default_cache()) / f"bag-{config.bag.stem}-{_fingerprint(config)}"
        if not folder.is_dir():
            _pack(config, folder)
        count = packed_images(folder)
        training = count - config.validation_frames
        if training < 1:
            raise TrainingError(
                f"{config.bag}: {count} frames have depth, and `validation_frames` keeps {config.validation_frames} "
                "from training. Keep fewer, or give a longer recording."
            )
        first, length = (0, training) if split == "train" else (training, config.validation_frames)
        super().__init__(folder, (), first, length)


def _pack(config: BagConfig, folder: Path) -> None:
    with open_bag(config.bag) as bag:
        camera = RecordedCamera.find(bag, [DEPTH.name], config.topic)
        _check(bag, camera)
        pack(folder, bag.topics[camera.topic].count, _frames(camera, config))
        for note in [*camera.faults, *bag.told()]:
            tqdm.write(f"left out: {note}")


def _frames(camera: RecordedCamera, config: BagConfig) -> Iterator[Batch]:
    """The frames with depth at the size of training, each with all its maps."""
    total = camera.bag.topics[camera.topic].count // config.every
    for recorded in tqdm(camera.frames(config.every), total=total, unit="frame", desc=f"reading {config.bag}"):
        if DEPTH.name in recorded.truth:
            yield _sample(recorded, camera, config).batch()


def _sample(recorded: RecordedFrame, camera: RecordedCamera, config: BagConfig) -> Sample:
    depth = recorded.truth[DEPTH.name]
    depth = np.where(depth <= config.max_depth_m, depth, np.float32(np.nan))
    height, width = depth.shape
    normals = normals_from_depth(depth, _pinhole(camera, width, height), WINDOW)
    image = recorded.frame.image
    native = Sample(image, {DEPTH.name: depth, NORMALS.name: normals}, _pinhole(camera, image.shape[1], image.shape[0]))
    sample = fitted(native, config.width, config.height)
    return sample.with_maps(**{EDGES.name: image_and_depth_edges(sample.image, sample.maps[DEPTH.name])})


def _pinhole(camera: RecordedCamera, width: int, height: int) -> Pinhole:
    """The camera at a size of its pictures, which may differ from its CameraInfo's."""
    model = camera.model
    assert model is not None
    fx, _, cx, _, fy, cy, *_ = model.k
    return Pinhole(fx, fy, cx, cy).scaled(width / (model.width or width), height / (model.height or height))


def _check(bag: Bag, camera: RecordedCamera) -> None:
    """Raises TrainingError where a bag cannot teach anything."""
    missing = "an aligned depth topic" if not camera.truth_topics else "a CameraInfo with a focal length"
    if not camera.truth_topics or camera.focal_px(1) is None:
        raise TrainingError(
            f"{bag.path}: expected {missing} beside the camera {camera.topic}. Found:\n{bag.describe_topics()}"
        )


def _fingerprint(config: BagConfig) -> str:
    """Tells apart recordings, and ways to read them."""
    files = bag_files(config.bag) if config.bag.exists() else []
    states = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    reading = config.model_dump(mode="json", exclude={"validation_frames", "bag"})
    return hashlib.sha256(json.dumps([VERSION, states, reading]).encode()).hexdigest()[:16]
