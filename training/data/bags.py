"""A robot's own recordings as a data set: the maps that they hold, and normals and edges computed of depth."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.bag import Bag
from avtar_ros.bags.reading import bag_files, open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera, RecordedFrame, TopicOptions
from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.geometry.surface_normals import Window, normals_from_depth
from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import DEPTH, NORMALS, SEGMENTATION, TASKS, Maps, TaskMap
from avtar_ros.terminal.progress import Progress
from training.data.batch import Batch
from training.data.config import Split
from training.data.dataset import Sample, fitted
from training.data.derived import with_derived
from training.data.own_config import BagConfig
from training.data.packed import PackedDataset, default_cache, pack, packed_images
from training.errors import TrainingError

VERSION = 4  # counts up whenever the same bag gives other maps, so that those kept on disk are told apart
WINDOW = Window(reach=8, step=2, steepest=0.01)
"""At the sensor's own size: wide enough to even out its noise."""
ASSUMED_VIEW_DEG = 60.0
"""How wide the view is taken where no CameraInfo says it, and no depth depends on it."""


class BagDataset(PackedDataset):
    """The frames of a camera that have any true map, in the order recorded, read from the bag at the first use.

    What is true of a frame is what replay takes for it: ground-truth topics, and aligned depth of a sensor; normals
    and edges that are not recorded are computed of depth, or edges of classes. Depth needs CameraInfo; images are
    taken as rectified, as depth aligned to them is. Its last frames are the validation split.

    With `unlabelled` all frames count, whatever is known of them. Raises TrainingError if something is lacking,
    BagError if it is not a bag.
    """

    def __init__(
        self, config: BagConfig, split: Split, cache: Path | None = None, unlabelled: bool = False
    ) -> None:
        kind = "images" if unlabelled else "bag"
        folder = (cache or default_cache()) / f"{kind}-{config.bag.stem}-{_fingerprint(config)}"
        if not folder.is_dir():
            _pack(config, folder, unlabelled)
        count = packed_images(folder)
        training = count - config.validation_frames
        if training < 1:
            raise TrainingError(
                f"{config.bag}: {count} frames have {_packed_maps(folder)}, and `validation_frames` keeps "
                f"{config.validation_frames} from training. Keep fewer, or give a longer recording."
            )
        first, length = (0, training) if split == "train" else (training, config.validation_frames)
        super().__init__(folder, config.own_classes, first, length)


def _packed_maps(folder: Path) -> str:
    """What its frames have, without what is computed of depth."""
    names = [name for name in TASKS if (folder / f"{name}.npy").exists()]
    return DEPTH.name if DEPTH.name in names else ", ".join(names) or "images"


def _pack(config: BagConfig, folder: Path, unlabelled: bool) -> None:
    with open_bag(config.bag) as bag:
        named = TopicOptions(config.depth_topic, config.info_topic, config.rectified)
        camera = RecordedCamera.find(bag, _wanted(config), config.topic, named)
        if unlabelled and (why := _of_no_use(camera, config)):
            Progress.remark(f"{config.bag}: left out: {camera.truth_topics[DEPTH.name]}: {why}")
            without = [name for name in _wanted(config) if name != DEPTH.name]
            camera = RecordedCamera.find(bag, without, config.topic, named)
        _check(bag, camera, config, unlabelled)
        _say(camera, config)
        pack(folder, bag.topics[camera.topic].count, _frames(camera, config, unlabelled))
        for topic, faults in camera.faults.items():
            Progress.remark(f"{config.bag}: left out: {len(faults)} messages of {topic}. The first: {faults[0].reason}")
        for note in [*camera.notes, *bag.told()]:
            Progress.remark(f"{config.bag}: {note}")


def _wanted(config: BagConfig) -> list[str]:
    """The tasks whose maps can be used: class ids mean nothing without their names."""
    return [name for name in TASKS if name != SEGMENTATION.name or config.own_classes]


def _frames(camera: RecordedCamera, config: BagConfig, unlabelled: bool) -> Iterator[Batch]:
    """The frames at the size of training, each with all its maps."""
    total = camera.bag.topics[camera.topic].count // config.every
    found: Counter[str] = Counter()
    for recorded in Progress(camera.frames(config.every), total=total, unit="frame", desc=f"reading {config.bag}"):
        if recorded.truth or unlabelled:
            sample = _sample(recorded, camera, config)
            found.update(["images", *(name for name in recorded.truth if _says_something(sample.maps[name]))])
            yield sample.batch()
    Progress.remark(f"{config.bag}: {', '.join(f'{number} {name}' for name, number in found.items())}")
    if camera.truth_topics and not unlabelled and not any(found[task] for task in camera.truth_topics):
        topics, notes = ", ".join(camera.truth_topics.values()), " ".join(camera.notes)
        raise TrainingError(
            f"{config.bag}: nothing to learn: no image has anything known of {topics}, where depth counts up to "
            f"max_depth_m, {config.max_depth_m:g} m. {notes}"
        )


def _says_something(task_map: TaskMap) -> bool:
    """Whether any value of a map is known."""
    known = np.isfinite(task_map) if task_map.dtype.kind == "f" else task_map != UNLABELLED
    return bool(known.any())


