"""RVL, the lossless compression of depth images that compressed_depth_image_transport has beside PNG.

A. D. Wilson, Fast Lossless Depth Image Compression, ISS 2017. The stream is of 32-bit little-endian words, each of
eight nibbles, the highest first. A number is in nibbles of three bits, the lowest first, with the fourth bit set where
more follow. In turn come: how many pixels are 0; how many are not; and for each of these the difference to the last
pixel that was not 0, d as 2d where d ≥ 0 and as −2d − 1 below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SHIFTS = np.arange(28, -4, -4, dtype=np.uint32)
MOST_NIBBLES = 11
"""What numbers below 2³³ take; more is damage."""


class RvlError(ValueError):
    """Bytes that are no RVL, or not all of it."""


def decode_rvl(data: bytes | NDArray[np.uint8], pixels: int) -> NDArray[np.uint16]:
    """The `pixels` values in a stream, (pixels,). Raises RvlError."""
    numbers = _numbers(np.frombuffer(data, np.uint8))
    is_value, is_difference = np.zeros(pixels, bool), np.zeros(numbers.size, bool)
    pixel = at = 0
    while pixel < pixels:
        if at + 2 > numbers.size:
            raise RvlError(f"the data end after {pixel} of {pixels} pixels")
        zeros, others = int(numbers[at]), int(numbers[at + 1])
        pixel, at = pixel + zeros, at + 2
        if pixel + others > pixels or at + others > numbers.size:
            raise RvlError(f"a run of {others} pixels from pixel {pixel} on does not fit {pixels} pixels or the data")
        is_value[pixel : pixel + others] = True
        is_difference[at : at + others] = True
        pixel, at = pixel + others, at + others
    coded = numbers[is_difference]
    values = np.zeros(pixels, np.uint16)
    values[is_value] = np.cumsum((coded >> 1) ^ -(coded & 1)).astype(np.uint16)
    return values


def _numbers(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """All complete numbers in a stream."""
    words = data[: data.size // 4 * 4].view("<u4").astype(np.uint32)
    nibbles = ((words[:, None] >> _SHIFTS) & 15).ravel().astype(np.int64)
    ends = np.flatnonzero(nibbles < 8)
    if not ends.size:
        return ends
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).max() >= MOST_NIBBLES:
        raise RvlError("a number is longer than any can be")
    nibbles = nibbles[: ends[-1] + 1]
    places = np.arange(nibbles.size) - np.repeat(starts, ends - starts + 1)
    numbers: NDArray[np.int64] = np.add.reduceat((nibbles & 7) << (3 * places), starts)
    return numbers
