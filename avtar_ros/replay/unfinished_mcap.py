"""MCAP files whose recording was cut off: no index at the end."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from mcap.exceptions import EndOfFile
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from avtar_ros.replay.bag_reader import Bag, BagError, BagMessage, Topic, plain


class UnfinishedMcap(Bag):
    """Reads record after record up to the break; once in advance, to learn which topics there are.

    Raises `unreadable`, the error of opening it by its index, if not one message can be had from it.
    """

    def __init__(self, path: Path, unreadable: BagError) -> None:
        self.path = path
        self.topics = {}
        self.start_ns, self.end_ns = 2**63 - 1, 0
        self._types: dict[str, str] = {}
        for channel, message in self._records():
            topic = self.topics.setdefault(channel.topic, Topic(self._types[channel.topic]))
            topic.count += 1
            self.start_ns = min(self.start_ns, message.log_time)
            self.end_ns = max(self.end_ns, message.log_time)
        if not self.topics:
            raise unreadable

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        start_ns = self.start_ns if start_ns is None else start_ns
        stop_ns = self.end_ns + 1 if stop_ns is None else stop_ns
        for channel, message in self._records():
            if channel.topic in topics and start_ns <= message.log_time < stop_ns:
                content = self._typestore.deserialize_cdr(plain(message.data), self._types[channel.topic])
                yield BagMessage(channel.topic, message.log_time, content)

    def _records(self) -> Iterator[tuple[Channel, Message]]:
        """The messages and where they belong; at the break it ends and sets `broken`."""
        self._typestore = get_typestore(Stores.LATEST)
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        log_ns = 0
        try:
            with self.path.open("rb") as file:
                for record in StreamReader(file, validate_crcs=True).records:
                    if isinstance(record, Message):
                        log_ns = record.log_time
                        yield channels[record.channel_id], record
                    elif isinstance(record, Schema):
                        schemas[record.id] = record
                    elif isinstance(record, Channel):
                        channels[record.id] = record
                        self._add_type(record.topic, schemas[record.schema_id])
        except EndOfFile:
            self._break(log_ns, EOFError("the file ends within a record"))
        # Whatever else the parsers stumble over, an error of any type, is where the file breaks.
        except Exception as error:  # noqa: BLE001
            self._break(log_ns, error)

    def _add_type(self, topic: str, schema: Schema) -> None:
        self._types[topic] = schema.name
        if schema.encoding == "ros2msg":
            found = get_types_from_msg(schema.data.decode(), schema.name)
            self._typestore.register({k: v for k, v in found.items() if k not in self._typestore.types})

    def close(self) -> None:
        """Nothing stays open between readings."""
