"""The affinity matrix Ω for people: as text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from struct import pack
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.disk.files import make_folder, write_bytes
from avtar_ros.disk.outputs import check_file
from avtar_ros.model_card import ModelCard
from training.errors import TrainingError

CELL, MARGIN = 96, 150
_TEXT = b"tEXt" + b"Software\0avtar-train affinities"
_SIGNATURE = pack(">I", len(_TEXT) - 4) + _TEXT + pack(">I", crc32(_TEXT))
_HEAD_BYTES = 8 + 25
"""Of a PNG file: what it begins with, and the size of the picture."""


def affinity_text(card: ModelCard) -> str:
    """The matrix with its tasks' names: column t holds the weights for task t."""
    width = max(map(len, card.tasks)) + 2
    lines = [" " * width + "".join(f"{name:>{width}}" for name in card.tasks)]
    for name, row in zip(card.tasks, _matrix(card), strict=True):
        lines.append(f"{name:{width}}" + "".join(f"{value:{width}.3f}" for value in row))
    return "\n".join(lines)


def write_affinity_picture(card: ModelCard, path: Path, inputs: Sequence[Path] = ()) -> None:
    """The numbers in cells whose colours range from the least to the most of them, dark to light.

    Raises TrainingError if the card has no affinities, AvtarError if the file is one of the `inputs` or of others.
    """
    matrix = _matrix(card)
    low, high = float(matrix.min()), float(matrix.max())
    levels = ((matrix - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
    side = MARGIN + CELL * len(matrix)
    picture = np.full((side, side, 3), 255, np.uint8)
    shades = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)
    picture[MARGIN:, MARGIN:] = np.repeat(np.repeat(shades, CELL, 0), CELL, 1)
    _write(picture, "how much the row's task", (6, 20), 0.45, 0)
    _write(picture, "helps the column's", (6, 40), 0.45, 0)
    _write(picture, f"dark {low:.3f}, light {high:.3f}", (6, 64), 0.45, 90)
    for i, name in enumerate(card.tasks):
        middle = MARGIN + CELL * i + CELL // 2
        _write(picture, name, (6, middle + 5), 0.5, 0)
        _write(picture, name, (middle - CELL // 2 + 4, MARGIN - 10), 0.4, 0)
        for j, value in enumerate(matrix[i]):
            bright = 0 if levels[i, j] > 150 else 255
            _write(picture, f"{value:.3f}", (MARGIN + CELL * j + 20, middle + 6), 0.6, bright)
    check_file(path, inputs, is_affinity_picture)
    make_folder(path.absolute().parent)
    write_bytes(path, _signed(cv2.imencode(".png", picture)[1].tobytes()))


def is_affinity_picture(path: Path) -> bool:
    """Whether a file is a picture as this writes them: they say so where PNG has room for text."""
    with path.open("rb") as file:
        return _SIGNATURE in file.read(_HEAD_BYTES + len(_SIGNATURE))


def _signed(png: bytes) -> bytes:
    """The same PNG file with a text behind its head."""
    return png[:_HEAD_BYTES] + _SIGNATURE + png[_HEAD_BYTES:]


def _matrix(card: ModelCard) -> NDArray[np.float64]:
    if not card.affinity:
        raise TrainingError("it has no affinities yet: they are measured while adapters are trained.")
    return np.array(card.affinity)


def _write(picture: NDArray[np.uint8], text: str, place: tuple[int, int], size: float, shade: int) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (shade, shade, shade), 1, cv2.LINE_AA)
