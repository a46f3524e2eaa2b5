"""The classes that a recording names itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from avtar_ros.bags.bag import BagError
from avtar_ros.bags.class_names import recorded_classes
from avtar_ros.bags.reading import bag_files, open_bag
from avtar_ros.bags.topics import Topics
from avtar_ros.tasks import SEGMENTATION
from training.data import classes


def classes_of_bag(bag: Path, topic: str | None) -> classes.Classes:
    """What the class ids of a camera's ground truth mean; none where it has no labels, or nothing names them.

    A recording that is not there, or cannot be read, names none: whoever reads its frames says so.
    """
    if not bag.exists():
        return ()
    try:
        newest = max((file.stat().st_mtime_ns for file in bag_files(bag)), default=0)
        return _read(bag, topic, newest)
    except BagError:
        return ()


@cache
def _read(path: Path, topic: str | None, changed_ns: int) -> classes.Classes:
    """Once for every state of the files."""
    with open_bag(path) as bag:
        topics = Topics(bag)
        truth = topics.truth(topics.camera(topic), [SEGMENTATION.name]).topics
        found = recorded_classes(bag, truth[SEGMENTATION.name]) if SEGMENTATION.name in truth else None
    return classes.numbered(found.listed) if found is not None else ()
