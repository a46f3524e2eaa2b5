"""Reading bags: ROS 1, ROS 2 SQLite and MCAP, without a ROS installation, up to where a damaged one breaks.

    with open_bag(Path("recording")) as bag:
        for topic, log_ns, message in bag.messages(["/camera/image_raw"]):
            ...
    if bag.broken:
        print(bag.broken)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from avtar_ros.errors import AvtarError

SUFFIXES = (".mcap", ".db3", ".bag")


class BagError(AvtarError):
    """A bag that cannot be read, or lacks what was asked for."""


@dataclass
class Topic:
    """A topic as recorded; `msgtype` in the form "sensor_msgs/msg/Image", also for ROS 1."""

    msgtype: str
    count: int = 0


class BagMessage(NamedTuple):
    """`log_ns`: when it was recorded; when it was taken says its header."""

    topic: str
    log_ns: int
    message: Any


class Bag(AbstractContextManager["Bag"]):
    """An open bag. Read it from one thread at a time."""

    path: Path
    topics: dict[str, Topic]
    start_ns: int
    end_ns: int
    broken: str | None = None
    """What is damaged and where, once reading has come upon it."""

    @abstractmethod
    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """The messages of these topics, in the order recorded. At damage it ends and sets `broken`.

        Only those recorded at or after `start_ns` and before `stop_ns`, where given.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the files."""

    def __exit__(self, *_: object) -> None:
        self.close()

    def describe_topics(self) -> str:
        """All topics with type and count, one a line, for error messages."""
        return "\n".join(f"  {name}  {t.msgtype}  ({t.count})" for name, t in sorted(self.topics.items()))

    def _break(self, log_ns: int, error: Exception) -> None:
        """Note the damage met after the message recorded at `log_ns`."""
        self.broken = (
            f"{self.path}: damaged {(log_ns - self.start_ns) / 1e9:.3f} s after its start ({_text(error)}). "
            "It was read up to there; copy or record it again to have the rest."
        )


def open_bag(path: Path) -> Bag:
    """Open a bag's folder or file. Raises BagError where it is missing, empty, or no bag."""
    files = _bag_files(path)
    try:
        return IndexedBag(path, files)
    except BagError as error:
        return _open_damaged(path, error)


def _open_damaged(path: Path, unreadable: BagError) -> Bag:
    """A bag of which some files cannot be read by their index; raises `unreadable` where nothing can be had."""
    from avtar_ros.replay.unfinished import SplitBag

    files = [path] if path.is_file() else [f for suffix in SUFFIXES for f in sorted(path.glob(f"*{suffix}"))]
    if len(files) == 1:
        return _unfinished(files[0], unreadable)
    parts, lost = [], []
    for file in files:
        part = _open_part(file)
        if isinstance(part, Bag):
            parts.append(part)
        else:
            lost.append(str(part))
    if not parts:
        raise unreadable
    return SplitBag(path, parts, "\n".join(lost) or None)


def _open_part(path: Path) -> Bag | BagError:
    """A file by its index or without; the error where not one message can be had from it."""
    try:
        return IndexedBag(path, [path])
    except BagError as error:
        try:
            return _unfinished(path, error)
        except BagError as nothing:
            return nothing


def _unfinished(path: Path, unreadable: BagError) -> Bag:
    """A file read without its index. Each kind's reader is imported when it is needed."""
    from avtar_ros.replay.unfinished_mcap import UnfinishedMcap
    from avtar_ros.replay.unfinished_ros1 import UnfinishedRos1
    from avtar_ros.replay.unfinished_sqlite import UnfinishedSqlite

    if path.suffix == ".mcap":
        return UnfinishedMcap(path, unreadable)
    return UnfinishedRos1(path, unreadable) if path.suffix == ".bag" else UnfinishedSqlite(path, unreadable)


class IndexedBag(Bag):
    """A bag with its index in place, which is every bag whose recording was ended properly."""

    def __init__(self, path: Path, files: list[Path]) -> None:
        self.path = path
        # The parsers let through whatever they stumble over in a damaged file, errors of any type.
        try:
            self._reader = AnyReader(files, default_typestore=get_typestore(Stores.LATEST))
            self._reader.open()
        except Exception as error:
            raise BagError(
                f"{path}: cannot be opened as a bag ({_text(error)}). If its recording was cut off, "
                "`ros2 bag reindex`, or `rosbag reindex` for ROS 1, helps. Otherwise copy or record it again."
            ) from error
        self.topics = {
            name: Topic(info.msgtype or "several types", info.msgcount)
            for name, info in self._reader.topics.items()
        }
        if not self._reader.message_count:
            self.close()
            raise BagError(f"{path}: the bag is empty. Record again, with the camera running.")
        self.start_ns, self.end_ns = self._reader.start_time, self._reader.end_time

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        connections = [connection for connection in self._reader.connections if connection.topic in topics]
        if not connections:  # rosbags would take none for all
            return
        log_ns = self.start_ns
        # Here too, an error of any type is where the bag breaks.
        try:
            for connection, log_ns, raw in self._reader.messages(connections, start_ns, stop_ns):
                message = self._reader.deserialize(plain(raw), connection.msgtype)
                yield BagMessage(connection.topic, log_ns, message)
        except Exception as error:  # noqa: BLE001
            self._break(log_ns, error)

    def close(self) -> None:
        self._reader.close()


def plain(raw: bytes) -> bytes:
    """A message's bytes, decompressed where rosbag2 compressed it: bare files do not say so elsewhere."""
    if bytes(raw[:4]) == zstandard.FRAME_HEADER:
        return zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    return raw


def _text(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _bag_files(path: Path) -> list[Path]:
    """What to open: a file, a folder with metadata, or the parts in a folder without."""
    if not path.exists():
        raise BagError(f"{path}: no such bag. Give a bag's folder, or a .mcap, .db3 or .bag file.")
    if path.is_dir():
        if (path / "metadata.yaml").is_file():
            return [path]
        for suffix in SUFFIXES:
            if parts := sorted(path.glob(f"*{suffix}")):
                return parts
        raise BagError(f"{path}: no bag in this folder: neither metadata.yaml nor {', '.join(SUFFIXES)}.")
    if path.suffix not in SUFFIXES:
        raise BagError(f"{path}: not a bag by its name. Known: {', '.join(SUFFIXES)}, or a bag's folder.")
    if not path.stat().st_size:
        raise BagError(f"{path}: the file is empty. Copy or record it again.")
    return [path]
