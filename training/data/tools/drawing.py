"""What a labelling tool's export is made of: pictures, and shapes drawn on them one over the other."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.errors import ImageError
from avtar_ros.imaging.decoding import decode_picture

Points = Sequence[Sequence[float]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Shape:
    """A class by its name, and how to tell which pixels of a picture (height, width) it covers."""

    name: str
    covers: Callable[[int, int], Mask]


@dataclass(frozen=True)
class Drawing:
    """A picture and the shapes on it, the last on top; `path` is the file that has them, for errors."""

    path: Path
    image: Path
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Export:
    """All of an export: its drawings, the names of its classes, and a line for each thing that is left out."""

    drawings: tuple[Drawing, ...]
    names: tuple[str, ...]
    left_out: tuple[str, ...] = ()


FARTHEST = 1e6
"""Pixels from a picture's corner beyond which nothing is drawn: it would take minutes."""


def polygon(name: str, exterior: Points, interior: Sequence[Points] = ()) -> Shape:
    """A polygon with holes; corners are in pixels, (0, 0) the upper left corner of the picture."""
    corners = [np.asarray(ring, np.float64).reshape(-1, 2) for ring in (exterior, *interior)]
    if any(len(ring) < 3 for ring in corners):
        raise ValueError("a polygon of fewer than three corners")
    if not all((np.abs(ring) < FARTHEST).all() for ring in corners):
        raise ValueError("a polygon with a corner that is no place in a picture")
    rings = [np.round(ring).astype(np.int32) for ring in corners]

    def covers(height: int, width: int) -> Mask:
        canvas = np.zeros((height, width), np.uint8)
        cv2.fillPoly(canvas, [rings[0]], 1)
        if len(rings) > 1:
            holes = np.zeros_like(canvas)
            cv2.fillPoly(holes, rings[1:], 1)
            canvas &= 1 - holes
        return canvas > 0

    return Shape(name, covers)


def rectangle(name: str, corners: Points) -> Shape:
    (x1, y1), (x2, y2) = corners
    return polygon(name, [(x1, y1), (x2, y1), (x2, y2), (x1, y2)])


def circle(name: str, middle: Sequence[float], rim: Sequence[float]) -> Shape:
    (x, y), radius = middle, float(np.hypot(rim[0] - middle[0], rim[1] - middle[1]))

    def covers(height: int, width: int) -> Mask:
        rows, columns = np.ogrid[:height, :width]
        return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)

    return Shape(name, covers)


def bitmap(name: str, mask: Mask, left: int, top: int) -> Shape:
    """A mask somewhere in the picture; what sticks out is cut off."""

    def covers(height: int, width: int) -> Mask:
        canvas = np.zeros((height, width), np.bool_)
        upper, lower = max(top, 0), min(top + mask.shape[0], height)
        first, last = max(left, 0), min(left + mask.shape[1], width)
        if upper < lower and first < last:
            canvas[upper:lower, first:last] = mask[upper - top : lower - top, first - left : last - left]
        return canvas

    return Shape(name, covers)


def decoded_mask(data: bytes) -> Mask:
    """The pixels that are set in a PNG: by its last channel, opacity, where it has one. Raises ValueError."""
    try:
        picture = decode_picture(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except ImageError as error:
        raise ValueError(str(error)) from error
    if picture is None:
        raise ValueError("a mask that is no picture")
    return np.asarray((picture if picture.ndim == 2 else picture[..., -1]) > 0)


def of_base64(text: Any) -> bytes:
    """Raises ValueError if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"a mask that is not in base64 ({error})") from error
