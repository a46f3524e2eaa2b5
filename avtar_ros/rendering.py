"""Colours for maps: what people look at. All images are RGB uint8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from avtar_ros.model_card import ModelCard

Image = NDArray[np.uint8]

UNLABELLED = 255


def color_classes(ids: Image, card: ModelCard) -> Image:
    """Class ids (H, W) to the card's colours (H, W, 3); ids the card does not know are black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(card.classes)] = [c.color for c in card.classes]
    return table[ids]


def color_depth(depth: NDArray[np.float32], card: ModelCard) -> Image:
    """Depth (H, W) in metres to Turbo, near = red; logarithmic over the card's range; unknown = black."""
    assert card.depth is not None
    low, high = np.log(card.depth.min_m), np.log(card.depth.max_m)
    known = depth > 0  # false for NaN as well
    nearness = (high - np.log(np.where(known, depth, 1.0))) / (high - low)
    levels = (255 * np.clip(nearness, 0, 1)).astype(np.uint8)
    colors: Image = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1].astype(np.uint8)
    return np.where(known[..., None], colors, np.uint8(0)).astype(np.uint8, copy=False)


def color_normals(normals: NDArray[np.float32], card: ModelCard) -> Image:
    """Normals (H, W, 3) to the customary colours: red = left, green = up, blue = towards the camera."""
    return np.nan_to_num(127.5 - 127.5 * normals, nan=0.0).clip(0, 255).astype(np.uint8)


def color_edges(edges: NDArray[np.float32], card: ModelCard) -> Image:
    """Edge probability (H, W) to grey, 1 = white."""
    levels = np.nan_to_num(255 * edges, nan=0.0).clip(0, 255).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=-1)


def overlay(image: Image, colors: Image, opacity: float) -> Image:
    """`colors` over the image, at the size of `colors`; opacity 0 shows the image, 1 the colours alone."""
    height, width = colors.shape[:2]
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return cv2.addWeighted(colors, opacity, image, 1 - opacity, 0).astype(np.uint8, copy=False)
