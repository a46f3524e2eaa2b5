"""Bags of ROS 1 (http://wiki.ros.org/Bags/Format/2.0): by their index, or where that is missing record after record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rosbags.interfaces import Connection
from rosbags.rosbag1 import Reader
from rosbags.rosbag1.reader import Header, RecordType, decompressors, read_bytes, read_uint32

from avtar_ros.bags.bag import Bag, BagError, BagMessage, Topic, unopened
from avtar_ros.bags.types import ROS1, MessageTypes, normal_type
from avtar_ros.bags.unpacking import unpack_bz2, unpack_lz4

UNPACK: dict[str, Callable[[bytes], bytes]] = {"none": bytes, "bz2": unpack_bz2, "lz4": unpack_lz4}
MAGIC = b"#ROSBAG V2.0\n"


class StoredMessage(NamedTuple):
    """A message as it lies in the file."""

    topic: str
    msgtype: str
    log_ns: int
    data: bytes


class Ros1Bag(Bag):
    """Reads a .bag file. One without an index is read once in advance, to learn what is in it."""

    def __init__(self, path: Path, file: Path | None = None) -> None:
        """Raises BagError if not one message can be had."""
        super().__init__(path, file)
        self._types = MessageTypes()
        self._reader: Reader | None = None
        # The parser lets through whatever it stumbles over in a damaged file, errors of any type.
        try:
            self._reader = Reader(self._file)
            self._reader.open()
            bounded = {decompressors[name]: unpack for name, unpack in UNPACK.items()}
            self._reader.chunks = {
                place: chunk._replace(decompressor=bounded[chunk.decompressor])
                for place, chunk in self._reader.chunks.items()
            }
        except Exception as error:  # noqa: BLE001
            self._reader = None
            self._learn(error)
        else:
            self.on_close(self._reader.close)
            for connection in self._reader.connections:
                self._types.add(connection.msgtype, "ros1msg", connection.msgdef.data)
                self.topics.setdefault(connection.topic, Topic(connection.msgtype)).count += connection.msgcount
            self.start_ns, self.end_ns = self._reader.start_time, self._reader.end_time
        if not any(topic.count for topic in self.topics.values()):
            self.close()
            raise BagError(f"{path}: the bag is empty. Record again, with the camera running.")

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        start_ns = self.start_ns if start_ns is None else start_ns
        stop_ns = self.end_ns + 1 if stop_ns is None else stop_ns
        for topic, msgtype, log_ns, data in self._stored_between(topics, start_ns, stop_ns):
            try:
                message = self._types.read(data, ROS1, msgtype)
            except Exception as error:  # noqa: BLE001, whatever the parser raises of a damaged message
                self._lose(topic, log_ns, error)
                continue
            yield BagMessage(topic, log_ns, message)

    def _learn(self, unreadable: Exception) -> None:
        """What there is in a file without an index; raises BagError if there is nothing."""
        for message in self._in_file_order():
            self.topics.setdefault(message.topic, Topic(message.msgtype)).count += 1
            self.start_ns, self.end_ns = min(self.start_ns, message.log_ns), max(self.end_ns, message.log_ns)
        if not self.topics:
            raise unopened(self.path, unreadable) from unreadable

    def _stored_between(self, topics: Collection[str], start_ns: int, stop_ns: int) -> Iterator[StoredMessage]:
        """By the index as far as that works, and from there on in the order of the file."""
        last_ns, at_last = start_ns, 0
        if self._reader is not None:
            wanted: list[Connection] = [c for c in self._reader.connections if c.topic in topics]
            if not wanted:  # rosbags would take none for all
                return
            try:
                for connection, log_ns, data in self._reader.messages(wanted, start_ns, stop_ns):
                    at_last = at_last + 1 if log_ns == last_ns else 1
                    last_ns = log_ns
                    yield StoredMessage(connection.topic, connection.msgtype, log_ns, data)
                return
            except Exception:  # noqa: BLE001, here too. What is wrong the other reading says
                pass
        for message in self._in_file_order():
            if message.topic in topics and last_ns <= message.log_ns < stop_ns:
                if message.log_ns == last_ns and at_last:
                    at_last -= 1
                    continue
                yield message

    def _in_file_order(self) -> Iterator[StoredMessage]:
        """All messages from the first on. What is damaged is left out, and noted."""
        connections: dict[int, tuple[str, str]] = {}
        at_ns = [self.start_ns if self.topics else 0]

        def note(error: Exception) -> None:
            self._note_damage(at_ns[0], error, "What could be read elsewhere was")

        try:
            with self._file.open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise ValueError("it does not begin as a ROS 1 bag does")
                for message in self._records(file, connections, note):
                    at_ns[0] = message.log_ns
                    yield message
        except Exception as error:  # noqa: BLE001, whatever the parser raises of a file that is cut off
            self._break(at_ns[0], error)

    def _records(
        self, file: BinaryIO, connections: dict[int, tuple[str, str]], note: Callable[[Exception], None]
    ) -> Iterator[StoredMessage]:
        while file.read(1):
            file.seek(-1, 1)
            header = Header.read(file)
            kind, size = header.get_uint8("op"), read_uint32(file)
            if kind == RecordType.CHUNK:
                content = file.read(size)
                try:
                    inner = BytesIO(UNPACK[header.get_string("compression")](content))
                    yield from self._records(inner, connections, note)
                except Exception as error:  # noqa: BLE001, of one chunk, whatever decompressors and parsers raise
                    if len(content) == size:
                        note(error)
                if len(content) < size:
                    raise EOFError("the file ends within a chunk")
                continue
            data = read_bytes(file, size)
            if kind == RecordType.CONNECTION:
                about = Header.read(BytesIO(len(data).to_bytes(4, "little") + data))
                msgtype = normal_type(about.get_string("type"))
                self._types.add(msgtype, "ros1msg", about.get_string("message_definition"))
                connections[header.get_uint32("conn")] = header.get_string("topic"), msgtype
            elif kind == RecordType.MSGDATA:
                with suppress(KeyError):  # of a connection that lay in a damaged chunk, until it is told again
                    topic, msgtype = connections[header.get_uint32("conn")]
                    yield StoredMessage(topic, msgtype, header.get_time("time"), data)
