"""What holds an MCAP file together: its beginning, chunk after chunk, and at its end the index over all of them.

The `mcap` package has a writer too, but it copies every message several times, leaves no choice of zstd's level, and
cannot continue a file.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from struct import pack
from typing import BinaryIO

from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, DataEnd, Footer, Header, McapRecord, Message, Schema, Statistics
from mcap.stream_reader import StreamReader
from mcap.writer import MCAP0_MAGIC

from avtar_ros.bags.mcap_chunk import OpenChunk, record_bytes
from avtar_ros.bags.mcap_stored import stored_chunks

MAKER = "avtar_ros"
_HEAD_BYTES = 4096


def maker_of(path: Path) -> str | None:
    """What an MCAP file says at its beginning of who wrote it; None where it is none."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    try:
        return next((r.library for r in StreamReader(BytesIO(head)).records if isinstance(r, Header)), None)
    except (McapError, ValueError, struct.error):
        return None


class McapFile:
    """Writes to an open file, which it does not close; `complete` must come last. Raises OSError.

    `schemas` and `channels`, by id, are what the first chunk says they are, and are repeated at the end. Of a file that
    has been begun already, the first `kept` bytes stay, which must end with a chunk; others begin by saying that
    they are of `maker`.
    """

    def __init__(self, file: BinaryIO, kept: int = 0, maker: str = MAKER) -> None:
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self._file = file
        self._chunks: list[ChunkIndex] = []
        self._counts: Counter[int] = Counter()
        if kept:
            self._take_over(kept)
        else:
            file.write(MCAP0_MAGIC + record_bytes(Header("ros2", maker)))

    def add_chunk(self, chunk: OpenChunk) -> None:
        """Write a chunk with messages."""
        pieces, index = chunk.close(self._file.tell())
        self._file.writelines(pieces)
        self._chunks.append(index)
        self._counts.update({channel: len(found.records) for channel, found in chunk.indexes.items()})

    def complete(self) -> None:
        """Write what comes after the data."""
        self._file.write(record_bytes(DataEnd(0)))
        start = self._file.tell()
        summary = record_bytes(*self._summary())
        crc = zlib.crc32(summary + pack("<BQQQ", Opcode.FOOTER, 8 + 8 + 4, start, 0))
        footer = Footer(summary_start=start, summary_offset_start=0, summary_crc=crc)
        self._file.write(summary + record_bytes(footer) + MCAP0_MAGIC)

    def _take_over(self, size: int) -> None:
        """Make of the first `size` bytes, which end with a chunk, what has been written so far."""
        for chunk in stored_chunks(self._file):
            if chunk.end <= size:
                self._chunks.append(chunk.index)
                self._counts.update(chunk.counts)
        self._file.seek(0)
        for record in takewhile(lambda record: not isinstance(record, Message), StreamReader(self._file).records):
            if isinstance(record, Schema):
                self.schemas[record.id] = record
            elif isinstance(record, Channel):
                self.channels[record.id] = record
        self._file.seek(size)
        self._file.truncate()

    def _summary(self) -> Iterable[McapRecord]:
        statistics = Statistics(
            message_count=self._counts.total(),
            message_start_time=min((chunk.message_start_time for chunk in self._chunks), default=0),
            message_end_time=max((chunk.message_end_time for chunk in self._chunks), default=0),
            channel_message_counts=dict(self._counts), schema_count=len(self.schemas),
            channel_count=len(self.channels), chunk_count=len(self._chunks), attachment_count=0, metadata_count=0,
        )
        return *self.schemas.values(), *self.channels.values(), statistics, *self._chunks
