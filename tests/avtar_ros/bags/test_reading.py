"""Bags of every form are read, and damaged ones up to the break."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from avtar_ros.bags.bag import BagError
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.writing import BagWriter
from tests.tiny_bags import START_NS, stamps, write_ros1_bag, write_ros2_bag, write_truth_bag

COLOR = "/camera/color/image_raw"


def ros1(folder: Path) -> Path:
    return write_ros1_bag(folder / "recording.bag")


def sqlite(folder: Path) -> Path:
    return write_ros2_bag(folder / "recording")


def sqlite_file(folder: Path) -> Path:
    return next(sqlite(folder).glob("*.db3"))


def mcap(folder: Path) -> Path:
    return write_ros2_bag(folder / "recording", storage=StoragePlugin.MCAP)


def mcap_file(folder: Path) -> Path:
    return next(mcap(folder).glob("*.mcap"))


def folder_without_metadata(folder: Path) -> Path:
    (mcap(folder) / "metadata.yaml").unlink()
    return folder / "recording"


def ros1_lz4(folder: Path) -> Path:
    return write_ros1_bag(folder / "recording.bag", compression="LZ4")


def ros1_bz2(folder: Path) -> Path:
    return write_ros1_bag(folder / "recording.bag", compression="BZ2")


def file_compressed(folder: Path) -> Path:
    return write_ros2_bag(folder / "recording", compression=CompressionMode.FILE)


def messages_compressed(folder: Path) -> Path:
    return write_ros2_bag(folder / "recording", compression=CompressionMode.MESSAGE)


def mcap_messages_compressed_without_metadata(folder: Path) -> Path:
    path = write_ros2_bag(folder / "recording", storage=StoragePlugin.MCAP, compression=CompressionMode.MESSAGE)
    (path / "metadata.yaml").unlink()
    return path


def mcap_chunks_compressed(folder: Path) -> Path:
    return write_ros2_bag(folder / "recording", storage=StoragePlugin.MCAP, compression=CompressionMode.STORAGE)


def mcap_lz4(folder: Path) -> Path:
    """The same messages in chunks compressed by lz4, as older recorders made them."""
    path = folder / "lz4.mcap"
    with mcap_file(folder).open("rb") as source, path.open("wb") as file:
        writer = McapWriter(file, compression=CompressionType.LZ4)
        writer.start(profile="ros2")
        channels: dict[int, int] = {}
        for schema, channel, message in make_reader(source).iter_messages():
            if channel.id not in channels:
                number = writer.register_schema(schema.name, schema.encoding, schema.data)
                channels[channel.id] = writer.register_channel(channel.topic, "cdr", number)
            writer.add_message(channels[channel.id], message.log_time, message.data, message.publish_time)
        writer.finish()
    return path


def without_definitions(folder: Path) -> Path:
    """As recorded before messages' definitions were stored with them."""
    path = sqlite(folder)
    with closing(sqlite3.connect(next(path.glob("*.db3")))) as database:
        database.execute("DELETE FROM message_definitions")
        database.commit()
    return path


def split(folder: Path) -> Path:
    """In two files, as recorders do it at a size or an age."""
    parts = []
    for number, frames in enumerate((slice(0, 2), slice(2, 5))):
        (whole,) = write_ros2_bag(folder / f"whole{number}", storage=StoragePlugin.MCAP).glob("*.mcap")
        path = folder / f"recording_{number}.mcap"
        with whole.open("rb") as source, path.open("wb") as file:
            writer = McapWriter(file)
            writer.start(profile="ros2")
            for schema, channel, message in make_reader(source).iter_messages():
                if message.log_time in stamps(5)[frames]:
                    number = writer.register_schema(schema.name, schema.encoding, schema.data)
                    target = writer.register_channel(channel.topic, "cdr", number)
                    writer.add_message(target, message.log_time, message.data, message.publish_time)
            writer.finish()
        parts.append(path)
    (folder / "recording").mkdir()
    for path in parts:
        path.rename(folder / "recording" / path.name)
    return folder / "recording"


