"""What is in an MCAP file, at the level of records (https://mcap.dev/spec), as far as reading messages needs it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from io import BytesIO
from struct import Struct
from struct import error as StructError
from typing import BinaryIO, NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Schema
from mcap.summary import Summary
from mcap.writer import MCAP0_MAGIC

from avtar_ros.bags.unpacking import MOST_BYTES, check_size, unpack_lz4, unpack_zstd

_RECORD = Struct("<BQ")
_MESSAGE = Struct("<HIQQ")
_CHUNK = Struct("<QQQII")
_SIZE = Struct("<Q")
LARGEST_RECORD = 2**31


class Record(NamedTuple):
    """Where a record's content lies in a file; `cut` is whether the file ends before it does."""

    opcode: int
    begin: int
    end: int
    cut: bool = False

    @property
    def too_large(self) -> bool:
        return self.end - self.begin > MOST_BYTES


class StoredMessage(NamedTuple):
    """A message as it lies in the file, for a channel."""

    log_ns: int
    channel: int
    data: memoryview


def records(file: BinaryIO, start: int = len(MCAP0_MAGIC)) -> Iterator[Record]:
    """The records from `start` on, up to the end of the data; the last may be cut off."""
    size = file.seek(0, os.SEEK_END)
    while start < size:
        file.seek(start)
        head = file.read(_RECORD.size)
        if len(head) < _RECORD.size:
            yield Record(0, start, size, cut=True)
            return
        opcode, length = _RECORD.unpack(head)
        if opcode in (Opcode.DATA_END, Opcode.FOOTER):
            return
        begin, end = start + _RECORD.size, start + _RECORD.size + length
        yield Record(opcode, begin, min(end, size), cut=end > size)
        start = end


def read_record(file: BinaryIO, record: Record) -> bytes:
    """Its content; nothing of one that is too large to be read."""
    if record.too_large:
        return b""
    file.seek(record.begin)
    return file.read(record.end - record.begin)


def chunk_times(content: bytes) -> tuple[int, int]:
    """When the first and the last message in a chunk were recorded, as it says itself."""
    first_ns, last_ns, *_ = _CHUNK.unpack_from(content)
    return first_ns, last_ns


def chunk_data(content: bytes) -> memoryview:
    """The records in a chunk; raises ValueError, or what a decompressor does, where they are damaged."""
    data, size, crc = _chunk_data(content)
    if len(data) != size or (crc and zlib.crc32(data) != crc):
        raise ValueError("a chunk does not hold what it should: its checksum is wrong")
    return memoryview(data)


def begun_chunk_data(content: bytes) -> memoryview:
    """Of a chunk that is cut off, what can be had from its beginning."""
    try:
        return memoryview(_chunk_data(content)[0])
    except Exception:  # noqa: BLE001, whatever decompressors raise
        return memoryview(b"")


def _chunk_data(content: bytes) -> tuple[bytes, int, int]:
    _, _, size, crc, length = _CHUNK.unpack_from(content)
    check_size(size, "a chunk")
    compression = content[_CHUNK.size : _CHUNK.size + length].decode()
    stored = memoryview(content)[_CHUNK.size + length + _SIZE.size :]
    if compression == "zstd":
        return unpack_zstd(stored), size, crc
    if compression == "lz4":
        return unpack_lz4(stored), size, crc
    if compression:
        raise ValueError(f"a chunk is compressed by {compression}, which is not known")
    return bytes(stored), size, crc


def inner_records(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The opcode and content of all complete records in a chunk."""
    start = 0
    while start + _RECORD.size <= len(data):
        opcode, length = _RECORD.unpack_from(data, start)
        start += _RECORD.size
        if start + length > len(data):
            return
        yield opcode, data[start : start + length]
        start += length


def message(content: memoryview) -> StoredMessage:
    channel, _, log_ns, _ = _MESSAGE.unpack_from(content)
    return StoredMessage(log_ns, channel, content[_MESSAGE.size :])


def schema(content: bytes | memoryview) -> Schema:
    read: Schema = Schema.read(ReadDataStream(BytesIO(content)))
    return read


def channel(content: bytes | memoryview) -> Channel:
    read: Channel = Channel.read(ReadDataStream(BytesIO(content)))
    return read


def complete_summary(file: BinaryIO) -> Summary | None:
    """The index at the end of a file; None where it lacks a part, so that one cannot do without the data.

    Needed are statistics, all chunks and all channels. Messages outside chunks are in no index.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        summary = SeekingReader(file, record_size_limit=LARGEST_RECORD).get_summary()
    except (McapError, ValueError, OSError, StructError):  # of a file that is cut off
        return None
    if summary is None or summary.statistics is None:
        return None
    statistics, chunks = summary.statistics, summary.chunk_indexes
    whole = (
        len(chunks) == statistics.chunk_count
        and (chunks or not statistics.message_count)
        and statistics.channel_message_counts.keys() <= summary.channels.keys()
        and sum(statistics.channel_message_counts.values()) == statistics.message_count
        and all(c.schema_id in summary.schemas or not c.schema_id for c in summary.channels.values())
        and all(c.chunk_start_offset + c.chunk_length <= size for c in chunks)
    )
    return summary if whole else None


def begins_as_mcap(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(len(MCAP0_MAGIC)) == MCAP0_MAGIC
