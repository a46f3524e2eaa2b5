"""From noisy radiance to a photograph: denoising, exposure, lens, sensor, JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.path_traced_rooms.textures import Rng

Array = NDArray[np.float32]

STEPS = (1, 2, 4, 8)
TONE = 0.7
"""Difference in logarithmic light at which two pixels count as one in e."""
DARK = 1e-3


def denoised(radiance: Array, albedo: Array, normals: Array, depth: Array) -> Array:
    """Radiance (H, W, 3) with its light smoothed within surfaces, the texture of surfaces kept.

    An à-trous filter (Dammertz et al., HPG 2010) of the light, radiance without albedo, that stops at changes of normal
    and depth.
    """
    base = np.maximum(albedo, 0.02)
    light = radiance / base
    # Single bright samples, of paths that met a lamp by chance.
    around = cv2.blur(cv2.medianBlur(light, 5), (5, 5))
    light = np.minimum(light, 4 * around + DARK)
    inverse = np.asarray(1 / np.maximum(depth, 0.05), np.float32)
    for number, step in enumerate(STEPS):
        total, weights = light.copy(), np.ones_like(depth)
        # Of few samples alone one cannot tell a shadow's edge from noise: at first the tone says nothing.
        tone = np.log(light.mean(axis=2) + DARK)
        for dy in (-step, 0, step):
            for dx in (-step, 0, step):
                if not (dx or dy):
                    continue
                there = _shifted(normals, dy, dx)
                alike = np.clip((normals * there).sum(axis=2), 0, 1) ** 32
                alike *= np.exp(-np.abs(_shifted(inverse, dy, dx) - inverse) / (0.02 * step * inverse))
                if number:
                    alike *= np.exp(-np.abs(_shifted(tone, dy, dx) - tone) / TONE)
                alike *= 0.5 if dx and dy else 0.8
                total += alike[..., None] * _shifted(light, dy, dx)
                weights += alike
        light = total / weights[..., None]
    return np.asarray(light * base, np.float32)


def _shifted(image: Array, dy: int, dx: int) -> Array:
    """The image moved by some pixels; its border repeats."""
    height, width = image.shape[:2]
    rows = np.clip(np.arange(height) + dy, 0, height - 1)
    columns = np.clip(np.arange(width) + dx, 0, width - 1)
    return image[rows][:, columns]


def photograph(radiance: Array, rng: Rng) -> NDArray[np.uint8]:
    """sRGB (H, W, 3) from linear radiance, as some camera would give it."""
    height, width = radiance.shape[:2]
    # Cameras expose for most of the image, and let windows and lamps burn out.
    light = np.maximum(radiance.mean(axis=2), DARK)
    level = float(np.exp(np.log(light).mean()) ** 0.75 * np.minimum(light, np.percentile(light, 90)).mean() ** 0.25)
    exposure = 0.32 * 2 ** float(rng.normal(0, 0.45))
    if rng.random() < 0.1:
        exposure *= float(rng.choice([0.35, 2.0]))
    balance = np.exp(rng.normal(0, 0.08, 3)) * (1.0 if rng.random() < 0.7 else np.array([1.15, 1.0, 0.8]))
    image = radiance * np.float32(exposure / max(level, DARK)) * balance.astype(np.float32)
    if rng.random() < 0.5:
        v, u = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        image *= (1 - float(rng.uniform(0, 0.45)) * (u**2 + v**2) / 2)[..., None].astype(np.float32)
    image = 1 - np.exp(-1.3 * image) if rng.random() < 0.7 else np.clip(image, 0, 1)
    if rng.random() < 0.15:
        image = cv2.filter2D(image, -1, _streak(int(rng.integers(2, 6)), float(rng.uniform(0, np.pi))))
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.0)))
    deviation = np.sqrt(float(rng.uniform(0, 0.012)) ** 2 + float(rng.uniform(0, 0.03)) ** 2 * np.maximum(image, 0))
    image = image + deviation * rng.standard_normal(image.shape, dtype=np.float32)
    encoded = np.clip(image, 0, 1) ** (1 / float(rng.uniform(1.9, 2.4)))
    if rng.random() < 0.4:
        grey = encoded.mean(axis=2, keepdims=True)
        encoded = grey + (encoded - grey) * float(rng.uniform(0.4, 1.3))
    return np.asarray(np.clip(encoded, 0, 1) * 255 + 0.5, np.uint8)


def jpeg_quality(rng: Rng) -> int:
    return int(rng.integers(60, 98))


def _streak(length: int, angle: float) -> Array:
    """The kernel of a camera that moves by so many pixels."""
    size = 2 * length + 1
    kernel = np.zeros((size, size), np.float32)
    end = (length + 0.5 * length * np.cos(angle), length + 0.5 * length * np.sin(angle))
    start = (length - 0.5 * length * np.cos(angle), length - 0.5 * length * np.sin(angle))
    cv2.line(kernel, (round(start[0]), round(start[1])), (round(end[0]), round(end[1])), 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)
