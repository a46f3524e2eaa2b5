"""What there is in a bag: its image topics with their encodings, sizes, rates and gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avtar_ros.bags.bag import Bag
from avtar_ros.bags.streams import CAMERAS, Kind, Stream
from avtar_ros.bags.topics import Topics
from avtar_ros.geometry.lens import Lens, is_rectified

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
    notes: tuple[str, ...] = ()
    """Why no image could be decoded; what is odd about its CameraInfo."""


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
    """Read all of a bag's images, without decoding more than one of each topic."""
    found = Topics(bag)
    times: dict[str, list[int]] = {name: [] for name in found.images}
    for name, log_ns, _ in bag.messages(times):
        times[name].append(log_ns)
    images = [_image_topic(bag, found, stream, times[name]) for name, stream in found.images.items()]
    cameras = [stream.topic for stream in found.cameras()]
    return BagInfo(
        seconds=(bag.end_ns - bag.start_ns) / 1e9,
        messages=sum(topic.count for topic in bag.topics.values()),
        topics=len(bag.topics),
        cameras=tuple(sorted((t for t in images if t.is_camera), key=lambda topic: cameras.index(topic.name))),
        depths=tuple(topic for topic in images if topic.is_depth),
        others=tuple(topic for topic in images if not topic.is_depth and not topic.is_camera),
        camera=cameras[0] if cameras else None,
        broken=bag.broken,
        told=tuple(bag.told()),
    )


def _image_topic(bag: Bag, found: Topics, stream: Stream, times_ns: list[int]) -> ImageTopic:
    intervals = np.diff(times_ns) / 1e9
    usual = float(np.median(intervals)) if len(intervals) else 0.0
    gaps = np.flatnonzero(intervals > GAP * usual)
    longest = int(intervals.argmax()) if len(intervals) else 0
    gap = Gap(float(intervals[longest]), (times_ns[longest] - bag.start_ns) / 1e9) if len(gaps) else Gap(0.0, 0.0)
    info_topic = found.info(stream.topic).topic
    lens = Lens(None)
    if info_topic is not None and stream.width:
        lens = found.infos[info_topic].lens(stream.width, stream.height, is_rectified(stream.topic))
    return ImageTopic(
        name=stream.topic,
        encoding=stream.encoding,
        width=stream.width,
        height=stream.height,
        count=len(times_ns),
        rate_hz=1 / usual if usual > 0 else None,
        gaps=len(gaps),
        longest_gap=gap,
        is_camera=stream.kind in CAMERAS,
        is_depth=stream.kind is Kind.DEPTH,
        info_topic=info_topic,
        focal_px=lens.focal_px,
        notes=(*((stream.reason,) if stream.reason else ()), *lens.notes),
    )
