"""What there is in a bag: its image topics with their encodings, sizes, rates and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from avtar_ros.bags.bag import Bag, BagError
from avtar_ros.bags.topics import IMAGE_TYPES, find_camera, find_camera_info, is_depth, may_be_camera
from avtar_ros.geometry.camera_model import CameraModel
from avtar_ros.images import ImageError, depth_metres, to_rgb

GAP = 2.5
"""An interval of so many usual ones is a gap: at least one image is missing."""


@dataclass(frozen=True)
class Gap:
    """A time without images: how long, and how long after the bag's start it began."""

    seconds: float
    at_s: float


@dataclass(frozen=True)
class ImageTopic:
    """A topic of images. `rate_hz` is one over the usual, the median, interval; None where there is one image."""

    name: str
    encoding: str
    width: int
    height: int
    count: int
    rate_hz: float | None
    gaps: int
    longest_gap: Gap
    is_camera: bool
    is_depth: bool
    info_topic: str | None
    focal_px: float | None


@dataclass(frozen=True)
class BagInfo:
    """A bag: how much there is in it, its image topics by kind, the likeliest first, and the camera to replay."""

    seconds: float
    messages: int
    topics: int
    cameras: tuple[ImageTopic, ...]
    depths: tuple[ImageTopic, ...]
    others: tuple[ImageTopic, ...]
    camera: str | None
    broken: str | None
    told: tuple[str, ...] = ()
    """All that there is to say of how it was read."""


def read_info(bag: Bag) -> BagInfo:
    """Read all of a bag's images, without decoding more than the first of each topic."""
    names = [name for name, topic in sorted(bag.topics.items()) if topic.msgtype in IMAGE_TYPES and topic.count]
    firsts: dict[str, Any] = {}
    times: dict[str, list[int]] = {name: [] for name in names}
    for name, log_ns, message in bag.messages(names):
        firsts.setdefault(name, message)
        times[name].append(log_ns)
    images = [_image_topic(bag, name, firsts[name], times[name]) for name in names if name in firsts]
    try:
        camera = find_camera(bag)
    except BagError:
        camera = None
    cameras = sorted((topic for topic in images if topic.is_camera), key=lambda topic: topic.name != camera)
    return BagInfo(
        seconds=(bag.end_ns - bag.start_ns) / 1e9,
        messages=sum(topic.count for topic in bag.topics.values()),
        topics=len(bag.topics),
        cameras=tuple(cameras),
        depths=tuple(topic for topic in images if topic.is_depth),
        others=tuple(topic for topic in images if not topic.is_depth and not topic.is_camera),
        camera=camera,
        broken=bag.broken,
        told=tuple(bag.told()),
    )


def _image_topic(bag: Bag, name: str, first: Any, times_ns: list[int]) -> ImageTopic:
    depth = is_depth(first)
    try:
        height, width = (depth_metres(first) if depth else to_rgb(first)).shape[:2]
    except ImageError:
        height = width = 0
    intervals = np.diff(times_ns) / 1e9
    usual = float(np.median(intervals)) if len(intervals) else 0.0
    gaps = np.flatnonzero(intervals > GAP * usual)
    longest = int(intervals.argmax()) if len(intervals) else 0
    gap = Gap(float(intervals[longest]), (times_ns[longest] - bag.start_ns) / 1e9) if len(gaps) else Gap(0.0, 0.0)
    info_topic = find_camera_info(bag, name)
    model = _camera_model(bag, info_topic)
    return ImageTopic(
        name=name,
        encoding=first.format if hasattr(first, "format") else first.encoding,
        width=width,
        height=height,
        count=len(times_ns),
        rate_hz=1 / usual if usual > 0 else None,
        gaps=len(gaps),
        longest_gap=gap,
        is_camera=bool(width) and may_be_camera(name, first),
        is_depth=depth,
        info_topic=info_topic,
        focal_px=model.k[0] if model is not None and model.k[0] > 0 else None,
    )


def _camera_model(bag: Bag, info_topic: str | None) -> CameraModel | None:
    infos = bag.messages([info_topic] if info_topic else [])
    return next((CameraModel.of_message(message) for _, _, message in infos), None)
