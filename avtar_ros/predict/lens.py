"""The focal length of what took a picture, and how it is known: it is what makes depth metric."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avtar_ros.errors import AvtarError
from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.model_card import ModelCard
from avtar_ros.terminal.command_line import positive
from avtar_ros.terminal.extras import install_line

DIAGONAL_35MM = math.hypot(36, 24)
"""Of a frame of 35 mm film, in mm."""
DISAGREEMENT = 1.15
"""Two statements of EXIF that differ by more than this factor are no evidence of either."""
_MM_PER_UNIT = {2: 25.4, 3: 10.0}
_EXIF_BLOCK = 0x8769
_WIDTH, _HEIGHT, _FOCAL_MM, _FOCAL_35MM = 0xA002, 0xA003, 0x920A, 0xA405
_PIXELS_PER_UNIT, _UNIT = 0xA20E, 0xA210


@dataclass(frozen=True)
class Lens:
    """fx in pixels at the image's own width, and in words where it is from."""

    focal_px: float
    origin: str
    known: bool = True
    """False where it is only what the model was trained for: then depth is right for such a camera alone."""


@dataclass(frozen=True)
class LensOptions:
    """What a user has said of the camera: `focal_px`, fx at the width of the images, or `fov_deg`, the horizontal field
    of view in degrees. Raises AvtarError if both are given or one cannot be."""

    focal_px: float | None = None
    fov_deg: float | None = None

    def __post_init__(self) -> None:
        if self.focal_px is not None and self.fov_deg is not None:
            raise AvtarError("both a focal length and a field of view are given. Give one of them.")
        if self.focal_px is not None and not 0 < self.focal_px < math.inf:
            raise AvtarError(f"a focal length of {self.focal_px} pixels: it must be positive.")
        if self.fov_deg is not None and not 0 < self.fov_deg < 180:
            raise AvtarError(f"a field of view of {self.fov_deg} degrees: it lies between 0 and 180.")

    def lens(self, width: int, height: int, recorded: Lens | None, card: ModelCard) -> Lens:
        """The lens for an image of this size: as said, else as `recorded` with it, else what the model assumes."""
        return self.known_lens(width, height) or recorded or assumed_lens(card, width)

    def known_lens(self, width: int, height: int) -> Lens | None:
        """The lens as said; None where nothing was."""
        if self.focal_px is not None:
            return Lens(self.focal_px, "given")
        if self.fov_deg is not None:
            fx = Pinhole.of_view(width, height, self.fov_deg).fx
            return Lens(fx, f"given field of view of {self.fov_deg:g}°")
        return None


def add_lens(parser: argparse.ArgumentParser, whose: str) -> None:
    """The options that say what a camera's lens is."""
    lens = parser.add_mutually_exclusive_group()
    lens.add_argument("--fov", type=positive, metavar="DEGREES", help=f"horizontal field of view of {whose}")
    lens.add_argument("--focal-px", type=positive, metavar="PX", help=f"focal length of {whose} in pixels")


def assumed_lens(card: ModelCard, width: int) -> Lens:
    """What the model takes for granted of the camera of an image `width` wide; of a wide one (60°) without depth."""
    if card.depth is None:
        return Lens(Pinhole.of_view(width, 1, 60).fx, "assumed: a field of view of 60°", known=False)
    fx = card.depth.focal_px * width / card.width
    degrees = math.degrees(2 * math.atan(width / 2 / fx))
    return Lens(fx, f"assumed: the {degrees:.0f}° of view that the model was trained for", known=False)


def exif_lens(path: Path, width: int, height: int) -> Lens | None:
    """The lens that a picture's EXIF data tells, for the picture at this size; None where it tells none, or two.

    EXIF 2.32: FocalLengthIn35mmFilm is to the diagonal of 36 x 24 mm as the focal length is to the picture's (CIPA
    DCG-001); and FocalLength in mm times FocalPlaneXResolution is in pixels of the picture as it was taken. Both hold
    for pictures that were made smaller since, none for those cut out.
    """
    found = [fx for fx in _exif_focal_lengths(_exif(path), width, height) if 0 < fx < math.inf]
    if not found or max(found) > DISAGREEMENT * min(found):
        return None
    return Lens(found[0], "EXIF")


def _exif_focal_lengths(tags: dict[int, Any], width: int, height: int) -> list[float]:
    """In pixels, the more exact first."""
    found = []
    taken = sorted((_number(tags.get(_WIDTH)), _number(tags.get(_HEIGHT))))
    per_unit, millimetres = _number(tags.get(_PIXELS_PER_UNIT)), _number(tags.get(_FOCAL_MM))
    unit = _MM_PER_UNIT.get(int(_number(tags.get(_UNIT))), 0.0)
    whole = taken[0] > 0 and math.isclose(taken[1] / taken[0], _aspect(width, height), rel_tol=0.02)
    if whole and per_unit and millimetres and unit:
        found.append(millimetres * per_unit / unit * max(width, height) / taken[1])
    if equivalent := _number(tags.get(_FOCAL_35MM)):
        found.append(equivalent / DIAGONAL_35MM * math.hypot(width, height))
    return found


def _aspect(width: int, height: int) -> float:
    return max(width, height) / min(width, height)


def _exif(path: Path) -> dict[int, Any]:
    """The EXIF tags of a picture file that tell of the exposure; none where there are none or they are damaged."""
    try:
        from PIL import Image
    except ImportError as error:
        raise AvtarError(f"EXIF data are read with Pillow. Run: {install_line(None)}") from error
    try:
        with Image.open(path) as picture:
            return dict(picture.getexif().get_ifd(_EXIF_BLOCK))
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):  # what Pillow raises of damaged files
        return {}


def _number(value: Any) -> float:
    """A number out of EXIF; 0 where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
