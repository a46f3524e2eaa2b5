"""Which topics of a bag are the camera, its CameraInfo and the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from avtar_ros.bags.bag import Bag, BagError
from avtar_ros.bags.writing import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE
from avtar_ros.images import DEPTH_LAYOUTS, ImageError, is_compressed, to_rgb
from avtar_ros.tasks import DEPTH

IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)
_NOT_A_CAMERA = ("depth", "disparity", "ground_truth", "label", "mask", "segmentation", "normals", "edges")


def find_camera(bag: Bag, topic: str | None = None) -> str:
    """The topic with colour images: `topic` if given, else the likeliest by type, content and name.

    Raises BagError where there is none, listing what there is.
    """
    if topic is not None:
        if topic not in bag.topics:
            raise BagError(f"{bag.path}: no topic {topic}. There are:\n{bag.describe_topics()}")
        if bag.topics[topic].msgtype not in IMAGE_TYPES:
            raise BagError(f"{bag.path}: {topic} holds no images. Topics there are:\n{bag.describe_topics()}")
        return topic
    for name in sorted(_image_topics(bag), key=_unlikeliness):
        if may_be_camera(name, _first(bag, name)):
            return name
    raise BagError(
        f"{bag.path}: no topic with colour images found. Name one, or record again with the camera running. "
        f"There are:\n{bag.describe_topics()}"
    )


def find_camera_info(bag: Bag, camera: str) -> str | None:
    """The CameraInfo topic beside a camera's image topic: the one that shares most of its name."""
    infos = [name for name, topic in bag.topics.items() if topic.msgtype == CAMERA_INFO]
    namespaces = {name: name.rpartition("/")[0] for name in infos}
    fitting = [name for name in infos if camera.startswith(namespaces[name] + "/")]
    return max(fitting, key=lambda name: len(namespaces[name]), default=None)


def find_truth(bag: Bag, tasks: Sequence[str]) -> dict[str, str]:
    """The ground-truth topic of each task that has one; for depth, failing that, a depth camera's topic.

    Among depth cameras' topics, one that is aligned to the colour camera is preferred.
    """
    images = _image_topics(bag)
    found = {}
    for task in tasks:
        parts = {"ground_truth", task}
        if named := [name for name in images if parts <= set(name.split("/"))]:
            found[task] = named[0]
    if DEPTH.name in tasks and DEPTH.name not in found:
        cameras = [name for name in images if "depth" in name.lower() and is_depth(_first(bag, name))]
        if cameras:
            found[DEPTH.name] = min(cameras, key=lambda name: not _named_registered(name))
    return found


def is_registered(bag: Bag, camera: str, depth: str) -> bool:
    """Whether a depth topic is registered to a camera: in the same frame of reference, or so named where that lacks."""
    frames = [message.header.frame_id for message in (_first(bag, camera), _first(bag, depth)) if message is not None]
    if len(frames) == 2 and all(frames):
        return bool(frames[0] == frames[1])
    return _named_registered(depth)


def _named_registered(topic: str) -> bool:
    return "align" in topic or "regist" in topic


def _image_topics(bag: Bag) -> list[str]:
    return sorted(name for name, topic in bag.topics.items() if topic.msgtype in IMAGE_TYPES and topic.count)


def _unlikeliness(name: str) -> tuple[bool, bool, bool, str]:
    lower = name.lower()
    return not ("color" in lower or "rgb" in lower), "image" not in lower, lower.endswith("compressed"), name


def _first(bag: Bag, topic: str) -> Any | None:
    """The topic's first message, None where even that is damaged."""
    return next((message for _, _, message in bag.messages([topic])), None)


def may_be_camera(name: str, message: Any | None) -> bool:
    """Whether a topic is a colour camera's, by its name and a message of it."""
    try:
        named_otherwise = any(word in name.lower() for word in _NOT_A_CAMERA)
        return not named_otherwise and message is not None and to_rgb(message).size > 0
    except ImageError:
        return False


def is_depth(message: Any | None) -> bool:
    """Whether a message holds a depth image."""
    if message is None:
        return False
    if is_compressed(message):
        return "compressedDepth" in message.format
    return message.encoding in DEPTH_LAYOUTS
