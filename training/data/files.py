"""Reading the files of data sets, with errors that say what was expected and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.errors import ImageError
from avtar_ros.imaging.decoding import decode_picture
from training.errors import TrainingError

Image = NDArray[np.uint8]

LISTED = 8
"""How many names of a folder are shown in an error."""


def read_image(path: Path, upright: bool = False) -> Image:
    """A photograph of any format as RGB (H, W, 3). Raises TrainingError if it is missing or damaged.

    `upright` turns it as its EXIF data say, which one must not where there are maps of its pixels.
    """
    flags = cv2.IMREAD_COLOR | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    return np.asarray(cv2.cvtColor(_read(path, flags), cv2.COLOR_BGR2RGB), np.uint8)


def read_map(path: Path, dtype: type[np.generic], channels: int = 1) -> NDArray[Any]:
    """A picture that holds measurements, as stored: (H, W), or (H, W, channels) in the order of the file.

    Raises TrainingError if it is missing or damaged, or of another type or number of channels.
    """
    picture = _read(path, cv2.IMREAD_UNCHANGED)
    found = picture.shape[2] if picture.ndim == 3 else 1
    if picture.dtype != dtype or found != channels:
        bits, expected_bits = 8 * picture.dtype.itemsize, 8 * np.dtype(dtype).itemsize
        raise TrainingError(
            f"{path}: expected {expected_bits} bits and {channels} channels a pixel, found {bits} and {found}."
        )
    return picture if channels == 1 else np.ascontiguousarray(picture[..., ::-1])


def read_stored(path: Path) -> NDArray[Any]:
    """A picture of any type as stored: (H, W), or (H, W, channels) with red first.

    Raises TrainingError if it is missing or damaged.
    """
    picture = _read(path, cv2.IMREAD_UNCHANGED)
    if picture.ndim == 3:
        picture[..., :3] = picture[..., 2::-1].copy()
    return picture


def require(root: Path, title: str, names: Sequence[str]) -> None:
    """Raises TrainingError if `root` lacks one of `names`, all of which a data set of this title has."""
    missing = [name for name in names if not (root / name).exists()]
    if missing:
        raise TrainingError(
            f"{root}: not the folder of {title}: expected {', '.join(names)}; missing {', '.join(missing)}. "
            f"{contents(root)}"
        )


def contents(folder: Path) -> str:
    """A sentence that says what is in a folder, for errors."""
    if not folder.is_dir():
        return "There is no such folder."
    names = sorted(path.name for path in folder.iterdir())
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"Found there: {', '.join(names[:LISTED]) or 'nothing'}{more}."


def _read(path: Path, flags: int) -> NDArray[Any]:
    if not path.is_file():
        raise TrainingError(f"{path}: no such picture. {contents(path.parent)}")
    try:
        picture = decode_picture(np.fromfile(path, np.uint8), flags)
    except ImageError as error:
        raise TrainingError(f"{path}: {error}") from error
    if picture is None:
        raise TrainingError(f"{path}: not a picture, or a damaged one. Unpack the data set again.")
    return picture
