"""ROS 1 bags whose recording was cut off: no index at the end (http://wiki.ros.org/Bags/Format/2.0)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO

from rosbags.rosbag1.reader import Header, RecordType, decompressors, read_bytes, read_uint32
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.msg import normalize_msgtype

from avtar_ros.bags.unfinished import StoredMessage, UnfinishedBag

MAGIC = b"#ROSBAG V2.0\n"


class UnfinishedRos1(UnfinishedBag):
    """Reads record after record, those in chunks as well; of the last chunk what there is of it."""

    def stored(self) -> Iterator[StoredMessage]:
        self.typestore = get_typestore(Stores.EMPTY)  # types are as the bag has them
        self._connections: dict[int, tuple[str, str]] = {}
        with self.path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it does not begin as a ROS 1 bag does")
            yield from self._records(file)

    def _records(self, file: BinaryIO) -> Iterator[StoredMessage]:
        while file.read(1):
            file.seek(-1, 1)
            header = Header.read(file)
            kind, size = header.get_uint8("op"), read_uint32(file)
            if kind == RecordType.CHUNK:
                content = file.read(size)
                yield from self._records(BytesIO(decompressors[header.get_string("compression")](content)))
                if len(content) < size:
                    raise EOFError("the file ends within a chunk")
                continue
            data = read_bytes(file, size)
            if kind == RecordType.CONNECTION:
                self._add_connection(header, data)
            elif kind == RecordType.MSGDATA:
                yield StoredMessage(*self._connections[header.get_uint32("conn")], header.get_time("time"), data)

    def _add_connection(self, header: Header, data: bytes) -> None:
        about = Header.read(BytesIO(len(data).to_bytes(4, "little") + data))
        msgtype = normalize_msgtype(about.get_string("type"))
        self.add_type(msgtype, about.get_string("message_definition"))
        self._connections[header.get_uint32("conn")] = header.get_string("topic"), msgtype

    def deserialize(self, message: StoredMessage) -> Any:
        return self.typestore.deserialize_ros1(message.data, message.msgtype)
