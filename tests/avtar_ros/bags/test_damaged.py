"""Of what recorders leave when they are killed, and of files that were damaged, all that can be read is read and the
rest is told."""

from __future__ import annotations

import bz2
import gzip
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import zstandard
from mcap.reader import make_reader
from mcap.writer import IndexType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import StoragePlugin
from rosbags.typesys import Stores, get_typestore

from avtar_ros.bags.bag import Bag, BagError
from avtar_ros.bags.reading import bag_files, open_bag
from avtar_ros.bags.writing import BagWriter
from tests.tiny_bags import START_NS, stamps, write_ros1_bag, write_ros2_bag

COLOR = "/camera/color/image_raw"
FRAMES = 12


def log_times(bag: Bag, topic: str = COLOR) -> list[int]:
    return [message.log_ns for message in bag.messages([topic])]


def sqlite_with_log(folder: Path, journal: str) -> Path:
    """As they lie there while the recorder still runs: a third of the messages in the file, the rest in its log."""
    whole = next(write_ros2_bag(folder / "whole", frames=FRAMES).glob("*.db3"))
    work, killed = folder / "work.db3", folder / "killed"
    shutil.copy(whole, work)
    killed.mkdir()
    with closing(sqlite3.connect(work)) as database:
        rows = database.execute("SELECT topic_id, timestamp, data FROM messages ORDER BY id").fetchall()
        database.execute("DELETE FROM messages WHERE id > ?", (len(rows) // 3,))
        database.commit()
        database.execute("VACUUM")
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        insert = "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)"
        database.executemany(insert, rows[len(rows) // 3 :])
        if journal == "WAL":
            database.commit()
        else:  # what is written is not yet confirmed, and must be taken back
            database.execute("PRAGMA cache_size = 1")
            database.executemany(insert, rows)
        for suffix in ("", "-wal", "-shm", "-journal"):
            if (file := Path(f"{work}{suffix}")).exists():
                shutil.copy(file, killed / f"killed_0.db3{suffix}")
    return killed


def test_what_is_in_the_write_ahead_log_is_read(tmp_path: Path) -> None:
    folder = sqlite_with_log(tmp_path, "WAL")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    of_bag = ["killed_0.db3", "killed_0.db3-wal"]
    assert [file.name for file in bag_files(folder)] == of_bag
    assert [file.name for file in bag_files(folder / "killed_0.db3")] == of_bag
    with open_bag(folder) as bag:
        assert bag.topics[COLOR].count == FRAMES
        assert log_times(bag) == stamps(FRAMES)
        assert bag.broken is None
        assert "the log beside it was read as well" in bag.notes[0]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_what_a_rollback_journal_takes_back_is_not_read(tmp_path: Path) -> None:
    folder = sqlite_with_log(tmp_path, "DELETE")
    assert (folder / "killed_0.db3-journal").stat().st_size
    with open_bag(folder) as bag:
        times = log_times(bag)
    assert times == stamps(FRAMES)[: len(times)]
    assert len(times) == FRAMES // 3


def rewritten(source: Path, target: Path, extra: Callable[[McapWriter], None] | None = None, **options: object) -> Path:
    """The same messages through the format's own writer, with its options."""
    with source.open("rb") as read, target.open("wb") as file:
        writer, channels = McapWriter(file, **options), {}  # type: ignore[arg-type]
        writer.start(profile="ros2")
        if extra:
            extra(writer)
        for schema, channel, message in make_reader(read).iter_messages():
            if channel.id not in channels:
                number = writer.register_schema(schema.name, schema.encoding, schema.data)
                channels[channel.id] = writer.register_channel(channel.topic, channel.message_encoding, number)
            writer.add_message(channels[channel.id], message.log_time, message.data, message.publish_time)
        writer.finish()
    return target


@pytest.fixture
def mcap(tmp_path: Path) -> Path:
    folder = write_ros2_bag(tmp_path / "source", frames=FRAMES, storage=StoragePlugin.MCAP)
    return next(folder.glob("*.mcap"))


@pytest.mark.parametrize("options", [
    {"index_types": IndexType.ALL & ~IndexType.MESSAGE}, {"index_types": IndexType.ALL & ~IndexType.CHUNK},
    {"index_types": IndexType.NONE}, {"use_statistics": False}, {"repeat_channels": False}, {"repeat_schemas": False},
    {"use_statistics": False, "repeat_channels": False, "repeat_schemas": False}, {"use_chunking": False},
    {"use_chunking": False, "repeat_channels": False}, {"use_summary_offsets": False}, {"enable_crcs": False},
    {"chunk_size": 20_000}, {"chunk_size": 20_000, "repeat_channels": False},
])
def test_an_mcap_file_is_read_whole_whatever_its_index_lacks(tmp_path: Path, mcap: Path, options: dict) -> None:
    with open_bag(rewritten(mcap, tmp_path / "x.mcap", **options)) as bag:
        assert bag.topics[COLOR].count == FRAMES
        assert log_times(bag) == stamps(FRAMES)
        middle = stamps(FRAMES)[4:7]
        assert [m.log_ns for m in bag.messages([COLOR], middle[0], middle[-1] + 1)] == middle
        assert (bag.start_ns, bag.broken, bag.losses) == (START_NS, None, {})


def add_other_channels(writer: McapWriter) -> None:
    """JSON, protobuf, ROS 1, and something without a schema, one of them with an image's name and topic."""
    for topic, encoding, *schema in (
        ("/imu", "json", "Imu", "jsonschema", b"{}"),
        ("/log", "protobuf", "Log", "protobuf", b"\n\0"),
        ("/json/image", "json", "sensor_msgs/msg/Image", "jsonschema", b"{}"),
    ):
        number = writer.register_schema(*schema)
        writer.add_message(writer.register_channel(topic, encoding, number), START_NS, b"{}", START_NS)
    writer.add_message(writer.register_channel("/raw", "json", 0), START_NS, b"{}", START_NS)
    ros1 = get_typestore(Stores.ROS1_NOETIC)
    definition, _ = ros1.generate_msgdef("std_msgs/msg/String")
    number = writer.register_schema("std_msgs/String", "ros1msg", definition.encode())
    data = ros1.serialize_ros1(ros1.types["std_msgs/msg/String"]("of ROS 1"), "std_msgs/msg/String")
    writer.add_message(writer.register_channel("/ros1", "ros1", number), START_NS, data, START_NS)


@pytest.mark.parametrize("options", [{}, {"use_chunking": False}, {"use_statistics": False}])
def test_channels_that_hold_no_ros_messages_do_not_matter(tmp_path: Path, mcap: Path, options: dict) -> None:
    with open_bag(rewritten(mcap, tmp_path / "x.mcap", add_other_channels, **options)) as bag:
        assert log_times(bag) == stamps(FRAMES)
        assert [m.message.data for m in bag.messages(["/ros1"])] == ["of ROS 1"]
        assert list(bag.messages(["/imu", "/log", "/raw", "/json/image"])) == []
        assert bag.topics["/json/image"].msgtype == "sensor_msgs/msg/Image in json"
        assert (bag.broken, bag.losses) == (None, {})


def test_messages_come_in_the_order_recorded_from_a_file_with_one_topic_after_the_other(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        for topic in ("/a", "/b"):
            for i in range(30):
                noise = np.random.default_rng(i).integers(0, 256, (200, 600), np.uint8)
                bag.write_image(topic, START_NS + 2 * i + (topic == "/b"), "optical", noise, "mono8")
    with open_bag(tmp_path / "x.mcap") as read:
        assert [m.log_ns - START_NS for m in read.messages(["/a", "/b"])] == list(range(60))
        assert [m.log_ns - START_NS for m in read.messages(["/b"], START_NS + 30, START_NS + 34)] == [31, 33]


def write_noise(path: Path, kind: str = "mcap") -> Path:
    """Several chunks, for noise cannot be compressed: 40 images of 120 kB."""
    with BagWriter(path) as bag:
        for i in range(40):
            noise = np.random.default_rng(i).integers(0, 256, (200, 600), np.uint8)
            bag.write_image("/noise", START_NS + i, "optical", noise, "mono8")
    return path


@pytest.mark.parametrize("indexed", [True, False])
def test_what_comes_after_a_damaged_chunk_is_read(tmp_path: Path, indexed: bool) -> None:
    path = write_noise(tmp_path / "x.mcap")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 100] = bytes(100)
    path.write_bytes(content if indexed else content[:-60])
    with open_bag(path) as bag:
        assert (bag.broken is None) == indexed  # then nothing was read yet
        times = [time - START_NS for time in log_times(bag, "/noise")]
    assert times[:10] == list(range(10))
    assert times[-5:] == list(range(35, 40))
    assert 25 < len(times) < 40
    assert "What lies in the same chunk is lost, the rest was read" in str(bag.broken)


def test_of_a_ros_1_bag_what_comes_after_a_damaged_chunk_is_read(tmp_path: Path) -> None:
    path = write_ros1_bag(tmp_path / "x.bag", frames=200, compression="LZ4")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = bytes(2000)
    path.write_bytes(content)
    with open_bag(path) as bag:
        times = log_times(bag)
    assert 100 < len(times) < 200
    assert times[:20] == stamps(200)[:20]
    assert times[-20:] == stamps(200)[-20:]
    assert len(set(times)) == len(times)
    assert "damaged" in str(bag.broken)


def test_of_a_sqlite_bag_what_comes_after_damaged_pages_is_read(tmp_path: Path) -> None:
    path = next(write_ros2_bag(tmp_path / "x", frames=60).glob("*.db3"))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 8 * 4096] = b"\xff" * (8 * 4096)
    path.write_bytes(content)
    with open_bag(path) as bag:
        times = log_times(bag)
        told = bag.broken or bag.losses
    assert 40 < len(times) <= 60
    assert times[:5] == stamps(60)[:5]
    assert times[-5:] == stamps(60)[-5:]
    assert told


def with_broken_messages(path: Path, broken: set[int], kind: str) -> Path:
    """A bag in which some images' bytes are none."""
    types = get_typestore(Stores.LATEST)
    if kind == "db3":
        path = next(write_ros2_bag(path, frames=FRAMES).glob("*.db3"))
        with closing(sqlite3.connect(path)) as database:
            replace = "UPDATE messages SET data = ? WHERE timestamp = ?"
            database.executemany(replace, [(b"\0\1\0\0none", stamps(FRAMES)[i]) for i in broken])
            database.commit()
        return path
    header = types.types["std_msgs/msg/Header"](types.types["builtin_interfaces/msg/Time"](0, 0), "")
    image = types.types["sensor_msgs/msg/Image"](header, 1, 1, "mono8", 0, 1, np.zeros(1, np.uint8))
    good = bytes(types.serialize_cdr(image, "sensor_msgs/msg/Image"))
    with BagWriter(path) as bag:
        for i, stamp in enumerate(stamps(FRAMES)):
            bag.write(COLOR, stamp, "sensor_msgs/msg/Image", good[:20] if i in broken else good)
    return path


@pytest.mark.parametrize(("kind", "name"), [("db3", "x"), ("mcap", "x.mcap")])
def test_a_message_that_cannot_be_read_is_left_out_counted_and_told(tmp_path: Path, kind: str, name: str) -> None:
    with open_bag(with_broken_messages(tmp_path / name, {0, 3, 4}, kind)) as bag:
        for _ in range(2):  # however often it is read
            assert log_times(bag) == [stamp for i, stamp in enumerate(stamps(FRAMES)) if i not in (0, 3, 4)]
        assert bag.broken is None
        (told,) = (text for text in bag.describe_losses() if COLOR in text)
    assert told.startswith(f"3 of the {FRAMES} messages of {COLOR} could not be read. The first was recorded 0.000 s")


def test_a_type_that_is_defined_in_a_way_nobody_understands_harms_no_other(tmp_path: Path, mcap: Path) -> None:
    def add(writer: McapWriter) -> None:
        number = writer.register_schema("odd_msgs/msg/Odd", "ros2msg", b"???! what\n=\xff")
        writer.add_message(writer.register_channel("/odd", "cdr", number), START_NS, b"\0\1\0\0", START_NS)

    with open_bag(rewritten(mcap, tmp_path / "x.mcap", add)) as bag:
        assert log_times(bag) == stamps(FRAMES)
        assert list(bag.messages(["/odd"])) == []
        assert "odd_msgs/msg/Odd is not defined" in bag.describe_losses()[0]


COMPRESSORS = {
    ".zstd": zstandard.compress, ".zst": zstandard.compress, ".gz": gzip.compress, ".bz2": bz2.compress,
    ".lz4": lz4.frame.compress,
}


@pytest.mark.parametrize("suffix", [*COMPRESSORS, ".active", ".partial"])
@pytest.mark.parametrize("write", [write_ros1_bag, write_ros2_bag])
def test_a_file_compressed_as_a_whole_or_under_its_recorders_name_is_read(tmp_path: Path, write, suffix: str) -> None:
    path = write(tmp_path / "x.bag", frames=FRAMES)
    path = path if path.is_file() else next(path.glob("*.db3"))
    packed = path.with_name(path.name + suffix)
    packed.write_bytes(COMPRESSORS.get(suffix, bytes)(path.read_bytes()))
    with open_bag(packed) as bag:
        assert log_times(bag) == stamps(FRAMES)
        assert bag.broken is None
        assert bag.path == packed


def test_a_compressed_file_that_is_cut_off_is_unpacked_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = write_noise(tmp_path / "x.mcap").read_bytes()
    packed = tmp_path / "y.mcap.zstd"
    packed.write_bytes(zstandard.compress(whole)[: len(whole) * 6 // 10])
    with open_bag(packed) as bag:
        times = [time - START_NS for time in log_times(bag, "/noise")]
        assert times == list(range(len(times)))
        assert 10 < len(times) < 40
        assert "y.mcap.zstd" in str(bag.broken)


def test_a_killed_recording_with_parts_compressed_and_not_is_read_whole(tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    folder.mkdir()
    for part in range(3):
        with BagWriter(folder / f"recording_{part}.mcap") as bag:
            for i in range(5):
                bag.write_image("/a", START_NS + 10 * part + i, "x", np.zeros((2, 2), np.uint8), "mono8")
    first, second = folder / "recording_0.mcap", folder / "recording_1.mcap"
    first.with_suffix(".mcap.zstd").write_bytes(zstandard.compress(first.read_bytes()))
    first.unlink()
    second.with_suffix(".mcap.zstd").write_bytes(zstandard.compress(second.read_bytes())[:40])  # killed while at it
    (folder / "._recording_0.mcap").write_bytes(b"\0\5\x16\7Mac OS X")
    (folder / "recording_3.mcap").write_bytes(b"")
    with open_bag(folder) as read:
        assert [t - START_NS for t in log_times(read, "/a")] == [10 * part + i for part in range(3) for i in range(5)]
        assert read.broken is None


def test_files_that_the_metadata_do_not_know_of_are_read_and_those_missing_are_told(tmp_path: Path) -> None:
    folder = write_ros2_bag(tmp_path / "x", frames=4, storage=StoragePlugin.MCAP)
    with BagWriter(folder / "x_1.mcap") as bag:
        bag.write_image("/late", START_NS + 10**9, "x", np.zeros((2, 2), np.uint8), "mono8")
    with open_bag(folder) as read:
        assert (read.topics[COLOR].count, read.topics["/late"].count) == (4, 1)
        assert "does not know of x_1.mcap" in read.notes[0]
        assert read.broken is None
    next(folder.glob("x.mcap")).unlink()
    with open_bag(folder) as read:
        assert log_times(read, "/late") == [START_NS + 10**9]
        assert "x.mcap: this part of the recording is missing" in str(read.broken)


def test_metadata_that_are_wrong_or_no_yaml_are_not_needed(tmp_path: Path) -> None:
    for text in ("no: [yaml", "", "rosbag2_bagfile_information: 3"):
        folder = write_ros2_bag(tmp_path / f"x{len(text)}", frames=4)
        (folder / "metadata.yaml").write_text(text)
        with open_bag(folder) as bag:
            assert log_times(bag) == stamps(4)


def test_a_bag_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    path = next(write_ros2_bag(tmp_path / "x", frames=4).glob("*.db3"))
    with open_bag(path.rename(tmp_path / "really_sqlite.mcap")) as bag:
        assert log_times(bag) == stamps(4)


def test_several_readings_may_be_under_way(tmp_path: Path) -> None:
    for write, name in ((write_ros1_bag, "x.bag"), (write_ros2_bag, "x")):
        with open_bag(write(tmp_path / name, frames=FRAMES)) as bag:
            pairs = zip(bag.messages([COLOR]), bag.messages(["/camera/depth/image_raw"]), strict=True)
            assert [(a.log_ns, b.log_ns) for a, b in pairs] == [(stamp, stamp) for stamp in stamps(FRAMES)]


def test_an_empty_bag_beside_others_is_no_damage(tmp_path: Path) -> None:
    folder = write_ros2_bag(tmp_path / "x", frames=4, storage=StoragePlugin.MCAP)
    with BagWriter(folder / "x_1.mcap"):
        pass
    with open_bag(folder) as bag:
        assert log_times(bag) == stamps(4)
        assert bag.broken is None
    with pytest.raises(BagError, match="bag is empty"):
        open_bag(folder / "x_1.mcap")