@pytest.mark.parametrize("write", [
    ros1, ros1_lz4, ros1_bz2, sqlite, sqlite_file, without_definitions, file_compressed, messages_compressed, mcap,
    mcap_file, folder_without_metadata, mcap_messages_compressed_without_metadata, mcap_chunks_compressed, mcap_lz4,
    split,
])
def test_every_form_gives_the_same_topics_and_messages(tmp_path: Path, write) -> None:
    with open_bag(write(tmp_path)) as bag:
        assert {name: topic.count for name, topic in bag.topics.items()} == {
            COLOR: 5, "/camera/depth/image_raw": 5, "/chatter": 5,
        }
        assert bag.topics[COLOR].msgtype == "sensor_msgs/msg/Image"
        assert bag.start_ns == START_NS
        messages = list(bag.messages([COLOR]))
    assert [log_ns for _, log_ns, _ in messages] == stamps(5)
    assert {(m.message.encoding, m.message.width) for m in messages} == {("rgb8", 64)}
    assert bag.broken is None


def test_a_topic_that_is_not_there_has_no_messages(tmp_path: Path) -> None:
    with open_bag(mcap(tmp_path)) as bag:
        assert list(bag.messages(["/nothing"])) == []


@pytest.mark.parametrize("name", ["rgbd_kitchen/mcap", "rgbd_kitchen/mcap/mcap.mcap", "rgbd_kitchen/sqlite3",
                                  "rgbd_kitchen/ros1.bag"])
def test_real_recordings_are_read_whole(shared_data: Path, name: str) -> None:
    with open_bag(shared_data / name) as bag:
        wanted = sum(topic.count for topic in bag.topics.values())
        assert sum(1 for _ in bag.messages(list(bag.topics))) == wanted > 0
        assert bag.broken is None


@pytest.mark.parametrize(("name", "content", "message"), [
    ("missing.mcap", None, "no such bag"),
    ("empty.mcap", b"", "the file is empty"),
    ("empty.bag", b"", "the file is empty"),
    ("noise.mcap", b"\x89MCAP0\r\n" + b"noise" * 100, "cannot be opened as a bag"),
    ("noise.db3", b"noise" * 100, "cannot be opened as a bag"),
    ("noise.bag", b"noise" * 100, "cannot be opened as a bag"),
    ("photo.jpg", b"noise", "not a bag by its name"),
])
def test_what_is_no_bag_is_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BagError, match=message) as caught:
        open_bag(path)
    assert str(path) in str(caught.value)


def test_a_folder_without_a_bag_is_named(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="no bag in this folder"):
        open_bag(tmp_path)


@pytest.mark.parametrize("write", [
    lambda folder: write_ros1_bag(folder / "x.bag", frames=0),
    lambda folder: write_ros2_bag(folder / "x", frames=0),
    lambda folder: write_truth_bag(folder / "x.mcap", frames=0),
])
def test_a_bag_without_messages_is_empty(tmp_path: Path, write) -> None:
    with pytest.raises(BagError, match=r"bag is empty.*camera running|cannot be opened"):
        open_bag(write(tmp_path))


def write_noise(path: Path) -> Path:
    """A bag of several chunks, for noise cannot be compressed: 40 images of 120 kB."""
    with BagWriter(path) as bag:
        for i in range(40):
            noise = np.random.default_rng(i).integers(0, 256, (200, 600), np.uint8)
            bag.write_image("/noise", START_NS + i, "optical", noise, "mono8")
    return path


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def test_an_mcap_file_cut_off_is_read_up_to_the_break(tmp_path: Path) -> None:
    whole = write_noise(tmp_path / "recording.mcap")
    with open_bag(whole) as bag:
        expected = [bytes(m.message.data) for m in bag.messages(["/noise"])]
    with open_bag(cut(whole, 0.6)) as bag:
        found = [bytes(m.message.data) for m in bag.messages(["/noise"])]
        assert bag.topics["/noise"].count == len(found)
    assert 0 < len(found) < 40
    assert found == expected[: len(found)]
    assert "recording.mcap: damaged" in bag.broken
    assert "the file ends within a record" in bag.broken


