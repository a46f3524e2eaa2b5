"""What class ids in a recording mean, where it says so, and what they are among other classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.bag import Bag
from avtar_ros.bags.topic_words import shared
from avtar_ros.bags.writing import TEXT, BagWriter
from avtar_ros.documents import OTHER_FIELDS
from avtar_ros.meaning import UNLABELLED, plain_name

LABEL_INFO = "vision_msgs/msg/LabelInfo"
LAST = "label_info"
"""What a topic of TEXT is called where it stands in for LabelInfo: {"classes": [{"id": 0, "name": "floor"}, …]}."""


@dataclass(frozen=True)
class RecordedClasses:
    """The names of class ids, and the topic that tells them."""

    topic: str
    names: Mapping[int, str]

    @property
    def listed(self) -> tuple[str, ...]:
        """The names in the order of their ids, from 0 on; an id between them without one is called after itself."""
        return tuple(self.names.get(i, f"class {i}") for i in range(max(self.names) + 1))

    def among(self, classes: Sequence[str]) -> NDArray[np.uint8]:
        """For each recorded id (256,) the position of its class in `classes`, by name; UNLABELLED for all others."""
        places = {plain_name(name): i for i, name in enumerate(classes)}
        lookup = np.full(256, UNLABELLED, np.uint8)
        for number, name in self.names.items():
            lookup[number] = places.get(plain_name(name), UNLABELLED)
        return lookup


def recorded_classes(bag: Bag, maps_topic: str) -> RecordedClasses | None:
    """What the ids on `maps_topic` mean; None where the bag does not say, or not in a way that can be read.

    Of several topics that tell classes the one whose name begins most like it; one that begins otherwise may be of
    other maps.
    """
    telling = [
        name for name, topic in bag.topics.items()
        if shared(name, maps_topic)
        and (topic.msgtype == LABEL_INFO or (topic.msgtype == TEXT and name.endswith(f"/{LAST}")))
    ]
    for topic in sorted(telling, key=lambda name: (-shared(name, maps_topic), name)):
        first = next(iter(bag.messages([topic])), None)
        names = _names(first.message) if first is not None else {}
        if names:
            return RecordedClasses(topic, names)
    return None


def write_classes(bag: BagWriter, stamp_ns: int, classes: RecordedClasses) -> None:
    """Write what ids mean to a bag, in the form that needs no vision_msgs."""
    listed = [{"id": number, "name": name} for number, name in sorted(classes.names.items())]
    bag.write_text(classes.topic, stamp_ns, json.dumps({"classes": listed}))


def _names(message: Any) -> dict[int, str]:
    """By id, of those that maps of 8 bits can have; nothing where the message is of something else."""
    try:
        if hasattr(message, "class_map"):
            pairs = [(c.class_id, c.class_name) for c in message.class_map]
        else:
            pairs = [(c["id"], c["name"]) for c in json.loads(message.data)["classes"]]
        return {int(number): str(name) for number, name in pairs if 0 <= int(number) < UNLABELLED}
    except OTHER_FIELDS:
        return {}
