"""One MCAP file out of several that declare the same topics in the same order: chunks are copied unopened."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from struct import pack
from typing import BinaryIO

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import ChunkIndex, DataEnd, Footer, Header, Statistics
from mcap.summary import Summary
from mcap.writer import MCAP0_MAGIC

from avtar_ros.files import partial_path


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
            summary = _summary_of(part)
            with part.open("rb") as source:
                indexes += [_copied(chunk, source, file) for chunk in summary.chunk_indexes]
            _add_counts(statistics, summary)
        statistics.chunk_count = len(indexes)
        DataEnd(0).write(builder)
        file.write(builder.end())
        file.write(_summary(parts, statistics, indexes, file.tell()))
        file.write(MCAP0_MAGIC)


def _summary_of(path: Path) -> Summary:
    """What stands at the end of a complete file."""
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    return summary


def _copied(chunk: ChunkIndex, source: BinaryIO, file: BinaryIO) -> ChunkIndex:
    """Copy a chunk and the message indexes behind it, bytes as they are; returns where they lie now."""
    shift = file.tell() - chunk.chunk_start_offset
    source.seek(chunk.chunk_start_offset)
    file.write(source.read(chunk.chunk_length + chunk.message_index_length))
    offsets = {channel: offset + shift for channel, offset in chunk.message_index_offsets.items()}
    return replace(chunk, chunk_start_offset=chunk.chunk_start_offset + shift, message_index_offsets=offsets)


def _summary(
    parts: Sequence[Path], statistics: Statistics, indexes: Sequence[ChunkIndex], offset: int
) -> bytes:
    """The part of the file after its data: schemas, channels, statistics, chunk indexes, footer."""
    builder = RecordBuilder()
    if parts:
        first = _summary_of(parts[0])
        for record in (*first.schemas.values(), *first.channels.values()):
            record.write(builder)
    statistics.write(builder)
    for index in indexes:
        index.write(builder)
    content: bytes = builder.end()
    crc = zlib.crc32(content + pack("<BQQQ", Opcode.FOOTER, 8 + 8 + 4, offset, 0))
    Footer(summary_start=offset, summary_offset_start=0, summary_crc=crc).write(builder)
    footer: bytes = builder.end()
    return content + footer


def _add_counts(total: Statistics, summary: Summary) -> None:
    """Add a file's messages to the statistics; of schemas and channels all files have the same."""
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
