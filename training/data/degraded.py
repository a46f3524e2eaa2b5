"""What cameras do to pictures: exposure and white balance, vignetting, focus and motion blur, noise, JPEG."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.batch import Batch

EXPOSURE_STOPS = 1.2
BALANCE = 0.25
"""Largest change of red and blue against green, as a share."""
GAMMA = 0.35
VIGNETTE = 0.4
"""Largest share of light lost in the corners."""
BLUR_PX = 1.5
"""Largest sigma out of focus, at a width of 320."""
MOTION_PX = 9.0
"""Longest smear, at a width of 320."""
NOISE = 0.06
"""Largest standard deviation, of the full scale."""
BLOTCH_PX = 2
"""What a camera's own processing smears noise to, at half of the pictures."""
WORST_JPEG = 25
SOME = 0.5
"""Share of pictures that get each of blur, motion, noise and JPEG."""


def degraded(batch: Batch, strength: float, random: torch.Generator) -> Batch:
    """Every image as some camera, good or bad, would have taken it: the same for the same state of `random`.

    `strength` in [0, 1] is how bad the worst of them is. Maps stay as they are.
    """
    seeds = torch.randint(2**62, (len(batch),), generator=random).tolist()
    images = [
        torch.from_numpy(_degraded(image, strength, np.random.default_rng(seed)))
        for image, seed in zip(batch.image.numpy(), seeds, strict=True)
    ]
    changed: Tensor = torch.stack(images)
    return replace(batch, image=changed)


def _degraded(image: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    pixels = _toned(image, strength, rng)
    if rng.random() < SOME:
        pixels = _blurred(pixels, strength, rng)
    if rng.random() < SOME / 2:
        pixels = _moved(pixels, strength, rng)
    if rng.random() < SOME:
        pixels = pixels + _noise(pixels.shape[:2], strength, rng)
    taken = np.clip(pixels * 255 + 0.5, 0, 255).astype(np.uint8)
    return _compressed(taken, strength, rng) if rng.random() < SOME else taken


def _toned(image: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Exposure, white balance and vignetting in linear light, and another tone curve; values in [0, 1]."""
    height, width = image.shape[:2]
    stops = strength * EXPOSURE_STOPS * rng.uniform(-1, 1)
    gains = 2**stops * (1 + strength * BALANCE * np.array([rng.uniform(-1, 1), 0, rng.uniform(-1, 1)]))
    gamma = 2.2 * math.exp(strength * GAMMA * rng.uniform(-1, 1))
    levels = (np.arange(256, dtype=np.float32) / 255) ** np.float32(2.2)
    curves = np.minimum(levels[:, None] * gains.astype(np.float32), 1)  # (256, 3): what is too bright is white
    curves **= np.float32(1 / gamma)
    toned = np.stack([curves[:, c][image[..., c]] for c in range(3)], axis=-1)
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    lost = strength * VIGNETTE * rng.random() / 2
    falloff = (1 - np.float32(lost) * (x**2 + y[:, None] ** 2)) ** np.float32(1 / gamma)
    return np.asarray(toned * falloff[..., None], np.float32)


def _blurred(pixels: NDArray[np.float32], strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    sigma = strength * BLUR_PX * rng.random() * pixels.shape[1] / 320
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), max(sigma, 0.1)), np.float32)


def _moved(pixels: NDArray[np.float32], strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A straight smear in any direction."""
    length = max(1.0, strength * MOTION_PX * rng.random() * pixels.shape[1] / 320)
    size = 2 * math.ceil(length / 2) + 1
    kernel = np.zeros((size, size), np.float32)
    angle, middle = rng.uniform(0, math.pi), size // 2
    reach = length / 2 * np.array([math.cos(angle), math.sin(angle)])
    ends = [tuple(np.round(16 * (middle + sign * reach)).astype(int).tolist()) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()), np.float32)


def _noise(shape: tuple[int, ...], strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Of a sensor alone, or as its processing leaves it: smeared."""
    noise = rng.standard_normal((*shape, 3), np.float32)
    if rng.random() < SOME:
        noise = np.asarray(cv2.blur(noise, (BLOTCH_PX, BLOTCH_PX)), np.float32) * BLOTCH_PX
    return noise * np.float32(strength * NOISE * rng.random() ** 2)


def _compressed(image: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    quality = round(95 - strength * (95 - WORST_JPEG) * rng.random())
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.ascontiguousarray(bgr[..., ::-1], dtype=np.uint8)
