"""An MCAP file is read whole whatever its index says of it, and what is missing of it is told, topic by topic.

The files are put together record by record, for no recorder leaves all that recorders and tools together have left.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from struct import pack

import pytest
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    Message,
    Metadata,
    Schema,
    Statistics,
)
from mcap.writer import MCAP0_MAGIC
from rosbags.typesys import Stores, get_typestore

from avtar_ros.bags.bag import Bag, BagError
from avtar_ros.bags.mcap_chunk import OpenChunk, record_bytes
from avtar_ros.bags.reading import open_bag
from tests.tiny_bags import START_NS

TYPES = get_typestore(Stores.ROS2_HUMBLE)
STRING = "std_msgs/msg/String"
A, B = 1, 2
TOPICS = {A: "/a", B: "/b"}
SCHEMA = Schema(1, TYPES.generate_msgdef(STRING)[0].encode(), "ros2msg", STRING)
CHANNELS = [Channel(number, topic, "cdr", {}, 1) for number, topic in TOPICS.items()]


def data(text: str) -> bytes:
    return bytes(TYPES.serialize_cdr(TYPES.types[STRING](text), STRING))


def message(number: int, at: int) -> Message:
    return Message(number, START_NS + at, data(f"{TOPICS[number]} {at}"), START_NS + at, 0)


def chunk_of(*messages: Message, tell: bool = True) -> OpenChunk:
    chunk = OpenChunk()
    for record in (SCHEMA, *CHANNELS) if tell else ():
        chunk.add_record(record)
    for each in messages:
        chunk.add_message(each.channel_id, each.log_time, each.data)
    return chunk


@dataclass
class File:
    """A file as it grows, and what its summary says unless it is changed before the end."""

    content: bytes = MCAP0_MAGIC + record_bytes(Header("ros2", "test"))
    chunks: list[ChunkIndex] = field(default_factory=list)
    schemas: list[Schema] = field(default_factory=lambda: [SCHEMA])
    channels: list[Channel] = field(default_factory=lambda: list(CHANNELS))
    counts: dict[int, int] = field(default_factory=dict)
    statistics: bool = True
    data_crc: int | None = 0
    summary_crc: int | None = None

    def add(self, *records: McapRecord) -> File:
        """Records outside chunks."""
        self.content += record_bytes(*records)
        self._count(*(record for record in records if isinstance(record, Message)))
        return self

    def add_chunk(self, *messages: Message, indexed: bool = True, listed: bool = True, tell: bool = True) -> File:
        """A chunk, which the summary's index has or not, with the lists of its messages behind it or without."""
        pieces, index = chunk_of(*messages, tell=tell).close(len(self.content))
        if not listed:
            pieces, index.message_index_offsets, index.message_index_length = pieces[:-1], {}, 0
        self.content += b"".join(pieces)
        self.chunks += [index] if indexed else []
        self._count(*messages)
        return self

    def write(self, path: Path) -> Path:
        crc = zlib.crc32(self.content) if self.data_crc is None else self.data_crc
        content = self.content + record_bytes(DataEnd(crc))
        start = len(content)
        summary = record_bytes(*self.schemas, *self.channels, *self._statistics(), *self.chunks)
        crc = self.summary_crc or zlib.crc32(summary + pack("<BQQQ", Opcode.FOOTER, 20, start, 0))
        path.write_bytes(content + summary + record_bytes(Footer(start, 0, crc)) + MCAP0_MAGIC)
        return path

    def _statistics(self) -> list[Statistics]:
        return [Statistics(
            attachment_count=0, channel_count=2, channel_message_counts=self.counts, chunk_count=len(self.chunks),
            message_count=sum(self.counts.values()), message_start_time=START_NS, message_end_time=START_NS + 100,
            metadata_count=0, schema_count=1,
        )] if self.statistics else []

    def _count(self, *messages: Message) -> None:
        for each in messages:
            self.counts[each.channel_id] = self.counts.get(each.channel_id, 0) + 1


def texts(bag: Bag, *topics: str) -> list[str]:
    return [found.message.data for found in bag.messages(topics or ("/a", "/b"))]


def usual() -> File:
    return File().add_chunk(message(A, 0), message(B, 1)).add_chunk(message(A, 2), message(B, 3))


def outside_chunks() -> File:
    """Of one topic between and behind chunks, counted as are those in chunks."""
    file = usual().add(message(A, 4), message(B, 5)).add_chunk(message(A, 6))
    return file.add(message(A, 7), message(B, 8))


def before_the_first_chunk() -> File:
    return File().add(SCHEMA, *CHANNELS, message(A, 0), message(B, 1)).add_chunk(message(A, 2), tell=False)


def recorded_in_another_order() -> File:
    """The messages outside chunks lie behind those that were recorded after them."""
    return File().add_chunk(message(A, 0), message(A, 6)).add(message(A, 2), message(B, 1)).add_chunk(message(A, 4))


def chunk_not_in_the_index() -> File:
    return usual().add_chunk(message(A, 4), indexed=False).add_chunk(message(B, 5))


