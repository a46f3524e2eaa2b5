"""How large a picture says it is, read from its first bytes, before anything is decoded.

Known are JPEG, PNG, WebP, TIFF, BMP and PNM, by their published file formats. Of others the size is not known, and they
are not decoded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

PNG = b"\x89PNG\r\n\x1a\n"
PNG_CHUNK = 12
"""Bytes of a chunk beside its data: length, kind and checksum."""
JPEG = b"\xff\xd8"
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a segment behind them."""
_TIFF_SIZES = {256: "width", 257: "height", 322: "tile width", 323: "tile height"}
_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
MOST_TIFF_ENTRIES = 4096
_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s")

Size = tuple[int, int]


class UnknownSizeError(ValueError):
    """Bytes that do not begin as a picture of a known format does."""


def picture_size(data: bytes) -> Size:
    """Width and height that a picture file claims, the largest where it claims several. Raises UnknownSizeError."""
    try:
        return next(read(data) for begins, read in _FORMATS if begins(data))
    except StopIteration:
        raise UnknownSizeError("no picture of a known format") from None
    except (struct.error, IndexError) as error:
        raise UnknownSizeError("a picture whose header is cut off") from error


def _png(data: bytes) -> Size:
    if data[12:16] != b"IHDR":
        raise UnknownSizeError("a PNG that does not begin with its size")
    width, height = struct.unpack_from(">II", data, 16)
    _check_png_chunks(data)
    return width, height


def _check_png_chunks(data: bytes) -> None:
    """Raise UnknownSizeError where a chunk claims more bytes than there are, for which a decoder takes memory first."""
    at = len(PNG)
    while at + PNG_CHUNK <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        at += PNG_CHUNK + length
        if at > len(data):
            raise UnknownSizeError("a PNG with a chunk that is longer than the file")
        if kind == b"IEND":
            break


def _jpeg(data: bytes) -> Size:
    """All frames before the first scan: decoders pass over bytes between segments, and so does this."""
    sizes: list[Size] = []
    at = len(JPEG)
    while (at := data.find(b"\xff", at)) >= 0:
        while at < len(data) and data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker == 0 or marker in _JPEG_ALONE:
            continue
        if marker in (0xDA, 0xD9):
            break
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 3)
            sizes.append((width, height))
        at += max(2, struct.unpack_from(">H", data, at)[0])
    return _largest(sizes)


def _webp(data: bytes) -> Size:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise UnknownSizeError("a WebP without a picture")


def _bmp(data: bytes) -> Size:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return abs(width), abs(height)


def _tiff(data: bytes) -> Size:
    """Of the first picture in it; a tile, which is decoded as a whole, may be larger than that."""
    found = dict(_tiff_entries(data))
    size = found.get("width", 0), found.get("height", 0)
    return _largest([size, (found.get("tile width", 0), found.get("tile height", 0))])


def _tiff_entries(data: bytes) -> Iterator[tuple[str, int]]:
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    (start,) = struct.unpack_from(f"{order}Q", data, 8) if big else struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, start)
    first, step, value = (start + 8, 20, 12) if big else (start + 2, 12, 8)
    for entry in range(min(count, MOST_TIFF_ENTRIES)):
        tag, kind = struct.unpack_from(f"{order}HH", data, first + entry * step)
        if tag in _TIFF_SIZES and kind in _TIFF_TYPES:
            yield _TIFF_SIZES[tag], struct.unpack_from(order + _TIFF_TYPES[kind], data, first + entry * step + value)[0]


def _pnm(data: bytes) -> Size:
    match = _PNM.match(data[:4096])
    if match is None or max(map(len, match.groups())) > 10:
        raise UnknownSizeError("a PNM without a size")
    return int(match[1]), int(match[2])


def _largest(sizes: list[Size]) -> Size:
    if not sizes:
        raise UnknownSizeError("a picture that does not say its size")
    return max(sizes, key=lambda size: size[0] * size[1])


_FORMATS: list[tuple[Callable[[bytes], bool], Callable[[bytes], Size]]] = [
    (lambda data: data.startswith(JPEG), _jpeg),
    (lambda data: data.startswith(PNG), _png),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _webp),
    (lambda data: data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    (lambda data: data.startswith(b"BM"), _bmp),
    (lambda data: _PNM.match(data[:4096]) is not None, _pnm),
]
