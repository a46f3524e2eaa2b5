"""Image messages of every type that recordings have, under one set of fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.bag import Bag, BagMessage
from avtar_ros.bags.video import FFMPEG, FOXGLOVE, VideoDecoder, codec_of
from avtar_ros.bags.writing import COMPRESSED_IMAGE, IMAGE
from avtar_ros.imaging.images import ImageError, to_rgb

FOXGLOVE_COMPRESSED = "foxglove_msgs/msg/CompressedImage"
FOXGLOVE_RAW = "foxglove_msgs/msg/RawImage"
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE, FFMPEG, FOXGLOVE, FOXGLOVE_COMPRESSED, FOXGLOVE_RAW)

_NO_KEY_FRAME = "it is a packet of video without the key frame that it needs."
_MOST_WAITING = 64
"""Packets that may wait for others to be shown first."""

RgbImage = NDArray[np.uint8]


@dataclass(frozen=True)
class Decoded:
    """An image message, the how many-th of its topic it is, and its image, RGB (H, W, 3), or why it has none."""

    number: int
    message: BagMessage
    image: RgbImage | None
    reason: str = ""


def is_standard(bag: Bag, topic: str) -> bool:
    """Whether a topic's messages are ROS's own types, and pictures by themselves: no packets of video."""
    if bag.topics[topic].msgtype not in (IMAGE, COMPRESSED_IMAGE):
        return False
    first = next(bag.messages([topic]), None)
    return first is None or codec_of(first.message) is None


def stamp_ns(message: Any, log_ns: int) -> int:
    """The stamp in a message, or when it was recorded if there is none, or one that no clock gives."""
    return _stamp_ns(message) or log_ns if has_possible_stamp(message) else log_ns


def has_possible_stamp(message: Any) -> bool:
    """Whether the stamp of a message is none at all, or one that ROS can write: from 1970 to 2038."""
    return 0 <= _stamp_ns(message) < 2**31 * 10**9


def _stamp_ns(message: Any) -> int:
    stamp = message.header.stamp if hasattr(message, "header") else message.timestamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def frame_id(message: Any) -> str:
    """What frame of reference a message is in."""
    return str(message.header.frame_id if hasattr(message, "header") else message.frame_id)


def decoded(messages: Iterable[BagMessage], wanted: Callable[[int], bool] = lambda number: True) -> Iterator[Decoded]:
    """The wanted messages of an image topic, by their numbers, with their images, in the order recorded.

    Where they are packets of a video all are decoded, for images follow from those before.
    """
    video = _Video()
    for number, message in enumerate(messages):
        if video.decoder is not None or codec_of(message.message) is not None:
            yield from (found for found in video.take(number, message) if wanted(found.number))
        elif wanted(number):
            yield _decoded(number, message)
    yield from (found for found in video.rest() if wanted(found.number))


def _decoded(number: int, message: BagMessage) -> Decoded:
    try:
        return Decoded(number, message, to_rgb(_with_byte_order(message.message)))
    except ImageError as error:
        return Decoded(number, message, None, str(error))


class _Video:
    """The stream of a video, and the packets whose images have not come yet."""

    def __init__(self) -> None:
        self.decoder: VideoDecoder | None = None
        self._waiting: dict[int, BagMessage] = {}

    def take(self, number: int, message: BagMessage) -> Iterator[Decoded]:
        try:
            if self.decoder is None:
                self.decoder = VideoDecoder(codec_of(message.message) or "")
            self._waiting[number] = message
            yield from self._complete(self.decoder.decode(message.message.data, number))
        except ImageError as error:
            self._waiting.pop(number, None)
            yield Decoded(number, message, None, str(error))

    def rest(self) -> Iterator[Decoded]:
        if self.decoder is not None:
            yield from self._complete(self.decoder.flush())
        for number, message in self._waiting.items():
            yield Decoded(number, message, None, _NO_KEY_FRAME)
        self._waiting.clear()

    def _complete(self, images: list[tuple[int, RgbImage]]) -> Iterator[Decoded]:
        for number, image in images:
            message = self._waiting.pop(number, None)
            if message is not None:
                yield Decoded(number, message, image)
        while len(self._waiting) > _MOST_WAITING:
            oldest = next(iter(self._waiting))
            yield Decoded(oldest, self._waiting.pop(oldest), None, _NO_KEY_FRAME)


def _with_byte_order(message: Any) -> Any:
    """A message of a type that lacks a field, as all in one byte order."""
    if not hasattr(message, "format") and not hasattr(message, "is_bigendian"):
        return _LittleEndian(message)
    return message


class _LittleEndian:
    """An image message of Foxglove's, whose pixels are in one byte order."""

    is_bigendian = 0

    def __init__(self, message: Any) -> None:
        self._message = message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)
