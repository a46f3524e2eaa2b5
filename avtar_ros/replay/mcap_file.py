"""What holds an MCAP file together: its beginning, chunks new or copied, and at its end the index over all of them.

The `mcap` package has a writer too, but it copies every message several times, leaves no choice of zstd's level, and
takes over no chunks from other files.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from struct import pack
from typing import BinaryIO

from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import (
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
)
from mcap.writer import MCAP0_MAGIC

from avtar_ros.replay.mcap_chunk import OpenChunk, record_bytes


class McapFile:
    """Writes to an open file, which it does not close; `complete` must come last. Raises OSError.

    `schemas` and `channels`, by id, are what chunks say they are, and are repeated at the end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self._file = file
        self._chunks: list[ChunkIndex] = []
        self._counts: Counter[int] = Counter()
        self._metadata: list[MetadataIndex] = []
        file.write(MCAP0_MAGIC + record_bytes(Header("ros2", "avtar_ros")))

    def add_chunk(self, chunk: OpenChunk) -> None:
        """Write a chunk with messages."""
        pieces, index = chunk.close(self._file.tell())
        self._file.writelines(pieces)
        self._chunks.append(index)
        self._counts.update({channel: len(found.records) for channel, found in chunk.indexes.items()})

    def copy_chunks(self, path: Path) -> None:
        """Append the chunks of another file as they are compressed; its channels must be the same."""
        with path.open("rb") as source:
            summary = make_reader(source).get_summary()
            assert summary is not None and summary.statistics is not None
            self.schemas, self.channels = summary.schemas, summary.channels
            self._chunks += [self._copied(chunk, source) for chunk in summary.chunk_indexes]
            self._counts.update(summary.statistics.channel_message_counts)

    def add_metadata(self, name: str, values: dict[str, str]) -> None:
        """Write a named record of texts."""
        record = record_bytes(Metadata(name, values))
        self._metadata.append(MetadataIndex(offset=self._file.tell(), length=len(record), name=name))
        self._file.write(record)

    def complete(self) -> None:
        """Write what comes after the data."""
        self._file.write(record_bytes(DataEnd(0)))
        start = self._file.tell()
        summary = record_bytes(*self._summary())
        crc = zlib.crc32(summary + pack("<BQQQ", Opcode.FOOTER, 8 + 8 + 4, start, 0))
        footer = Footer(summary_start=start, summary_offset_start=0, summary_crc=crc)
        self._file.write(summary + record_bytes(footer) + MCAP0_MAGIC)

    def _copied(self, chunk: ChunkIndex, source: BinaryIO) -> ChunkIndex:
        """Copy a chunk and the message indexes behind it; returns where they lie now."""
        shift = self._file.tell() - chunk.chunk_start_offset
        source.seek(chunk.chunk_start_offset)
        self._file.write(source.read(chunk.chunk_length + chunk.message_index_length))
        offsets = {channel: offset + shift for channel, offset in chunk.message_index_offsets.items()}
        return replace(chunk, chunk_start_offset=chunk.chunk_start_offset + shift, message_index_offsets=offsets)

    def _summary(self) -> Iterable[McapRecord]:
        statistics = Statistics(
            message_count=self._counts.total(),
            message_start_time=min((chunk.message_start_time for chunk in self._chunks), default=0),
            message_end_time=max((chunk.message_end_time for chunk in self._chunks), default=0),
            channel_message_counts=dict(self._counts), schema_count=len(self.schemas),
            channel_count=len(self.channels), chunk_count=len(self._chunks), attachment_count=0,
            metadata_count=len(self._metadata),
        )  # fmt: skip
        return *self.schemas.values(), *self.channels.values(), statistics, *self._chunks, *self._metadata