def test_a_recording_folder_with_a_cut_off_file_is_read_up_to_the_break(tmp_path: Path) -> None:
    folder = write_ros2_bag(tmp_path / "recording", frames=100, storage=StoragePlugin.MCAP)
    cut(next(folder.glob("*.mcap")), 0.95)
    with open_bag(folder) as bag:
        assert 0 < sum(1 for _ in bag.messages([COLOR])) <= 100
    assert "damaged" in bag.broken


def test_a_damaged_chunk_ends_the_reading_and_is_reported(tmp_path: Path) -> None:
    path = write_noise(tmp_path / "recording.mcap")
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4 : len(content) * 3 // 4 + 1000] = bytes(1000)
    path.write_bytes(content)
    with open_bag(path) as bag:
        found = sum(1 for _ in bag.messages(["/noise"]))
    assert 0 < found < 40
    assert "damaged" in bag.broken


def sqlite_noise(folder: Path) -> Path:
    return next(write_ros2_bag(folder / "recording", frames=60).glob("*.db3"))


def ros1_noise(folder: Path) -> Path:
    return write_ros1_bag(folder / "recording.bag", frames=200)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("write", [sqlite_noise, ros1_noise])
def test_other_files_cut_off_are_read_up_to_the_break(tmp_path: Path, write, share: float) -> None:
    whole = write(tmp_path)
    with open_bag(whole) as bag:
        expected = [str(m) for m in bag.messages([COLOR])]
    with open_bag(cut(whole, share)) as bag:
        found = [str(m) for m in bag.messages([COLOR])]
        assert bag.topics[COLOR].count == len(found)
    assert 0.6 * share * len(expected) <= len(found) < len(expected)
    assert found == expected[: len(found)]
    assert f"{whole.name}: damaged" in bag.broken


@pytest.mark.parametrize("write", [sqlite_file, ros1])
def test_where_not_one_message_is_left_the_remedy_is_said(tmp_path: Path, write) -> None:
    with pytest.raises(BagError, match="reindex"):
        open_bag(cut(write(tmp_path), 0.01))


def test_of_a_recording_in_several_files_only_the_end_of_the_damaged_one_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    folder.mkdir()
    for part in range(3):
        with BagWriter(folder / f"recording_{part}.mcap") as bag:
            for i in range(20):
                noise = np.random.default_rng(i).integers(0, 256, (200, 600), np.uint8)
                bag.write_image("/noise", START_NS + 100 * part + i, "optical", noise, "mono8")
    cut(folder / "recording_1.mcap", 0.6)
    with open_bag(folder) as bag:
        found = [m.log_ns - START_NS for m in bag.messages(["/noise"])]
        assert bag.topics["/noise"].count == len(found)
        assert [m.log_ns - START_NS for m in bag.messages(["/noise"], START_NS + 205, START_NS + 207)] == [205, 206]
    assert [n for n in found if n < 100] == list(range(20))
    assert [n for n in found if n >= 200] == list(range(200, 220))
    middle = [n for n in found if 100 <= n < 200]
    assert middle == list(range(100, 100 + len(middle)))
    assert 0 < len(middle) < 20
    assert "recording_1.mcap: damaged" in bag.broken
    (folder / "recording_0.mcap").write_bytes(b"noise")
    with open_bag(folder) as bag:
        assert "recording_0.mcap: cannot be opened" in bag.broken
        assert [m.log_ns - START_NS for m in bag.messages(["/noise"])] == [*middle, *range(200, 220)]
