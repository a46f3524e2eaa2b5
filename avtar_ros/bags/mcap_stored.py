"""The chunks of an MCAP file that is not complete, or that was cut off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from struct import Struct
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import ChunkIndex, MessageIndex
from mcap.writer import MCAP0_MAGIC

_RECORD = Struct("<BQ")
_CHUNK = Struct("<QQQI")
_COMPRESSED = Struct("<I4sQ")
"""What comes next in a chunk that is compressed by zstd: the four letters, and the size."""


@dataclass
class StoredChunk:
    """A chunk with its message indexes, which end at byte `end`; `counts` has how many messages of each channel."""

    index: ChunkIndex
    counts: dict[int, int]
    end: int


def stored_chunks(file: BinaryIO) -> Iterator[StoredChunk]:
    """The chunks that are there as a whole, from the file's beginning up to other records, its end, or damage.

    Of chunks only the heads are read. Each must be compressed by zstd.
    """
    chunk: StoredChunk | None = None
    for opcode, start, end in _records(file):
        if opcode == Opcode.MESSAGE_INDEX and chunk is not None:
            _add_message_index(chunk, file, start, end)
            continue
        if chunk is not None:
            yield chunk
        chunk = _chunk(file, start, end) if opcode == Opcode.CHUNK else None
        if chunk is None and opcode != Opcode.HEADER:
            return
    if chunk is not None:
        yield chunk


def _records(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """The opcode of each complete record, and where in the file it begins and ends."""
    size, start = file.seek(0, os.SEEK_END), len(MCAP0_MAGIC)
    while start + _RECORD.size <= size:
        file.seek(start)
        opcode, length = _RECORD.unpack(file.read(_RECORD.size))
        end = start + _RECORD.size + length
        if end > size:
            return
        yield opcode, start, end
        start = end


def _chunk(file: BinaryIO, start: int, end: int) -> StoredChunk | None:
    """The chunk that lies from `start` to `end`; None where it is damaged."""
    file.seek(start + _RECORD.size)
    head = file.read(_CHUNK.size + _COMPRESSED.size)
    if len(head) < _CHUNK.size + _COMPRESSED.size:
        return None
    first_ns, last_ns, size, _ = _CHUNK.unpack_from(head)
    _, compression, compressed = _COMPRESSED.unpack_from(head, _CHUNK.size)
    if compression != b"zstd" or start + _RECORD.size + len(head) + compressed != end:
        return None
    index = ChunkIndex(
        chunk_start_offset=start, chunk_length=end - start, compression="zstd", compressed_size=compressed,
        uncompressed_size=size, message_start_time=first_ns, message_end_time=last_ns, message_index_offsets={},
        message_index_length=0,
    )
    return StoredChunk(index, {}, end)


def _add_message_index(chunk: StoredChunk, file: BinaryIO, start: int, end: int) -> None:
    """Take in the record from `start` to `end`, which lies behind the chunk."""
    file.seek(start + _RECORD.size)
    found = MessageIndex.read(ReadDataStream(BytesIO(file.read(end - start - _RECORD.size))))
    chunk.index.message_index_offsets[found.channel_id] = start
    chunk.index.message_index_length += end - start
    chunk.counts[found.channel_id] = len(found.records)
    chunk.end = end
