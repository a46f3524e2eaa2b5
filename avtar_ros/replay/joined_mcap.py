"""One MCAP file out of several that declare the same topics in the same order: chunks are copied unopened."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import pack

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Chunk, ChunkIndex, DataEnd, Footer, Header, MessageIndex, Statistics
from mcap.stream_reader import StreamReader
from mcap.writer import MCAP0_MAGIC

from avtar_ros.replay.files import partial_path


def join_mcaps(parts: Sequence[Path], path: Path) -> None:
    """Write the chunks of `parts` and an index over all of them to `path`.

    Attachments and metadata are left out. Raises OSError.
    """
    statistics = Statistics(
        message_count=0, message_start_time=0, message_end_time=0, channel_message_counts={},
        schema_count=0, channel_count=0, chunk_count=0, attachment_count=0, metadata_count=0,
    )
    indexes: list[ChunkIndex] = []
    with partial_path(path) as partial, partial.open("wb") as file:
        builder = RecordBuilder()
        Header("ros2", "avtar_ros").write(builder)
        file.write(MCAP0_MAGIC + builder.end())
        for part in parts:
            for chunk, message_indexes in _chunks(part):
                indexes.append(_indexed(chunk, message_indexes, file.tell(), builder))
                file.write(builder.end())
                statistics.chunk_count += 1
        for part in parts:
            _add_counts(statistics, part)
        DataEnd(0).write(builder)
        file.write(builder.end())
        file.write(_summary(parts, statistics, indexes, file.tell()))
        file.write(MCAP0_MAGIC)


def _chunks(path: Path) -> Iterator[tuple[Chunk, list[MessageIndex]]]:
    """The chunks of a file, each with the indexes that follow it."""
    chunk: Chunk | None = None
    message_indexes: list[MessageIndex] = []
    with path.open("rb") as file:
        for record in StreamReader(file, emit_chunks=True).records:
            if isinstance(record, MessageIndex):
                message_indexes.append(record)
            elif chunk is not None:
                yield chunk, message_indexes
                chunk, message_indexes = None, []
            if isinstance(record, Chunk):
                chunk = record


def _indexed(
    chunk: Chunk, message_indexes: Sequence[MessageIndex], offset: int, builder: RecordBuilder
) -> ChunkIndex:
    """Put a chunk and its indexes into `builder`, to be written at `offset`; returns where everything lies."""
    chunk.write(builder)
    length = builder.count
    offsets = {}
    for message_index in message_indexes:
        offsets[message_index.channel_id] = offset + builder.count
        message_index.write(builder)
    return ChunkIndex(
        chunk_start_offset=offset,
        chunk_length=length,
        message_index_offsets=offsets,
        message_index_length=builder.count - length,
        message_start_time=chunk.message_start_time,
        message_end_time=chunk.message_end_time,
        compression=chunk.compression,
        compressed_size=len(chunk.data),
        uncompressed_size=chunk.uncompressed_size,
    )


def _summary(
    parts: Sequence[Path], statistics: Statistics, indexes: Sequence[ChunkIndex], offset: int
) -> bytes:
    """The part of the file after its data: schemas, channels, statistics, chunk indexes, footer."""
    builder = RecordBuilder()
    if parts:
        with parts[0].open("rb") as file:
            summary = make_reader(file).get_summary()
        assert summary is not None
        for record in (*summary.schemas.values(), *summary.channels.values()):
            record.write(builder)
    statistics.write(builder)
    for index in indexes:
        index.write(builder)
    content: bytes = builder.end()
    crc = zlib.crc32(content + pack("<BQQQ", Opcode.FOOTER, 8 + 8 + 4, offset, 0))
    Footer(summary_start=offset, summary_offset_start=0, summary_crc=crc).write(builder)
    footer: bytes = builder.end()
    return content + footer


def _add_counts(total: Statistics, path: Path) -> None:
    """Add a file's messages to the statistics; of schemas and channels all files have the same."""
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    assert summary.statistics is not None
    own = summary.statistics
    if not own.message_count:
        return
    total.schema_count, total.channel_count = own.schema_count, own.channel_count
    starts = [s.message_start_time for s in (total, own) if s.message_count]
    total.message_start_time = min(starts)
    total.message_end_time = max(total.message_end_time, own.message_end_time)
    total.message_count += own.message_count
    for channel, count in own.channel_message_counts.items():
        total.channel_message_counts[channel] = total.channel_message_counts.get(channel, 0) + count