def only_the_first_chunk_in_the_index() -> File:
    return usual().add_chunk(message(A, 4), indexed=False).add_chunk(message(B, 5), indexed=False)


def chunk_without_lists() -> File:
    return usual().add_chunk(message(A, 4), message(B, 5), listed=False).add_chunk(message(A, 6))


def list_of_one_channel_left_out() -> File:
    """The index has one channel of a chunk, and not the other: by that alone its messages would be passed over."""
    file = usual()
    del file.chunks[1].message_index_offsets[B]
    return file


def list_left_out_and_its_length_too() -> File:
    file = usual().add_chunk(message(B, 4), message(A, 5))
    index = file.chunks[-1]
    del index.message_index_offsets[A]
    index.message_index_length -= 15 + 16
    return file


def chunk_listed_twice() -> File:
    file = usual()
    file.chunks.append(replace(file.chunks[0]))
    return file


def index_in_another_order() -> File:
    file = usual().add_chunk(message(A, 4))
    file.chunks.reverse()
    return file


def index_of_other_places() -> File:
    """As of a file from which something was cut out."""
    file = usual()
    file.chunks = [replace(chunk, chunk_start_offset=chunk.chunk_start_offset + 40) for chunk in file.chunks]
    return file


def index_beyond_the_end() -> File:
    file = usual()
    file.chunks[1].chunk_length += 2**40
    return file


def channel_left_out() -> File:
    file = usual()
    file.channels = file.channels[:1]
    return file


def schema_left_out() -> File:
    file = usual()
    file.schemas = []
    return file


def no_channel_in_the_summary() -> File:
    file = outside_chunks()
    file.schemas, file.channels = [], []
    return file


def no_statistics() -> File:
    file = outside_chunks()
    file.statistics = False
    return file


def attachments_between() -> File:
    attachment = Attachment(0, START_NS, "a", "text/plain", b"x" * 1000)
    file = File().add(attachment).add_chunk(message(A, 0)).add(attachment, Metadata("m", {"k": "v"}), message(B, 1))
    return file.add_chunk(message(A, 2)).add(attachment)


def wrong_checksum_of_the_summary() -> File:
    """What is said at the end is damaged, and names another topic."""
    file = usual()
    file.channels = [replace(file.channels[0], topic="/x"), file.channels[1]]
    file.summary_crc = 1
    return file


def right_checksum_of_the_data() -> File:
    file = outside_chunks()
    file.data_crc = None
    return file



WHOLE: list[Callable[[], File]] = [
    usual, outside_chunks, before_the_first_chunk, recorded_in_another_order, chunk_not_in_the_index,
    only_the_first_chunk_in_the_index, chunk_without_lists, list_of_one_channel_left_out,
    list_left_out_and_its_length_too, chunk_listed_twice, index_in_another_order, index_of_other_places,
    index_beyond_the_end, channel_left_out, schema_left_out, no_channel_in_the_summary, no_statistics,
    attachments_between, wrong_checksum_of_the_summary, right_checksum_of_the_data,
]


@pytest.mark.parametrize("make", WHOLE)
def test_all_messages_are_read_in_the_order_recorded_and_nothing_is_told(tmp_path: Path, make) -> None:
    file = make()
    with open_bag(file.write(tmp_path / "x.mcap")) as bag:
        assert {name: topic.count for name, topic in bag.topics.items()} == {
            TOPICS[number]: count for number, count in file.counts.items()
        }
        found = texts(bag)
        assert len(found) == sum(file.counts.values())
        assert [int(text.split()[1]) for text in found] == sorted(int(text.split()[1]) for text in found)
        for topic in TOPICS.values():
            assert texts(bag, topic) == [text for text in found if text.startswith(topic)]
        late = [text for text in found if int(text.split()[1]) in (2, 3)]
        assert [m.message.data for m in bag.messages(["/a", "/b"], START_NS + 2, START_NS + 4)] == late
        assert (bag.start_ns, bag.told()) == (START_NS, [])


@pytest.mark.parametrize("make", [usual, outside_chunks, no_channel_in_the_summary])
def test_that_the_statistics_count_more_than_there_is_is_told_of_each_topic(tmp_path: Path, make) -> None:
    file = make()
    there = file.counts[A]
    file.counts[A] += 3
    with open_bag(file.write(tmp_path / "x.mcap")) as bag:
        assert bag.topics["/a"].count == there == len(texts(bag, "/a"))
        assert len(texts(bag)) == sum(file.counts.values()) - 3
        (told,) = bag.told()
        assert told.endswith(f"should have {there + 3} messages of /a, as its index says, and {there} are there.")
        assert bag.broken == told


def test_that_the_statistics_count_fewer_than_there_is_is_told_and_harms_nothing(tmp_path: Path) -> None:
    file = outside_chunks()
    del file.counts[A]
    file.counts[B] -= 1
    with open_bag(file.write(tmp_path / "x.mcap")) as bag:
        assert (bag.topics["/a"].count, bag.topics["/b"].count) == (5, 4)
        assert len(texts(bag)) == 9
        assert bag.broken is None
        assert [told.split("have ")[1] for told in bag.notes] == [
            "3 messages of /b, as its index says, and 4 are there.",
            "0 messages of /a, as its index says, and 5 are there.",
        ]


