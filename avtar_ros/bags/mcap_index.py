"""Which stretches of an MCAP file hold which messages, as far as the index at its end can be believed.

An index may be partial: recorders and tools leave out chunks, the lists of the messages in them, channels or the
statistics, and messages outside chunks are in no index at all. So it is believed where it describes chunks wholly; all
that lies between those is gone through.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from mcap.opcode import Opcode
from mcap.records import ChunkIndex
from mcap.summary import Summary
from mcap.writer import MCAP0_MAGIC

from avtar_ros.bags.mcap_records import is_record

_LIST_BYTES = 1 + 8 + 2 + 4
"""What the list of a channel's messages takes behind a chunk, beside its entries."""
_ENTRY_BYTES = 8 + 8


class Stretch(NamedTuple):
    """Bytes of a file with messages of these channels, recorded from `first_ns` to `last_ns`."""

    begin: int
    end: int
    first_ns: int
    last_ns: int
    channels: frozenset[int]

    @classmethod
    def of(cls, begin: int, end: int, messages: list[tuple[int, int]]) -> Stretch:
        """Of messages by the time of recording and the channel; there must be one."""
        times = [log_ns for log_ns, _ in messages]
        return cls(begin, end, min(times), max(times), frozenset(channel for _, channel in messages))

    def joined(self, other: Stretch) -> Stretch:
        """With one that lies behind it, and what is between."""
        first_ns, last_ns = min(self.first_ns, other.first_ns), max(self.last_ns, other.last_ns)
        return Stretch(self.begin, other.end, first_ns, last_ns, self.channels | other.channels)


@dataclass(frozen=True)
class Index:
    """Chunks that are described, with `count` messages in all, and what lies between them, from byte to byte."""

    chunks: list[Stretch]
    count: int
    gaps: list[tuple[int, int]]

    def regions(self) -> list[tuple[int, int]]:
        """All of the file, in parts of which each can be read even where the one before is damaged."""
        return sorted([*self.gaps, *((chunk.begin, chunk.end) for chunk in self.chunks)])


def read_index(file: BinaryIO, summary: Summary | None) -> Index:
    """Where there is none, or one that does not fit the file, all of the file is a gap."""
    begin, end = len(MCAP0_MAGIC), file.seek(0, os.SEEK_END)
    described = summary.chunk_indexes if summary is not None else []
    chunks = {chunk.chunk_start_offset: chunk for chunk in described if _messages_in(chunk) is not None}
    stretches = sorted(_stretch(chunk) for chunk in chunks.values())
    edges = [begin, *(edge for stretch in stretches for edge in (stretch.begin, stretch.end)), end]
    gaps = [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start != stop]
    after_gaps = [chunks[stop] for _, stop in gaps if stop in chunks]
    fits = edges == sorted(edges) and all(
        is_record(file, Opcode.CHUNK, chunk.chunk_start_offset, chunk.chunk_length) for chunk in after_gaps
    )
    if not fits:
        return Index([], 0, [(begin, end)])
    return Index(stretches, sum(_messages_in(chunk) or 0 for chunk in chunks.values()), gaps)


def _messages_in(chunk: ChunkIndex) -> int | None:
    """How many messages the lists behind a chunk name, told by their size; None where they cannot be whole."""
    entries = chunk.message_index_length - _LIST_BYTES * len(chunk.message_index_offsets)
    return entries // _ENTRY_BYTES if entries > 0 and entries % _ENTRY_BYTES == 0 else None


def _stretch(chunk: ChunkIndex) -> Stretch:
    begin = chunk.chunk_start_offset
    end = begin + chunk.chunk_length + chunk.message_index_length
    channels = frozenset(chunk.message_index_offsets)
    return Stretch(begin, end, chunk.message_start_time, chunk.message_end_time, channels)
