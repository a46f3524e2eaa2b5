"""Recordings of a few bytes that would be gigabytes, or would never end: a clear error instead."""

from __future__ import annotations

import bz2
import resource
import sqlite3
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import pytest
import zstandard
from rosbags.rosbag2 import StoragePlugin

from avtar_ros.bags import unpacking
from avtar_ros.bags.bag import BagError, plain
from avtar_ros.bags.mcap_records import chunk_data
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.unpacking import TooLargeError, unpack_bz2, unpack_lz4, unpack_zstd
from tests.tiny_bags import write_ros1_bag, write_ros2_bag

ZEROS = bytes(2**20)


@pytest.fixture
def one_mebibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_BYTES", 2**20)


def without_size(data: bytes) -> bytes:
    """A zstd frame that does not say how large it is."""
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(data) + packer.flush()


@pytest.mark.usefixtures("one_mebibyte")
@pytest.mark.parametrize(
    ("pack", "unpack"),
    [
        (zstandard.ZstdCompressor().compress, unpack_zstd),
        (without_size, unpack_zstd),
        (lz4.frame.compress, unpack_lz4),
        (bz2.compress, unpack_bz2),
    ],
)
def test_no_more_than_the_bound_is_unpacked(pack: Any, unpack: Any) -> None:
    assert unpack(pack(ZEROS[:-10])) == ZEROS[:-10]
    for times in (2, 50):
        with pytest.raises(TooLargeError):
            unpack(pack(ZEROS * times))


def test_what_a_frame_claims_is_read_before_it_is_unpacked() -> None:
    frame = bytearray(zstandard.ZstdCompressor().compress(bytes(2**26)))
    assert zstandard.frame_content_size(bytes(frame)) == 2**26
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    huge = frame.replace((2**26).to_bytes(4, "little"), (2**31).to_bytes(4, "little"), 1)
    with pytest.raises(TooLargeError, match="2048 MiB, where 256 are read at most"):
        plain(bytes(huge))
    with pytest.raises(TooLargeError, match="a chunk of"):
        chunk_data(np.array([0, 0, 2**40], "<u8").tobytes() + bytes(8) + b"")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


@pytest.mark.usefixtures("one_mebibyte")
@pytest.mark.parametrize("compression", ["BZ2", "LZ4"])
def test_bags_of_ros_1_are_bounded_by_their_index_and_without(tmp_path: Path, compression: str) -> None:
    whole = write_ros1_bag(tmp_path / "x.bag", 150, compression)
    with open_bag(whole) as bag:
        assert not list(bag.messages(["/camera/color/image_raw"]))
        assert bag.broken is not None



VIEW = "CREATE VIEW messages AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) "
VIEW += "SELECT id, 1 AS topic_id, id AS timestamp, x'00' AS data FROM n"
VIRTUAL = "CREATE VIRTUAL TABLE messages USING fts5(id, topic_id, timestamp, data)"


@pytest.mark.parametrize("endless", [VIEW, VIRTUAL])
def test_what_is_no_table_is_not_asked(tmp_path: Path, endless: str) -> None:
    write_ros2_bag(tmp_path / "bag", 3, StoragePlugin.SQLITE3)
    (path,) = (tmp_path / "bag").glob("*.db3")
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE messages")
        database.execute(endless)
    database.close()
    with pytest.raises(BagError, match="has no table messages"):
        open_bag(path)


def test_metadata_nested_very_deeply_are_passed_over(tmp_path: Path) -> None:
    write_ros2_bag(tmp_path / "bag", 3, StoragePlugin.SQLITE3)
    (tmp_path / "bag/metadata.yaml").write_text("[" * 50_000)
    with open_bag(tmp_path / "bag") as bag:
        assert bag.topics["/camera/color/image_raw"].count == 3
