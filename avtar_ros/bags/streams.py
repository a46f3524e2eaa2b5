"""What the image topics of a bag hold, found out by looking at their first messages."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import Enum
from typing import Any

from avtar_ros.bags.bag import Bag, BagMessage
from avtar_ros.bags.images import IMAGE_TYPES, decoded, frame_id
from avtar_ros.bags.topic_words import DEPTH, INFRARED, NO_PHOTOGRAPH, TRUTH, own_words, parts, words
from avtar_ros.bags.video import codec_of
from avtar_ros.bags.writing import CAMERA_INFO
from avtar_ros.geometry.lens import Lens, is_calibrated, read_lens
from avtar_ros.imaging.images import DEPTH_LAYOUTS, ImageError, depth_metres, encoding_of

LOOK = 20
"""How many messages of a topic are looked at, until one can be made sense of: cameras often begin with broken ones."""
LOOK_VIDEO = 300
"""The same for packets of video, of which only those from a key frame on give images."""


class Kind(Enum):
    """What the images of a topic are."""

    COLOUR = "colour"
    GREY = "grey"
    INFRARED = "infrared"
    DEPTH = "depth"
    OTHER = "other"
    """A picture of something computed, such as labels."""
    UNREADABLE = "unreadable"


CAMERAS = (Kind.COLOUR, Kind.GREY, Kind.INFRARED)


@dataclass(frozen=True)
class Stream:
    """An image topic. `message` is the first that could be decoded, else the first; `reason` why none could.

    `frame_id` is without the slash that ROS 1 put before some, and others left out for the same frame.
    """

    topic: str
    kind: Kind
    encoding: str
    frame_id: str
    width: int
    height: int
    count: int
    message: Any | None
    reason: str = ""

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


@dataclass(frozen=True)
class InfoStream:
    """A CameraInfo topic; `message` is the first that is calibrated, else the first."""

    topic: str
    frame_id: str
    message: Any

    def lens(self, width: int, height: int, rectified: bool = False) -> Lens:
        """The lens of images of this size."""
        return read_lens(self.message, width, height, rectified)

    def fits(self, width: int, height: int) -> bool:
        """Whether it is of images of this size, as they are or cut out and binned."""
        info = self.message
        roi = getattr(info, "roi", None)
        columns, rows = getattr(roi, "width", 0) or info.width, getattr(roi, "height", 0) or info.height
        x, y = max(1, getattr(info, "binning_x", 1)), max(1, getattr(info, "binning_y", 1))
        return (width, height) in ((info.width, info.height), (columns, rows), (columns // x, rows // y))


def image_streams(bag: Bag) -> dict[str, Stream]:
    """All image topics with messages, by name."""
    names = sorted(n for n, topic in bag.topics.items() if topic.msgtype in IMAGE_TYPES and topic.count)
    return {name: look_at(bag, name) for name in names}


def info_streams(bag: Bag) -> dict[str, InfoStream]:
    """All CameraInfo topics with messages, by name."""
    names = sorted(n for n, topic in bag.topics.items() if topic.msgtype == CAMERA_INFO and topic.count)
    found = {name: _look_at_info(bag, name) for name in names}
    return {name: stream for name, stream in found.items() if stream is not None}


def look_at(bag: Bag, topic: str) -> Stream:
    """What an image topic holds."""
    messages, count = bag.messages([topic]), bag.topics[topic].count
    first = next(messages, None)
    if first is None:
        loss = bag.losses.get(topic)
        reason = f"not one of its messages can be read: {loss.reason if loss else 'there is none'}"
        return Stream(topic, Kind.UNREADABLE, "", "", 0, 0, count, None, reason)
    most = LOOK_VIDEO if codec_of(first.message) else LOOK
    looked = list(itertools.islice(messages, most - 1)) if codec_of(first.message) else []
    reason = ""
    for message in itertools.chain([first], looked or itertools.islice(messages, most - 1)):
        found = _depth_size(message) or _colour_size(message, [first, *looked])
        if isinstance(found, str):
            reason = reason or found
            continue
        width, height, is_depth = found
        shown = message.message
        kind = _kind_of_depth(topic, shown) if is_depth else _kind_of_photograph(topic, encoding_of_any(shown))
        return Stream(topic, kind, _told_encoding(shown), _frame_of(shown), width, height, count, shown)
    shown = first.message
    return Stream(topic, Kind.UNREADABLE, _told_encoding(shown), _frame_of(shown), 0, 0, count, shown, reason)


def encoding_of_any(message: Any) -> str:
    """The encoding of an image, "" where it is in a picture file or a video."""
    return "" if codec_of(message) else encoding_of(message)


def _kind_of_depth(topic: str, message: Any) -> Kind:
    """What an image is that could be depth: the topic's name says where its encoding has other uses."""
    encoding, said = encoding_of_any(message), words(topic)
    if TRUTH in parts(topic):
        return Kind.OTHER
    if hasattr(message, "format") and "compressedDepth" in message.format:
        return Kind.DEPTH
    if encoding == "mono16" and not said & DEPTH:  # of infrared and thermal cameras as well
        return _kind_of_photograph(topic, encoding)
    if said & INFRARED and not said & DEPTH:
        return Kind.INFRARED
    return Kind.OTHER if own_words(topic) - DEPTH else Kind.DEPTH


def _look_at_info(bag: Bag, topic: str) -> InfoStream | None:
    infos = [message.message for message in itertools.islice(bag.messages([topic]), LOOK)]
    if not infos:
        return None
    best = next((info for info in infos if is_calibrated(info)), infos[0])
    return InfoStream(topic, _frame_of(best), best)


def _depth_size(message: BagMessage) -> tuple[int, int, bool] | None:
    """Width, height and True of a message that could be depth; None where it is none, or a broken one.

    A plain PNG says nothing of its encoding, but has 16 bits where it is depth.
    """
    shown, encoding = message.message, encoding_of_any(message.message)
    packed = hasattr(shown, "format") and "compressedDepth" in shown.format
    plain = hasattr(shown, "format") and not encoding and bool(words(message.topic) & DEPTH)
    if encoding not in DEPTH_LAYOUTS and not packed and not plain:
        return None
    try:
        height, width = depth_metres(shown).shape
    except (ImageError, AttributeError):
        return None
    return width, height, True


def why_no_depth(stream: Stream) -> str:
    """Why the images of a topic cannot be taken as depth."""
    if stream.message is None:
        return stream.reason
    try:
        depth_metres(stream.message)
    except (ImageError, AttributeError) as error:
        return str(error)
    return f"its images of {stream.encoding!r} are of something else, by its name."


def _colour_size(message: BagMessage, stream: list[BagMessage]) -> tuple[int, int, bool] | str:
    """Width, height and False of a message with a colour or grey image, or why it is none."""
    of_video = codec_of(message.message) is not None
    for result in decoded(stream if of_video else [message]):
        if result.image is not None:
            return result.image.shape[1], result.image.shape[0], False
        reason = result.reason
    return reason


def _kind_of_photograph(topic: str, encoding: str) -> Kind:
    if TRUTH in parts(topic) or own_words(topic) & NO_PHOTOGRAPH:
        return Kind.OTHER
    if words(topic) & INFRARED:
        return Kind.INFRARED
    return Kind.GREY if encoding in ("mono8", "mono16", "8UC1") else Kind.COLOUR


def _frame_of(message: Any) -> str:
    return frame_id(message).lstrip("/")


def _told_encoding(message: Any) -> str:
    return str(message.format if hasattr(message, "format") else message.encoding)


