"""Written bags are one file that other tools open, and survive whatever happens while they are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.writing import BagWriter

STAMP = 1_700_000_000_123_456_789


def test_images_come_back_as_they_were_with_stamp_and_frame(tmp_path: Path) -> None:
    depth = np.random.default_rng(0).random((6, 8), np.float32)
    with BagWriter(tmp_path / "x.mcap") as bag:
        bag.write_image("/depth", STAMP, "optical", depth, "32FC1")
    with AnyReader([tmp_path / "x.mcap"]) as reader:
        (connection, log_ns, raw), = reader.messages()
        message = reader.deserialize(raw, connection.msgtype)
    assert (connection.topic, connection.msgtype, log_ns) == ("/depth", "sensor_msgs/msg/Image", STAMP)
    assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == STAMP
    assert message.header.frame_id == "optical"
    assert (message.encoding, message.step) == ("32FC1", 8 * 4)
    np.testing.assert_array_equal(message.data.view(np.float32).reshape(6, 8), depth)


def test_the_file_is_what_the_mcap_and_ros_2_conventions_ask_for(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        bag.write_image("/ids", STAMP, "optical", np.zeros((6, 8), np.uint8), "mono8")
        bag.write_compressed("/photo", STAMP, "optical", "jpeg", b"bytes")
        bag.write_camera_info("/info", STAMP, "optical", 8, 6, np.eye(3))
    with (tmp_path / "x.mcap").open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        assert reader.get_header().profile == "ros2"
        assert {c.topic: summary.schemas[c.schema_id].name for c in summary.channels.values()} == {
            "/ids": "sensor_msgs/msg/Image",
            "/photo": "sensor_msgs/msg/CompressedImage",
            "/info": "sensor_msgs/msg/CameraInfo",
        }
        assert {c.message_encoding for c in summary.channels.values()} == {"cdr"}
        assert {s.encoding for s in summary.schemas.values()} == {"ros2msg"}
        assert {chunk.compression for chunk in summary.chunk_indexes} == {"zstd"}


def test_the_name_is_taken_only_when_the_bag_is_complete(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        bag.write_image("/ids", STAMP, "optical", np.zeros((6, 8), np.uint8), "mono8")
        assert not (tmp_path / "x.mcap").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["x.mcap"]


def test_what_was_written_before_an_error_is_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), BagWriter(tmp_path / "x.mcap") as bag:
        bag.write_image("/ids", STAMP, "optical", np.zeros((6, 8), np.uint8), "mono8")
        raise KeyboardInterrupt
    with open_bag(tmp_path / "x.mcap") as read:
        assert read.topics["/ids"].count == 1


def test_an_unfinished_file_is_readable_up_to_its_last_chunk(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (600, 800), np.uint8)
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i in range(10):
            bag.write_image("/ids", STAMP + i, "optical", noise, "mono8")
        killed = tmp_path / "killed.mcap"
        killed.write_bytes((tmp_path / "x.mcap.partial").read_bytes())
    with open_bag(killed) as read:
        assert 5 <= sum(1 for _ in read.messages(["/ids"])) < 10
