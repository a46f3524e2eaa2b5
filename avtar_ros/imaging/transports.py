"""What image_transport's plugins pack into sensor_msgs/CompressedImage, unpacked. No ROS.

    compressed        the picture file itself; format "rgb8; jpeg compressed bgr8", "16UC1; png compressed ", or "jpeg"
    compressedDepth   12 bytes, then a 16-bit PNG, or width, height and RVL; format "16UC1; compressedDepth png"
    zstd              17 bytes and the encoding, then the pixels, by zlib in its first releases; format "zstd"

Recorders and converters leave the 12 bytes out, or give depth as a plain picture: what the data begin with decides.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from avtar_ros.errors import ImageError
from avtar_ros.imaging.decoding import MOST_PIXELS, check_pixels
from avtar_ros.imaging.picture_header import JPEG, PNG
from avtar_ros.imaging.rvl import RvlError, decode_rvl

MOST_PIXEL_BYTES = 16
"""Of a pixel; more is no encoding."""
EXR = b"\x76\x2f\x31\x01"
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = 0xDA
_JPEG_FILLERS = tuple(bytes([value]) * 65536 for value in (0, 0x5A, 0xA5))
"""More than a row of blocks holds: older OpenCVs give nothing of a row that they have not decoded to its end."""
_DEPTH_HEADER = struct.Struct("<iff")
_RVL_SIZE = struct.Struct("<II")
_ZSTD_HEADER = struct.Struct("<IIBII")

Decode = Callable[[NDArray[np.uint8]], NDArray[Any]]


@dataclass(frozen=True)
class ImageFields:
    """What sensor_msgs/Image wants besides its header; `data` is flat, a view of the array it came from."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: NDArray[np.uint8]


@dataclass(frozen=True)
class Quantised:
    """A depth image as compressedDepth stores it (H, W) uint16.

    Of 32FC1 it holds inverse depth q, with z = a / (q − b); a and b are None where the data do not have them.
    """

    stored: NDArray[np.uint16]
    a: float | None
    b: float | None


def is_compressed(message: Any) -> bool:
    return hasattr(message, "format")


def encoding_of(message: Any) -> str:
    """The encoding of the image in a message, as far as the message says: "" of a "jpeg" or "png"."""
    if not is_compressed(message):
        return str(message.encoding)
    if message.format == "zstd":
        return unpack_zstd_header(message).encoding
    first, semicolon, _ = message.format.partition(";")
    return first.strip() if semicolon or first.strip() not in ("jpeg", "jpg", "png", "webp", "tiff") else ""


def unpack_zstd_header(message: Any) -> ImageFields:
    """What zstd_image_transport says of its pixels, without these. Raises ImageError."""
    data = np.frombuffer(message.data, np.uint8)
    if data.size < _ZSTD_HEADER.size:
        raise ImageError(f"format {message.format!r}: {data.size} bytes of data are too few.")
    height, width, is_bigendian, step, length = _ZSTD_HEADER.unpack_from(data.data)
    encoding = data[_ZSTD_HEADER.size :][: min(length, 64)].tobytes().decode("ascii", "replace")
    if height * width > MOST_PIXELS or height * step > 16 * MOST_PIXELS or length > 64:
        raise ImageError(f"format {message.format!r}: the data begin with no sizes, or wrong ones.")
    check_pixels(width, height)
    check_pixels(step // MOST_PIXEL_BYTES, height)
    return ImageFields(height, width, encoding, is_bigendian, step, data[_ZSTD_HEADER.size + length :])


def unpack_zstd(message: Any) -> ImageFields:
    """The image in a message of zstd_image_transport. Raises ImageError."""
    fields = unpack_zstd_header(message)
    expected = fields.height * fields.step * (3 if fields.encoding in ("nv12", "nv21") else 2) // 2
    packed = fields.data.tobytes()
    try:
        if packed[:4] == zstandard.FRAME_HEADER:
            size = zstandard.frame_content_size(packed)
            if size > expected:
                raise ImageError(f"format {message.format!r}: {size} bytes of pixels, where {expected} are expected.")
            plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=expected)
        else:
            plain = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(packed, expected + 1)
    except (zstandard.ZstdError, zlib.error) as error:
        raise ImageError(f"format {message.format!r}: the data cannot be decompressed ({error}).") from error
    height, width, is_bigendian, step = fields.height, fields.width, fields.is_bigendian, fields.step
    return ImageFields(height, width, fields.encoding, is_bigendian, step, np.frombuffer(plain, np.uint8))


def unpack_depth(message: Any, decode: Decode) -> Quantised:
    """The image in a message of compressedDepth; `decode` makes pixels of a picture file's bytes. Raises ImageError."""
    data, rvl = np.frombuffer(message.data, np.uint8), "rvl" in message.format.lower()
    if data[: len(PNG)].tobytes() == PNG:
        return Quantised(_grey16(decode(data), message), None, None)
    if data.size <= _DEPTH_HEADER.size:
        raise ImageError(f"{data.size} bytes of data are too few for format {message.format!r}.")
    _, a, b = _DEPTH_HEADER.unpack_from(data.data)
    rest = data[_DEPTH_HEADER.size :]
    if rest[: len(PNG)].tobytes() == PNG:
        return Quantised(_grey16(decode(rest), message), a, b)
    if not rvl:
        what = f"format {message.format!r}: the {data.size} bytes of data"
        raise ImageError(f"{what} are no jpeg or png, or a damaged one.")
    if (stored := _rvl(rest)) is not None:
        return Quantised(stored, a, b)
    if (stored := _rvl(data)) is not None:
        return Quantised(stored, None, None)
    raise ImageError(f"format {message.format!r}: the {data.size} bytes of data are no RVL, or a damaged one.")


def whole_jpeg(data: NDArray[np.uint8], decode: Decode) -> NDArray[Any] | None:
    """What `decode` makes of a JPEG, also of one that lacks nothing but its end mark; None where more is cut off.

    Where no pixel is missing, it makes no difference what follows. That must be no end mark, for before one decoders
    fill up with grey what is missing.
    """
    content = data.tobytes()
    if content.find(_JPEG_END, _scan_start(content)) >= 0:
        return decode(data)
    try:
        first, *others = (decode(np.frombuffer(content + filler, np.uint8)) for filler in _JPEG_FILLERS)
    except ImageError:
        return None
    return first if all(np.array_equal(first, other) for other in others) else None


def _scan_start(content: bytes) -> int:
    """Where the pixels of a JPEG begin, after segments that may hold anything, a small JPEG too."""
    at = len(JPEG)
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != _JPEG_SCAN:
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return min(at, len(content))


def _grey16(stored: NDArray[Any], message: Any) -> NDArray[np.uint16]:
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise ImageError(f"format {message.format!r} needs a grey 16-bit PNG, not {stored.dtype}.")
    return stored


def _rvl(data: NDArray[np.uint8]) -> NDArray[np.uint16] | None:
    """The image in width, height and RVL; None where it is none."""
    if data.size <= _RVL_SIZE.size:
        return None
    width, height = _RVL_SIZE.unpack_from(data.data)
    if not 0 < width * height <= MOST_PIXELS:
        return None
    check_pixels(width, height)
    try:
        return decode_rvl(data[_RVL_SIZE.size :], math.prod((height, width))).reshape(height, width)
    except RvlError:
        return None
