"""A recorded frame with the maps that a model made of it, and where these go in a bag."""

from __future__ import annotations

from dataclasses import dataclass

from avtar_ros.bags.recorded_frames import RecordedFrame
from avtar_ros.tasks import Maps


@dataclass(frozen=True)
class PerceivedFrame:
    """A recorded frame with its maps and how long they took, from the decoded image on."""

    recorded: RecordedFrame
    maps: Maps
    latency_ns: int


def map_topic(camera_topic: str, task: str) -> str:
    """Where a camera's maps go: /camera/color/image_raw/compressed to /camera/color/depth/image."""
    return f"{camera_namespace(camera_topic)}/{task}/image"


def camera_namespace(camera_topic: str) -> str:
    """What a camera's topics begin with: /camera/color of /camera/color/image_raw/compressed."""
    return camera_topic.removesuffix("/compressed").rpartition("/")[0]
