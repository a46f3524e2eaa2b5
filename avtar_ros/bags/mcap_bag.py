"""Bags in one MCAP file, in the order recorded, whatever its index lacks. Damaged chunks are left out, and told."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Collection, Iterator
from operator import attrgetter
from pathlib import Path
from struct import error as StructError
from typing import BinaryIO, NamedTuple

from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Schema, Statistics
from mcap.summary import Summary

from avtar_ros.bags import mcap_records as mcap
from avtar_ros.bags.bag import Bag, BagError, BagMessage, Topic, unopened
from avtar_ros.bags.mcap_index import Stretch, read_index
from avtar_ros.bags.types import CDR, ROS1, MessageTypes, normal_type
from avtar_ros.bags.unpacking import TooLargeError
from avtar_ros.terminal.names import printable

_MOST_JOINED = 2**20
"""Bytes of records that are read together. Messages outside chunks may be millions, too many to note each."""
_DAMAGE = (McapError, ValueError, StructError)
"""What readers raise of a record that is not as it should be."""
_FORMS = {CDR: ("ros2msg", "ros2idl"), ROS1: ("ros1msg",)}


class _Channel(NamedTuple):
    topic: str
    msgtype: str
    encoding: str
    """CDR, ROS1, or "" for what is no ROS message."""


class McapBag(Bag):
    """Reads a file. What its index does not describe is read once in advance, to learn what is in it.

    Channels that hold no ROS messages, such as JSON, are topics of a type that says so, without messages.
    """

    def __init__(self, path: Path, file: Path | None = None) -> None:
        """Raises BagError if not one message can be had."""
        super().__init__(path, file)
        self._types = MessageTypes()
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, _Channel] = {}
        with self._file.open("rb") as opened:
            if not mcap.begins_as_mcap(opened):
                raise unopened(path, ValueError("it does not begin as an MCAP file does"))
            summary = mcap.summary_of(opened)
            self._stretches, counts = self._survey(opened, summary)
        for number, channel in self._channels.items():
            self.topics.setdefault(channel.topic, Topic(channel.msgtype)).count += counts[number]
        nameless = sum(count for number, count in counts.items() if number not in self._channels)
        if nameless:
            told = f"{path}: of {nameless} messages nothing says what topic they are of; they were left out."
            self.broken = self.broken or told
        if not any(topic.count for topic in self.topics.values()):
            if self.broken:
                raise unopened(path, ValueError(self.broken))
            raise BagError(f"{path}: the bag is empty. Record again, with the camera running.")
        if summary is not None and summary.statistics is not None:
            self._compare(summary.statistics)

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        whole = start_ns is None and stop_ns is None
        start_ns = self.start_ns if start_ns is None else start_ns
        stop_ns = self.end_ns + 1 if stop_ns is None else stop_ns
        found: Counter[str] = Counter()
        for log_ns, number, data in self._in_order(topics, start_ns, stop_ns):
            channel = self._channels[number]
            found[channel.topic] += 1
            if not channel.encoding or not start_ns <= log_ns < stop_ns:
                continue
            try:
                if isinstance(data, Exception):
                    raise data
                message = self._types.read(data, channel.encoding, channel.msgtype)
            except Exception as error:  # noqa: BLE001, whatever the parser raises of a damaged message
                self._lose(channel.topic, log_ns, error)
                continue
            yield BagMessage(channel.topic, log_ns, message)
        if whole:
            for name in self.topics.keys() & set(topics):
                self._tell_difference(name, self.topics[name].count, found[name])

    def _survey(self, file: BinaryIO, summary: Summary | None) -> tuple[list[Stretch], Counter[int]]:
        """Where messages lie, in the order recorded, and how many each channel has.

        Gone through is what the index does not describe; all of the file where it has other messages than its
        statistics say, so that these cannot tell how many each channel has.
        """
        index = read_index(file, summary)
        self.start_ns = min((chunk.first_ns for chunk in index.chunks), default=self.start_ns)
        self.end_ns = max((chunk.last_ns for chunk in index.chunks), default=self.end_ns)
        statistics = summary.statistics if summary is not None and self._take_channels(summary) else None
        stretches, counts = self._walk(file, index.gaps)
        if statistics is not None and index.count + counts.total() == statistics.message_count:
            stretches, counts = [*index.chunks, *stretches], Counter(statistics.channel_message_counts)
        elif index.chunks:
            stretches, counts = self._walk(file, index.regions())
        return sorted(stretches, key=attrgetter("first_ns")), counts

    def _take_channels(self, summary: Summary) -> bool:
        """Take them from a summary that counts messages, and names all channels with their types; whether it does."""
        if summary.statistics is None:
            return False
        used = {number for chunk in summary.chunk_indexes for number in chunk.message_index_offsets}
        counts = summary.statistics.channel_message_counts
        complete = (
            used | counts.keys() <= summary.channels.keys()
            and sum(counts.values()) == summary.statistics.message_count
            and all(c.schema_id in summary.schemas or not c.schema_id for c in summary.channels.values())
        )
        if complete:
            for schema in summary.schemas.values():
                self._add_schema(schema)
            for channel in summary.channels.values():
                self._add_channel(channel)
        return complete

    def _walk(self, file: BinaryIO, regions: list[tuple[int, int]]) -> tuple[list[Stretch], Counter[int]]:
        """What is found on the way through parts of a file, and how many messages of each channel."""
        found: list[Stretch] = []
        counts: Counter[int] = Counter()
        loose = False
        for begin, end in regions:
            here: Stretch | None = None
            for record in mcap.records(file, begin, end):
                messages = [(m.log_ns, m.channel) for m in self._content(file, record, self.end_ns)]
                if not messages:
                    continue
                loose = loose or record.opcode == Opcode.MESSAGE
                counts.update(number for _, number in messages)
                stretch = Stretch.of(record.start, record.end, messages)
                self.start_ns, self.end_ns = min(self.start_ns, stretch.first_ns), max(self.end_ns, stretch.last_ns)
                if here is not None and here.end - here.begin < _MOST_JOINED:
                    here = found[-1] = here.joined(stretch)
                else:
                    here = stretch
                    found.append(here)
        if loose and mcap.data_are_damaged(file):
            self._note(f"{self.path}: its checksum is wrong: something in it is not as it was recorded.")
        return found, counts

    def _compare(self, statistics: Statistics) -> None:
        """Say of which topics the file has other numbers of messages than it says itself."""
        stated: Counter[str] = Counter()
        for number, count in statistics.channel_message_counts.items():
            channel = self._channels.get(number)
            stated[channel.topic if channel else f"a channel {number}, of which nothing else is known"] += count
        for topic, count in sorted(stated.items()):
            self._tell_difference(topic, count, self.topics[topic].count if topic in self.topics else 0)
        unlisted = [name for name, topic in self.topics.items() if topic.count and name not in stated]
        for topic in sorted(unlisted):
            self._tell_difference(topic, 0, self.topics[topic].count)

    def _tell_difference(self, topic: str, stated: int, found: int) -> None:
        if stated == found:
            return
        of_topic = f"messages of {printable(topic)}"
        told = f"{self.path}: should have {stated} {of_topic}, as its index says, and {found} are there."
        if found < stated:
            self.broken = self.broken or told
        if told != self.broken:
            self._note(told)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _in_order(self, topics: Collection[str], start_ns: int, stop_ns: int) -> Iterator[mcap.StoredMessage]:
        """The messages of topics in the order recorded; some that were recorded at other times may be among them."""
        wanted = {number for number, channel in self._channels.items() if channel.topic in topics}
        waiting: list[tuple[int, int, mcap.StoredMessage]] = []
        count = itertools.count()
        with self._file.open("rb") as file:
            for stretch in self._stretches:
                if stretch.last_ns < start_ns or stretch.first_ns >= stop_ns or not wanted & stretch.channels:
                    continue
                while waiting and waiting[0][0] < stretch.first_ns:
                    yield heapq.heappop(waiting)[2]
                for record in mcap.records(file, stretch.begin, stretch.end):
                    for stored in self._content(file, record, stretch.first_ns):
                        if stored.channel in wanted:
                            heapq.heappush(waiting, (stored.log_ns, next(count), stored))
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _content(self, file: BinaryIO, record: mcap.Record, at_ns: int) -> Iterator[mcap.StoredMessage]:
        """The messages in a record. What tells of messages is kept, and damage noted, as being after `at_ns`."""
        if record.opcode == Opcode.CHUNK:
            yield from self._chunk(file, record, at_ns)
        elif record.opcode in (Opcode.MESSAGE, Opcode.SCHEMA, Opcode.CHANNEL) and not record.cut:
            try:
                content = mcap.read_record(file, record)
            except TooLargeError as error:
                self._note_damage(at_ns, error, "What lies elsewhere was read")
            else:
                yield from self._record(record.opcode, content, at_ns)
        if record.cut:
            self._break(at_ns, EOFError("the file ends within a record"))

    def _chunk(self, file: BinaryIO, record: mcap.Record, at_ns: int) -> Iterator[mcap.StoredMessage]:
        """The messages of a chunk. Damage is noted; of the messages in it, those listed behind it have no data."""
        try:
            content = mcap.read_record(file, record)
            data = mcap.begun_chunk_data(content) if record.cut else mcap.chunk_data(content)
        except Exception as error:  # noqa: BLE001, whatever decompressors raise
            lost = [mcap.StoredMessage(log_ns, number, error) for log_ns, number in mcap.listed(file, record.end)]
            at_ns = min((stored.log_ns for stored in lost), default=at_ns)
            self._note_damage(at_ns, error, "What lies in the same chunk is lost, the rest was read")
            yield from lost
            return
        for opcode, piece in mcap.inner_records(data):
            yield from self._record(opcode, piece, at_ns)

    def _record(self, opcode: int, content: bytes | memoryview, at_ns: int) -> Iterator[mcap.StoredMessage]:
        """The message in a record, if it is one; what tells of messages is kept."""
        try:
            if opcode == Opcode.MESSAGE:
                yield mcap.message(memoryview(content))
            elif opcode == Opcode.SCHEMA:
                self._add_schema(mcap.schema(content))
            elif opcode == Opcode.CHANNEL:
                self._add_channel(mcap.channel(content))
        except _DAMAGE as error:
            self._note_damage(at_ns, error, "What lies elsewhere was read")

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
