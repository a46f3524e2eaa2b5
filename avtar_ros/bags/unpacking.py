"""Unpacking what recordings hold compressed, never to more than a bound: a few bytes may claim to be gigabytes."""

from __future__ import annotations

import bz2
from collections.abc import Callable
from typing import Any

import lz4.frame
import zstandard

MOST_BYTES = 2**28
"""Of a message or a chunk. A chunk is as large as its largest message at least; recorders close one at 1 to 4 MB."""
_MOST_WINDOW = 2**27
_STEP = 2**10


class TooLargeError(ValueError):
    """Data that would be more than MOST_BYTES."""


def check_size(size: int, what: str) -> None:
    """Raise TooLargeError for what claims to be larger than may be."""
    if size > MOST_BYTES:
        raise TooLargeError(f"{what} of {size / 2**20:.0f} MiB, where {MOST_BYTES >> 20} are read at most")


def unpack_zstd(stored: bytes | memoryview) -> bytes:
    """Raises TooLargeError, and ZstdError where the data are damaged; of data that are cut off, what there is."""
    claimed = zstandard.frame_content_size(bytes(stored[:18]))
    check_size(max(0, claimed), "zstd data")
    unpacker = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW).decompressobj()
    return unpacker.decompress(stored) if claimed > 0 else _in_steps(unpacker.decompress, stored)


def unpack_lz4(stored: bytes | memoryview) -> bytes:
    """The same, with what lz4 raises."""
    unpacker = lz4.frame.LZ4FrameDecompressor()
    return _bounded(unpacker, stored)


def unpack_bz2(stored: bytes | memoryview) -> bytes:
    """The same, with what bz2 raises."""
    return _bounded(bz2.BZ2Decompressor(), stored)


def _in_steps(unpack: Callable[[bytes], bytes], stored: bytes | memoryview) -> bytes:
    """A frame that does not say how large it is: 4 bytes may hold 128 kB, so it is taken in small pieces."""
    found, size = [], 0
    for start in range(0, len(stored), _STEP):
        piece = unpack(bytes(stored[start : start + _STEP]))
        size += len(piece)
        check_size(size, "data")
        found.append(piece)
    return b"".join(found)


def _bounded(unpacker: Any, stored: bytes | memoryview) -> bytes:
    """All that a decompressor with `max_length` gives."""
    plain = bytes(unpacker.decompress(bytes(stored), MOST_BYTES + 1))
    check_size(len(plain), "data")
    return plain