def test_statistics_that_give_one_topic_what_is_of_another_are_seen_through_when_it_is_read(tmp_path: Path) -> None:
    file = usual()
    file.counts = {A: 3, B: 1}
    with open_bag(file.write(tmp_path / "x.mcap")) as bag:
        assert len(texts(bag, "/a", "/b")) == 4
        assert "should have 3 messages of /a, as its index says, and 2 are there" in str(bag.broken)
        assert "should have 1 messages of /b, as its index says, and 2 are there" in bag.notes[0]


@pytest.mark.parametrize("indexed", [True, False])
def test_of_a_damaged_chunk_each_lost_message_is_counted_for_its_topic(tmp_path: Path, indexed: bool) -> None:
    file = File().add(SCHEMA, *CHANNELS).add_chunk(message(A, 0), message(B, 1))
    begin = len(file.content)
    file.add_chunk(message(A, 2), message(A, 3), message(B, 4), indexed=indexed).add_chunk(message(A, 5))
    file.content = file.content[: begin + 80] + b"\xff" * 20 + file.content[begin + 100 :]
    with open_bag(file.write(tmp_path / "x.mcap")) as bag:
        assert (bag.broken is None) == indexed  # what the index describes is not read in advance
        for _ in range(2):
            assert texts(bag) == ["/a 0", "/b 1", "/a 5"]
        assert {name: loss.at_ns for name, loss in bag.losses.items()} == {
            "/a": {START_NS + 2, START_NS + 3}, "/b": {START_NS + 4},
        }
        assert bag.describe_losses()[0].startswith("2 of the 4 messages of /a could not be read. The first was")
        assert "What lies in the same chunk is lost" in str(bag.broken)
        assert bag.notes == []


def test_damage_between_chunks_harms_none_of_them(tmp_path: Path) -> None:
    file = usual()
    file.content += bytes([Opcode.MESSAGE]) + pack("<Q", 2**40) + b"noise"
    file.add_chunk(message(A, 4))
    with open_bag(file.write(tmp_path / "x.mcap")) as bag:
        assert len(texts(bag)) == 5
        assert "damaged" in str(bag.broken)


def test_a_record_that_is_none_is_left_out_and_told(tmp_path: Path) -> None:
    for opcode in (Opcode.MESSAGE, Opcode.SCHEMA, Opcode.CHANNEL):
        file = outside_chunks()
        file.content += bytes([opcode]) + pack("<Q", 3) + b"abc"
        file.statistics = False
        with open_bag(file.add(message(A, 9)).write(tmp_path / "x.mcap")) as bag:
            assert texts(bag)[-1] == "/a 9"
            assert len(texts(bag)) == 10
            assert "What lies elsewhere was read" in str(bag.broken)


def test_zeros_that_a_power_cut_left_end_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    with path.open("wb") as file:
        file.write(outside_chunks().content)
        file.truncate(2**36)  # as long as a recording would be: to go through it takes hours
    with open_bag(path) as bag:
        assert len(texts(bag)) == 9
        assert "damaged 0.000 s after its start (the file ends within a record)" in str(bag.broken)


def test_messages_whose_topic_is_named_nowhere_are_told(tmp_path: Path) -> None:
    file = usual().add(Message(7, START_NS, data("of what?"), START_NS, 0))
    with open_bag(file.write(tmp_path / "x.mcap")) as bag:
        assert len(texts(bag)) == 4
        assert "of 1 messages nothing says what topic they are of" in str(bag.broken)
    only = File().add(Message(7, START_NS, data("of what?"), START_NS, 0))
    with pytest.raises(BagError, match="nothing says what topic"):
        open_bag(only.write(tmp_path / "y.mcap"))


def test_the_checksum_of_the_data_tells_that_a_message_outside_chunks_was_changed(tmp_path: Path) -> None:
    file = outside_chunks()
    file.data_crc = zlib.crc32(file.content)
    file.content = file.content.replace(b"/a 4", b"/a 5")
    with open_bag(file.write(tmp_path / "x.mcap")) as bag:
        assert len(texts(bag)) == 9
        assert "its checksum is wrong" in bag.notes[0]


def test_an_attachment_of_any_size_is_passed_by(tmp_path: Path) -> None:
    path = tmp_path / "x.mcap"
    size = 2**29
    with path.open("wb") as file:
        file.write(usual().content + bytes([Opcode.ATTACHMENT]) + pack("<Q", size))
        file.seek(size, 1)
        file.write(record_bytes(message(A, 9), DataEnd(0), Footer(0, 0, 0)) + MCAP0_MAGIC)
    with open_bag(path) as bag:
        assert texts(bag)[-1] == "/a 9"
        assert bag.told() == []
