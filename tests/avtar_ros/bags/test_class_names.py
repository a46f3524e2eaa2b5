"""Recordings that say what their class ids mean, by LabelInfo or by what stands in for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Rosbag2Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from avtar_ros.bags.class_names import LABEL_INFO, RecordedClasses, recorded_classes
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera, TopicOptions
from avtar_ros.bags.writing import BagWriter
from tests import tiny_bags

MAPS = "/ground_truth/segmentation/image"
TOPIC = "/ground_truth/segmentation/label_info"
NAMES = {0: "Other Things", 1: "armchair", 2: "floor"}


def write_bag(path: Path, topic: str = TOPIC) -> Path:
    return tiny_bags.write_truth_bag(path, 3, classes=RecordedClasses(topic, NAMES))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    with open_bag(write_bag(tmp_path / "x.mcap")) as bag:
        assert recorded_classes(bag, MAPS) == RecordedClasses(TOPIC, NAMES)


def test_classes_of_other_maps_are_not_those_of_these(tmp_path: Path) -> None:
    """A robot that runs a model records what that calls its classes."""
    with open_bag(write_bag(tmp_path / "x.mcap", "/front/segmentation/label_info")) as bag:
        assert recorded_classes(bag, MAPS) is None


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_label_info_is_read_as_ros_records_it(tmp_path: Path, storage: StoragePlugin) -> None:
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg("uint16 class_id\nstring class_name\n", "vision_msgs/msg/VisionClass"))
    types.register(get_types_from_msg(
        "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n", LABEL_INFO
    ))
    made, stamp = types.types, types.types["builtin_interfaces/msg/Time"](1, 0)
    message = made[LABEL_INFO](
        header=made["std_msgs/msg/Header"](stamp=stamp, frame_id=""),
        class_map=[made["vision_msgs/msg/VisionClass"](*pair) for pair in (*NAMES.items(), (999, "far out"))],
        threshold=0.0,
    )
    with Rosbag2Writer(tmp_path / "x", version=9, storage_plugin=storage) as writer:
        connection = writer.add_connection(TOPIC, LABEL_INFO, typestore=types)
        writer.write(connection, tiny_bags.START_NS, types.serialize_cdr(message, LABEL_INFO))
    with open_bag(tmp_path / "x") as bag:
        found = recorded_classes(bag, MAPS)
    assert found == RecordedClasses(TOPIC, NAMES)
    assert RecordedClasses(TOPIC, {0: "a", 2: "c"}).listed == ("a", "class 1", "c")


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"classes": [{"id": "x"}]}), json.dumps({"classes": 3})])
def test_what_cannot_be_understood_names_nothing(tmp_path: Path, text: str) -> None:
    with BagWriter(tmp_path / "x.mcap") as writer:
        writer.write_text(TOPIC, 1, text)
    with open_bag(tmp_path / "x.mcap") as bag:
        assert recorded_classes(bag, MAPS) is None


def test_recorded_ids_become_the_models_by_name(tmp_path: Path) -> None:
    with open_bag(write_bag(tmp_path / "x.mcap")) as bag:
        named = TopicOptions(classes=("floor", "other-things", "lamp"))
        camera = RecordedCamera.find(bag, ["segmentation"], options=named)
        found = next(camera.frames()).truth["segmentation"]
        as_they_are = next(RecordedCamera.find(bag, ["segmentation"]).frames()).truth["segmentation"]
    assert set(np.unique(as_they_are)) == {1, 2, 255}
    assert (found[as_they_are == 2] == 0).all() and (found[as_they_are != 2] == 255).all()
    said = f"Class ids of {MAPS} are those of {TOPIC}, brought to the model's by name"
    assert camera.notes == [f"{said}; not among them, so unlabelled: armchair."]
