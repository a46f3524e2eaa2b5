"""A recorded frame with the maps that a model made of it, and where these go in a bag."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from avtar_ros.bags.recorded_frames import RecordedFrame
from avtar_ros.tasks import TASKS, Maps


@dataclass(frozen=True)
class PerceivedFrame:
    """A recorded frame with its maps and how long they took, from the decoded image on."""

    recorded: RecordedFrame
    maps: Maps
    latency_ns: int
    stored: Maps = field(default_factory=dict)
    """The maps as integers, as their tasks' records store them, where the output is to have these; then `maps` are what
    can be had of them again, and that is what is judged."""

    def quantised(self) -> PerceivedFrame:
        """The frame with its maps as they can be had again out of integers."""
        storages = {task: TASKS[task].storage for task in self.maps}
        stored = {task: s.rounded(s.encode(self.maps[task])) for task, s in storages.items()}
        maps = {task: s.decode(stored[task]) for task, s in storages.items()}
        return replace(self, maps=maps, stored=stored)


def map_topic(camera_topic: str, task: str) -> str:
    """Where a camera's maps go: /camera/color/image_raw/compressed to /camera/color/depth/image."""
    return f"{camera_namespace(camera_topic)}/{task}/image"


def packed_map_topic(camera_topic: str, task: str) -> str:
    """Where a camera's maps go as pictures, which image_transport takes for the same topic."""
    return f"{map_topic(camera_topic, task)}/compressed"


def camera_namespace(camera_topic: str) -> str:
    """What a camera's topics begin with: /camera/color of /camera/color/image_raw/compressed."""
    return camera_topic.removesuffix("/compressed").rpartition("/")[0]
