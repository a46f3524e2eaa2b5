"""Decoding pictures of any origin: never more pixels than are allowed, and errors of one type.

`MAX_PIXELS` are allowed, or what the environment variable AVTAR_MAX_PIXELS says; a node has its own parameter.
"""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.errors import ImageError
from avtar_ros.imaging.picture_header import UnknownSizeError, picture_size

MAX_PIXELS = 50_000_000
"""Of an image: 150 MB of colours. The largest cameras on robots have 20 million."""
MOST_PIXELS = 2**28
"""That can be allowed."""
VARIABLE = "AVTAR_MAX_PIXELS"


class _Limit:
    """The one limit of a process, as the memory that it guards is one."""

    def __init__(self) -> None:
        text = os.environ.get(VARIABLE, "")
        self.pixels = min(int(text), MOST_PIXELS) if text.isascii() and text.isdigit() else MAX_PIXELS


_limit = _Limit()


def allow_pixels(pixels: int) -> None:
    """Let images have so many pixels from now on, in the whole process."""
    _limit.pixels = min(pixels, MOST_PIXELS)


def check_pixels(width: int, height: int) -> None:
    """Raise ImageError for an image of more pixels than are allowed."""
    if width * height > _limit.pixels:
        raise ImageError(
            f"the image says that it has {width}x{height} pixels, and {_limit.pixels} are allowed: it is not decoded. "
            f"If it is right, raise max_pixels of the node, or {VARIABLE} in the environment."
        )


def decode_picture(data: NDArray[np.uint8], flags: int) -> NDArray[Any] | None:
    """The picture in a file's bytes as OpenCV decodes it with `flags`; None where they are none, or a damaged one.

    Raises ImageError for one of more pixels than are allowed, before it is decoded, and where OpenCV finds no words.
    """
    try:
        check_pixels(*picture_size(data.tobytes()))
    except UnknownSizeError:
        return None
    try:
        return cv2.imdecode(data, flags)
    except cv2.error as error:
        raise ImageError(f"the picture cannot be decoded ({' '.join(error.err.split())})") from error
