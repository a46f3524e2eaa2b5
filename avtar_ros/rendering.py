"""Pictures for people: overlays, rows of pictures, legends. All are RGB uint8."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.meaning import Meaning

Image = NDArray[np.uint8]


def overlay(image: Image, colors: Image, opacity: float) -> Image:
    """`colors` over the image, at the size of `colors`; opacity 0 shows the image, 1 the colours alone."""
    height, width = colors.shape[:2]
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return cv2.addWeighted(colors, opacity, image, 1 - opacity, 0).astype(np.uint8, copy=False)


def side_by_side(pictures: dict[str, Image]) -> Image:
    """One row of pictures on white, each under its title, all as high as the first."""
    height = next(iter(pictures.values())).shape[0]
    panels = [_titled(_scaled(picture, height), title) for title, picture in pictures.items()]
    return _padded(np.hstack(panels))


def legend(meaning: Meaning, width: int) -> Image:
    """The classes, each a swatch and its name, in rows on white."""
    canvas = np.full((_LINE, width, 3), 255, np.uint8)
    x = _GAP
    rows = [canvas]
    for semantic_class in meaning.classes:
        extent = _LINE + _text_width(semantic_class.name) + 2 * _GAP
        if x > _GAP and x + extent > width:
            rows.append(np.full_like(canvas, 255))
            x = _GAP
        cv2.rectangle(rows[-1], (x, 6), (x + _LINE - 12, _LINE - 7), semantic_class.color, cv2.FILLED)
        _write(rows[-1], semantic_class.name, x + _LINE - 6)
        x += extent
    return np.vstack(rows)


_LINE = 26
"""Height of a line of text in pixels."""
_GAP = 8
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5


def _scaled(picture: Image, height: int) -> Image:
    width = round(picture.shape[1] * height / picture.shape[0])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _titled(picture: Image, title: str) -> Image:
    line = np.full((_LINE, picture.shape[1], 3), 255, np.uint8)
    _write(line, title, 0)
    return _padded(np.vstack([line, picture]))


def _padded(picture: Image) -> Image:
    pad = _GAP // 2
    return np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), constant_values=255)


def _text_width(text: str) -> int:
    return int(cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0][0])


def _write(line: Image, text: str, x: int) -> None:
    cv2.putText(line, text, (x, _LINE - 8), _FONT, _FONT_SCALE, (40, 40, 40), 1, cv2.LINE_AA)
