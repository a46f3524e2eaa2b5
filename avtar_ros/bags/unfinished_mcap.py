"""MCAP files whose recording was cut off: no index at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcap.exceptions import EndOfFile
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.typesys import Stores, get_typestore

from avtar_ros.bags.bag import plain
from avtar_ros.bags.unfinished import StoredMessage, UnfinishedBag


class UnfinishedMcap(UnfinishedBag):
    """Reads record after record."""

    def stored(self) -> Iterator[StoredMessage]:
        self.typestore = get_typestore(Stores.LATEST)
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        with self.path.open("rb") as file:
            records = StreamReader(file, validate_crcs=True).records
            while (record := _next(records)) is not None:
                if isinstance(record, Message):
                    channel = channels[record.channel_id]
                    msgtype = schemas[channel.schema_id].name
                    yield StoredMessage(channel.topic, msgtype, record.log_time, record.data)
                elif isinstance(record, Schema):
                    schemas[record.id] = record
                    if record.encoding == "ros2msg":
                        self.add_type(record.name, record.data.decode())
                elif isinstance(record, Channel):
                    channels[record.id] = record

    def deserialize(self, message: StoredMessage) -> Any:
        return self.typestore.deserialize_cdr(plain(message.data), message.msgtype)


def _next(records: Iterator[Any]) -> Any:
    """The next record, None after the last; raises EOFError, which says what happened, within one."""
    try:
        return next(records, None)
    except EndOfFile as error:
        raise EOFError("the file ends within a record") from error
