"""A chunk of an MCAP file: records that are compressed together."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from struct import pack

import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import ChunkIndex, McapRecord, MessageIndex

LEVEL = -1
"""zstd's. Maps of real numbers hardly shrink: level 3 makes them a tenth smaller, and takes six times as long."""


@dataclass
class OpenChunk:
    """Records in the order they were added, not copied, so their data must not change; `size` in bytes."""

    size: int = 0
    indexes: dict[int, MessageIndex] = field(default_factory=dict)
    _pieces: list[bytes | memoryview] = field(default_factory=list)

    def add_record(self, record: McapRecord) -> None:
        self._add(record_bytes(record))

    def add_message(self, channel: int, log_ns: int, data: bytes | memoryview) -> None:
        self.indexes.setdefault(channel, MessageIndex(channel, [])).records.append((log_ns, self.size))
        self._add(pack("<BQHIQQ", Opcode.MESSAGE, 22 + len(data), channel, 0, log_ns, log_ns))
        self._add(data)

    def close(self, offset: int) -> tuple[list[bytes], ChunkIndex]:
        """The chunk and the indexes of its messages as bytes, and what a file says of it that has them at `offset`.

        There must be a message.
        """
        times = [log_ns for index in self.indexes.values() for log_ns, _ in index.records]
        compressed, crc = self._compressed()
        stored = sum(map(len, compressed))
        fields = pack("<QQQII4sQ", min(times), max(times), self.size, crc, 4, b"zstd", stored)
        head = pack("<BQ", Opcode.CHUNK, len(fields) + stored) + fields
        length = len(head) + stored
        offsets, indexes = {}, b""
        for channel, index in self.indexes.items():
            offsets[channel] = offset + length + len(indexes)
            indexes += record_bytes(index)
        return [head, *compressed, indexes], ChunkIndex(
            chunk_start_offset=offset, chunk_length=length, compression="zstd",
            compressed_size=stored, uncompressed_size=self.size,
            message_start_time=min(times), message_end_time=max(times),
            message_index_offsets=offsets, message_index_length=len(indexes),
        )

    def _add(self, piece: bytes | memoryview) -> None:
        self._pieces.append(piece)
        self.size += len(piece)

    def _compressed(self) -> tuple[list[bytes], int]:
        """The records compressed, and the CRC of what they were."""
        compressor = zstandard.ZstdCompressor(level=LEVEL).compressobj(size=self.size)
        compressed, crc = [], 0
        for piece in self._pieces:
            compressed.append(compressor.compress(piece))
            crc = zlib.crc32(piece, crc)
        return [*compressed, compressor.flush()], crc


def record_bytes(*records: McapRecord) -> bytes:
    """Records one after the other as they are in a file."""
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    written: bytes = builder.end()
    return written
