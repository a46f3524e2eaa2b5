"""Bags in one MCAP file: by its index where that is complete, else record after record. Damaged chunks are left out."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, Schema

from avtar_ros.bags import mcap_records as mcap
from avtar_ros.bags.bag import Bag, BagError, BagMessage, Topic, unopened
from avtar_ros.bags.types import CDR, ROS1, MessageTypes, normal_type

_FORMS = {CDR: ("ros2msg", "ros2idl"), ROS1: ("ros1msg",)}


class _Channel(NamedTuple):
    topic: str
    msgtype: str
    encoding: str
    """CDR, ROS1, or "" for what is no ROS message."""


class McapBag(Bag):
    """Reads a file. Without a complete index it is read once in advance, to learn what is in it.

    Channels that hold no ROS messages, such as JSON, are topics of a type that says so, without messages.
    """

    def __init__(self, path: Path, file: Path | None = None) -> None:
        """Raises BagError if not one message can be had."""
        super().__init__(path, file)
        self._types = MessageTypes()
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, _Channel] = {}
        self._chunks: list[ChunkIndex] | None = None
        with self._file.open("rb") as opened:
            if not mcap.begins_as_mcap(opened):
                raise unopened(path, ValueError("it does not begin as an MCAP file does"))
            counts = self._read_summary(opened)
        if counts is None:
            counts = Counter()
            for stored in self._in_file_order():
                counts[stored.channel] += 1
                self.start_ns, self.end_ns = min(self.start_ns, stored.log_ns), max(self.end_ns, stored.log_ns)
        for number, channel in self._channels.items():
            self.topics.setdefault(channel.topic, Topic(channel.msgtype)).count += counts[number]
        if not counts.total():
            if self.broken:
                raise unopened(path, ValueError(self.broken))
            raise BagError(f"{path}: the bag is empty. Record again, with the camera running.")

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        start_ns = self.start_ns if start_ns is None else start_ns
        stop_ns = self.end_ns + 1 if stop_ns is None else stop_ns
        indexed = self._chunks is not None
        stored = self._in_order(self._chunks or [], topics, start_ns, stop_ns) if indexed else self._in_file_order()
        for log_ns, number, data in stored:
            channel = self._channels.get(number)
            if channel is None or channel.topic not in topics or not channel.encoding:
                continue
            if not start_ns <= log_ns < stop_ns:
                continue
            try:
                message = self._types.read(data, channel.encoding, channel.msgtype)
            except Exception as error:  # noqa: BLE001, whatever the parser raises of a damaged message
                self._lose(channel.topic, log_ns, error)
                continue
            yield BagMessage(channel.topic, log_ns, message)

    def _read_summary(self, file: BinaryIO) -> Counter[int] | None:
        """How many messages each channel has; None where the file does not say, or not of all."""
        summary = mcap.complete_summary(file)
        if summary is None or summary.statistics is None:
            return None
        for schema in summary.schemas.values():
            self._add_schema(schema)
        for channel in summary.channels.values():
            self._add_channel(channel)
        self._chunks = sorted(summary.chunk_indexes, key=lambda chunk: chunk.message_start_time)
        self.start_ns = summary.statistics.message_start_time
        self.end_ns = summary.statistics.message_end_time
        return Counter(summary.statistics.channel_message_counts)

    def _in_order(
        self, chunks: list[ChunkIndex], topics: Collection[str], start_ns: int, stop_ns: int
    ) -> Iterator[mcap.StoredMessage]:
        """The messages of chunks in the order recorded; those of other topics may be among them."""
        wanted = {number for number, channel in self._channels.items() if channel.topic in topics}
        waiting: list[tuple[int, int, mcap.StoredMessage]] = []
        count = itertools.count()
        with self._file.open("rb") as file:
            for chunk in chunks:
                if chunk.message_end_time < start_ns or chunk.message_start_time >= stop_ns:
                    continue
                if chunk.message_index_offsets and not wanted & chunk.message_index_offsets.keys():
                    continue
                while waiting and waiting[0][0] < chunk.message_start_time:
                    yield heapq.heappop(waiting)[2]
                record = mcap.Record(
                    Opcode.CHUNK, chunk.chunk_start_offset + 9, chunk.chunk_start_offset + chunk.chunk_length
                )
                for stored in self._chunk(mcap.read_record(file, record), chunk.message_start_time):
                    if stored.channel in wanted:
                        heapq.heappush(waiting, (stored.log_ns, next(count), stored))
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _in_file_order(self) -> Iterator[mcap.StoredMessage]:
        """All messages as they lie in the file."""
        log_ns = self.start_ns if self.topics else 0
        with self._file.open("rb") as file:
            for record in mcap.records(file):
                if record.too_large:
                    self._note_damage(log_ns, ValueError("a record is too large"), "What lies elsewhere was read")
                    found: Iterator[mcap.StoredMessage] = iter(())
                elif record.opcode == Opcode.CHUNK and not record.cut:
                    found = self._chunk(mcap.read_record(file, record), log_ns)
                elif record.opcode == Opcode.CHUNK:
                    found = self._inner(mcap.begun_chunk_data(mcap.read_record(file, record)))
                elif record.opcode in (Opcode.MESSAGE, Opcode.SCHEMA, Opcode.CHANNEL) and not record.cut:
                    found = self._record(record.opcode, memoryview(mcap.read_record(file, record)))
                else:
                    found = iter(())
                for stored in found:
                    log_ns = stored.log_ns
                    yield stored
                if record.cut:
                    self._break(log_ns, EOFError("the file ends within a record"))

    def _chunk(self, content: bytes, log_ns: int) -> Iterator[mcap.StoredMessage]:
        """The messages of a chunk; none where it is damaged, which is noted."""
        try:
            data = mcap.chunk_data(content)
        except Exception as error:  # noqa: BLE001, whatever decompressors raise
            self._note_damage(log_ns, error, "What lies in the same chunk is lost, the rest was read")
            return
        yield from self._inner(data)

    def _inner(self, data: memoryview) -> Iterator[mcap.StoredMessage]:
        for opcode, content in mcap.inner_records(data):
            yield from self._record(opcode, content)

    def _record(self, opcode: int, content: memoryview) -> Iterator[mcap.StoredMessage]:
        """The message in a record, if it is one; what tells of messages is kept."""
        if opcode == Opcode.MESSAGE:
            yield mcap.message(content)
        elif opcode == Opcode.SCHEMA:
            self._add_schema(mcap.schema(content))
        elif opcode == Opcode.CHANNEL:
            self._add_channel(mcap.channel(content))

    def _add_schema(self, schema: Schema) -> None:
        if schema.id not in self._schemas:
            self._schemas[schema.id] = schema
            if any(schema.encoding in forms for forms in _FORMS.values()):
                self._types.add(schema.name, schema.encoding, schema.data.decode(errors="replace"))

    def _add_channel(self, channel: Channel) -> None:
        if channel.id in self._channels:
            return
        schema = self._schemas.get(channel.schema_id)
        encoding = channel.message_encoding
        if encoding in _FORMS and schema is not None and schema.name:
            self._channels[channel.id] = _Channel(channel.topic, normal_type(schema.name), encoding)
        else:
            name = f"{schema.name} in {encoding}" if schema is not None and schema.name else f"{encoding or 'unknown'}"
            self._channels[channel.id] = _Channel(channel.topic, name, "")
