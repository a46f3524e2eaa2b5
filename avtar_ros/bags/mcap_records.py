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
from mcap.records import Channel, MessageIndex, Schema
from mcap.summary import Summary
from mcap.writer import MCAP0_MAGIC

from avtar_ros.bags.unpacking import check_size, unpack_lz4, unpack_zstd

_RECORD = Struct("<BQ")
_MESSAGE = Struct("<HIQQ")
_CHUNK = Struct("<QQQII")
_SIZE = Struct("<Q")
_FOOTER = Struct("<BQQQI")
_SUM = Struct("<I")
_DATA_END_BYTES = _RECORD.size + _SUM.size
_BLOCK = 2**20
LARGEST_RECORD = 2**31


class Record(NamedTuple):
    """Where a record's content lies in a file; `cut` is whether the file ends before it does."""

    opcode: int
    begin: int
    end: int
    cut: bool = False

    @property
    def start(self) -> int:
        """Where its head lies."""
        return self.begin - _RECORD.size


class StoredMessage(NamedTuple):
    """A message as it lies in the file, for a channel; instead of its data, why they cannot be had."""

    log_ns: int
    channel: int
    data: memoryview | Exception


def records(file: BinaryIO, start: int, stop: int) -> Iterator[Record]:
    """The records from `start` on, up to `stop` or the end of the data; the last may be cut off."""
    while start < stop:
        file.seek(start)
        head = file.read(min(_RECORD.size, stop - start))
        opcode, length = _RECORD.unpack(head) if len(head) == _RECORD.size else (0, 0)
        if not opcode:  # there is no such record: zeros are what is left of a file that was never written to its end
            yield Record(0, start, stop, cut=True)
            return
        if opcode in (Opcode.DATA_END, Opcode.FOOTER):
            return
        begin, end = start + _RECORD.size, start + _RECORD.size + length
        yield Record(opcode, begin, min(end, stop), cut=end > stop)
        start = end


def is_record(file: BinaryIO, opcode: int, start: int, length: int) -> bool:
    """Whether a record of this kind lies there, `length` bytes long with its head."""
    file.seek(start)
    return file.read(_RECORD.size) == _RECORD.pack(opcode, length - _RECORD.size)


def read_record(file: BinaryIO, record: Record) -> bytes:
    """Its content; raises TooLargeError."""
    check_size(record.end - record.begin, "a record")
    file.seek(record.begin)
    return file.read(record.end - record.begin)


def listed(file: BinaryIO, start: int) -> Iterator[tuple[int, int]]:
    """When each message of the chunk before `start` was recorded, and its channel, by the lists behind the chunk."""
    for record in records(file, start, file.seek(0, os.SEEK_END)):
        if record.opcode != Opcode.MESSAGE_INDEX or record.cut:
            return
        try:
            found = MessageIndex.read(ReadDataStream(BytesIO(read_record(file, record))))
        except (McapError, ValueError, StructError):
            return
        yield from ((log_ns, found.channel_id) for log_ns, _ in found.records)


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


def summary_of(file: BinaryIO) -> Summary | None:
    """What is said of a file at its end; None where that is not there, or is damaged."""
    file.seek(0)
    try:
        summary = SeekingReader(file, record_size_limit=LARGEST_RECORD).get_summary()
        return summary if _is_undamaged(file) else None
    except (McapError, ValueError, OSError, StructError):  # of a file that is cut off
        return None


def _is_undamaged(file: BinaryIO) -> bool:
    """Whether the checksum of the summary, if it has one, is right."""
    end = file.seek(-len(MCAP0_MAGIC) - _FOOTER.size, os.SEEK_END)
    _, _, start, _, crc = _FOOTER.unpack(file.read(_FOOTER.size))
    if not crc:
        return True
    check_size(end - start, "a summary")
    file.seek(start)
    return bool(zlib.crc32(file.read(end - start + _FOOTER.size - _SUM.size)) == crc)


def data_are_damaged(file: BinaryIO) -> bool:
    """Whether the checksum of all before the end of the data, which few recorders write, is wrong."""
    end = file.seek(-len(MCAP0_MAGIC) - _FOOTER.size, os.SEEK_END)
    _, _, summary, _, _ = _FOOTER.unpack(file.read(_FOOTER.size))
    data_end = (summary or end) - _DATA_END_BYTES
    if data_end < 0 or not is_record(file, Opcode.DATA_END, data_end, _DATA_END_BYTES):
        return False
    (crc,) = _SUM.unpack(file.read(_SUM.size))
    if not crc:
        return False
    file.seek(0)
    found = 0
    for left in range(data_end, 0, -_BLOCK):
        found = zlib.crc32(file.read(min(left, _BLOCK)), found)
    return bool(found != crc)


def begins_as_mcap(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(len(MCAP0_MAGIC)) == MCAP0_MAGIC