def _sample(recorded: RecordedFrame, camera: RecordedCamera, config: BagConfig) -> Sample:
    maps: Maps = dict(recorded.truth)
    if SEGMENTATION.name in maps:
        _check_ids(maps[SEGMENTATION.name], camera, config)
    if DEPTH.name in maps:
        depth = maps[DEPTH.name]
        maps[DEPTH.name] = depth = np.where(depth <= config.max_depth_m, depth, np.float32(np.nan))
        if NORMALS.name not in maps:
            maps[NORMALS.name] = normals_from_depth(depth, _pinhole(recorded, config, depth.shape), WINDOW)
    image = recorded.frame.image
    sample = fitted(Sample(image, maps, _pinhole(recorded, config, image.shape)), config.width, config.height)
    edges_of = sample if DEPTH.name not in maps else _without_classes(sample)  # depth shows what classes do not
    return sample.with_maps(**with_derived(edges_of, ["edges"]).maps)


def _without_classes(sample: Sample) -> Sample:
    return Sample(sample.image, {n: m for n, m in sample.maps.items() if n != SEGMENTATION.name}, sample.camera)


def _pinhole(recorded: RecordedFrame, config: BagConfig, shape: Sequence[int]) -> Pinhole:
    """The camera of a frame at a size (height, width, …) of its maps."""
    height, width = shape[:2]
    model = recorded.lens.model
    if model is None:
        return Pinhole.of_view(width, height, config.field_of_view_deg or ASSUMED_VIEW_DEG)
    fx, _, cx, _, fy, cy, *_ = model.resized(width, height).k
    return Pinhole(fx, fy, cx, cy)


def _has_lens(camera: RecordedCamera, config: BagConfig) -> bool:
    return camera.focal_px(1) is not None or config.field_of_view_deg is not None


def _of_no_use(camera: RecordedCamera, config: BagConfig) -> str:
    """Why the recorded depth cannot be had beside the images, which alone would do; nothing where it can."""
    if DEPTH.name not in camera.truth_topics:
        return ""
    if camera.registered is False and config.depth_topic is None:
        return "depth that is not seen from the camera"
    return "" if _has_lens(camera, config) else "depth of a lens that nothing tells; give `field_of_view_deg`"


def _check(bag: Bag, camera: RecordedCamera, config: BagConfig, unlabelled: bool) -> None:
    """Raises TrainingError if a bag cannot teach anything, or would teach what is wrong."""
    if camera.registered is False and config.depth_topic is None:
        raise TrainingError(
            f"{bag.path}: the depth of {camera.truth_topics[DEPTH.name]} is not seen from the camera {camera.topic}: "
            "its frame of reference or its intrinsics are others, so its metres belong to other pixels. Record depth "
            "aligned to the camera, or name it as `depth_topic` to learn from it all the same."
        )
    beside = f"beside the camera {camera.topic}"
    if not camera.truth_topics and not unlabelled:
        expected = f"an aligned depth topic {beside}, or ground truth of any task"
    elif DEPTH.name in camera.truth_topics and not _has_lens(camera, config):
        expected = f"a CameraInfo with a focal length {beside}, or `field_of_view_deg` in the config"
    else:
        return
    notes = "".join(f"\n{note}" for note in camera.notes)
    raise TrainingError(f"{bag.path}: expected {expected}. Found:\n{bag.describe_topics()}{notes}")


def _check_ids(ids: NDArray[np.uint8], camera: RecordedCamera, config: BagConfig) -> None:
    known = len(config.own_classes)
    if (strange := np.unique(ids[(ids >= known) & (ids != UNLABELLED)])).size:
        raise TrainingError(
            f"{config.bag}: {camera.truth_topics[SEGMENTATION.name]} has the class ids {strange.tolist()}, but "
            f"there are names of {known} classes, from 0 on. Give all of them as `labels`."
        )


def _say(camera: RecordedCamera, config: BagConfig) -> None:
    """What is taken from where, and what is assumed."""
    for task, topic in camera.truth_topics.items():
        Progress.remark(f"{config.bag}: {task} from {topic}")
    if DEPTH.name in camera.truth_topics and not camera.registered:
        Progress.remark(f"{config.bag}: nothing says that its depth is aligned to {camera.topic}; taken as if it were")
    if not config.own_classes and RecordedCamera.find(camera.bag, [SEGMENTATION.name], camera.topic).truth_topics:
        Progress.remark(f"{config.bag}: left out: class ids, for nothing says what they mean; give `labels`")
    if not _has_lens(camera, config):
        Progress.remark(f"{config.bag}: no CameraInfo; the view is taken as {ASSUMED_VIEW_DEG:g} degrees wide")


def _fingerprint(config: BagConfig) -> str:
    """Tells apart recordings, and ways to read them."""
    files = bag_files(config.bag) if config.bag.exists() else []
    states = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    reading = config.model_dump(mode="json", exclude={"validation_frames", "bag", "class_map"})
    return hashlib.sha256(json.dumps([VERSION, states, reading]).encode()).hexdigest()[:16]
