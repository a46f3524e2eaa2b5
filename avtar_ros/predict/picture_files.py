"""Pictures out of files and streams of bytes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.disk.files import expanded
from avtar_ros.errors import AvtarError, ImageError
from avtar_ros.imaging.decoding import decode_picture


def read_picture(path: Path) -> NDArray[np.uint8]:
    """The picture in a file as RGB (H, W, 3), upright as its EXIF data say. Raises AvtarError."""
    try:
        content = expanded(path).read_bytes()
    except OSError as error:
        raise AvtarError(f"{path}: cannot be read ({error.strerror}). Give the path of a picture.") from error
    return picture_of(content, str(path))


def picture_of(content: bytes, where: str) -> NDArray[np.uint8]:
    """The same of the bytes of a file, `where` they are from."""
    try:
        bgr = decode_picture(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except ImageError as error:
        raise AvtarError(f"{where}: {error}") from error
    if bgr is None:
        raise AvtarError(f"{where}: not a picture that OpenCV can read, or a damaged one ({len(content)} bytes).")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
