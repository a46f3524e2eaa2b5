"""Surfaces of rooms, drawn anew for every room: planks, tiles, carpet, wallpaper, brick, paint, packages, pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 256

Texture = NDArray[np.uint8]
Rng = np.random.Generator


@dataclass(frozen=True)
class Cover:
    """A texture, sRGB (SIZE, SIZE, 3), that repeats every `metres`, and how glossy it is: roughness, 1 is matt."""

    texture: Texture
    metres: float
    roughness: float = 1.0


def colour(rng: Rng, saturation: float = 0.5, low: float = 0.25, high: float = 0.95) -> NDArray[np.float64]:
    """A random sRGB colour, (3,) in [0, 1], with at most this saturation."""
    return hsv(rng.random(), saturation * rng.random(), rng.uniform(low, high))


def hsv(hue: float, saturation: float, value: float) -> NDArray[np.float64]:
    """sRGB from hue, saturation and value, all in [0, 1]."""
    sector = (np.array([5, 3, 1]) + hue * 6) % 6
    return np.asarray(value - value * saturation * np.clip(np.minimum(sector, 4 - sector), 0, 1))


def wood_colour(rng: Rng) -> NDArray[np.float64]:
    return hsv(rng.uniform(0.04, 0.11), rng.uniform(0.15, 0.7), rng.uniform(0.22, 0.85))


def noise(rng: Rng, across: int, down: int | None = None) -> NDArray[np.float64]:
    """Smooth noise (SIZE, SIZE) of mean 0 and deviation 1 that repeats, with so many grains in a row and a column."""
    grid = rng.standard_normal((down or across, across)).astype(np.float32)
    tiled = np.tile(grid, (3, 3))
    large = cv2.resize(tiled, (3 * SIZE, 3 * SIZE), interpolation=cv2.INTER_CUBIC)[SIZE : 2 * SIZE, SIZE : 2 * SIZE]
    return np.asarray(large / max(float(large.std()), 1e-6), np.float64)


def cells(rng: Rng, rows: int, columns: int, shift: bool, gap: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A wall of bricks: the number of the cell at every pixel, and where the joints are, `gap` of the texture wide."""
    v, u = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    row = np.floor(v * rows).astype(np.int64)
    offsets = rng.random(rows) if shift else np.zeros(rows)
    along = (u + offsets[row] / columns) * columns
    column = np.floor(along).astype(np.int64) % columns
    joints = (np.mod(v * rows, 1) * SIZE / rows < gap * SIZE) | (np.mod(along, 1) * SIZE / columns < gap * SIZE)
    return row * columns + column, joints


def planks(rng: Rng) -> Cover:
    rows, columns = int(rng.integers(6, 15)), int(rng.integers(1, 4))
    cell, joints = cells(rng, rows, columns, True, 1 / SIZE)
    shade = 1 + rng.uniform(0.03, 0.18) * rng.standard_normal(rows * columns)[cell]
    grain = 1 + rng.uniform(0.02, 0.12) * noise(rng, 4, 128) + 0.04 * noise(rng, 2, 32)
    return Cover(_painted(wood_colour(rng), shade * grain, joints, 0.55), rng.uniform(1.0, 2.0), rng.uniform(0.2, 1.2))


def parquet(rng: Rng) -> Cover:
    cell, joints = cells(rng, 4, 4, False, 1 / SIZE)
    v, u = np.mgrid[0:SIZE, 0:SIZE] * 4 / SIZE
    stripes = np.where((cell // 4 + cell) % 2 == 0, u, v)
    strip = np.floor(np.mod(stripes, 1) * 5).astype(np.int64)
    shade = 1 + 0.12 * rng.standard_normal((16, 5))[cell, strip] + 0.05 * noise(rng, 64)
    return Cover(_painted(wood_colour(rng), shade, joints, 0.6), rng.uniform(0.8, 1.8), rng.uniform(0.2, 1.0))


def tiles(rng: Rng) -> Cover:
    rows = int(rng.integers(2, 7))
    columns = rows if rng.random() < 0.6 else max(1, rows // 2)
    cell, joints = cells(rng, rows, columns, rng.random() < 0.25, rng.uniform(0.004, 0.02))
    shade = 1 + rng.uniform(0, 0.08) * rng.standard_normal(rows * columns)[cell] + rng.uniform(0, 0.08) * noise(rng, 12)
    first, second = colour(rng, 0.5), colour(rng, 0.6)
    check = ((cell // columns + cell % columns) % 2 == 1) & (rng.random() < 0.25)
    picture = np.where(check[..., None], second, first) * shade[..., None]
    picture[joints] = rng.uniform(0.2, 0.9)
    return Cover(_encoded(picture), rng.uniform(0.25, 0.5) * rows / 2, rng.uniform(0.1, 0.8))


def carpet(rng: Rng) -> Cover:
    shade = 1 + rng.uniform(0.04, 0.2) * rng.standard_normal((SIZE, SIZE)) + rng.uniform(0, 0.1) * noise(rng, 6)
    picture = colour(rng, 0.8, 0.12, 0.7) * shade[..., None]
    if rng.random() < 0.3:
        picture = np.where((noise(rng, int(rng.integers(3, 20))) > 0.7)[..., None], colour(rng, 0.8) * 0.8, picture)
    return Cover(_encoded(picture), rng.uniform(0.4, 1.5))


def concrete(rng: Rng) -> Cover:
    shade = 1 + rng.uniform(0.03, 0.12) * (noise(rng, 4) + noise(rng, 16)) + 0.04 * noise(rng, 128)
    return Cover(_encoded(colour(rng, 0.15, 0.3, 0.8) * shade[..., None]), rng.uniform(1.0, 3.0), rng.uniform(0.3, 1.2))


def terrazzo(rng: Rng) -> Cover:
    picture = np.ones((SIZE, SIZE, 1)) * colour(rng, 0.25, 0.35, 0.9)
    for _ in range(3):
        picture = np.where((noise(rng, 60) > rng.uniform(0.9, 2.0))[..., None], colour(rng, 0.5), picture)
    return Cover(_encoded(picture), rng.uniform(0.5, 1.5), rng.uniform(0.1, 0.6))


def brick(rng: Rng) -> Cover:
    rows, columns = 12, 4
    v = np.arange(SIZE) * rows // SIZE
    cell, joints = cells(rng, rows, columns, False, 0.008)
    cell = np.stack([np.roll(line, (row % 2) * SIZE // columns // 2) for row, line in zip(v, cell, strict=True)])
    joints = np.stack([np.roll(line, (row % 2) * SIZE // columns // 2) for row, line in zip(v, joints, strict=True)])
    shade = 1 + 0.15 * rng.standard_normal(rows * columns)[cell] + 0.1 * noise(rng, 64)
    base = hsv(rng.uniform(0, 0.08), rng.uniform(0.1, 0.7), rng.uniform(0.3, 0.9))
    picture = base * shade[..., None]
    picture[joints] = rng.uniform(0.4, 0.85)
    return Cover(_encoded(picture), rng.uniform(0.9, 1.1))


def paint(rng: Rng) -> Cover:
    if rng.random() < 0.7:
        base = colour(rng, 0.15, 0.65, 0.97)
    else:
        base = colour(rng, 0.75, 0.3, 0.9)
    shade = 1 + 0.015 * noise(rng, 3) + rng.uniform(0, 0.02) * noise(rng, 128)
    return Cover(_encoded(base * shade[..., None]), 2.5, 1.0 if rng.random() < 0.8 else rng.uniform(0.3, 0.6))


def wallpaper(rng: Rng) -> Cover:
    v, u = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    base = colour(rng, 0.5, 0.4, 0.95)
    other = np.clip(base * rng.uniform(0.6, 1.3, 3), 0, 1) if rng.random() < 0.7 else colour(rng, 0.8)
    repeats = int(rng.integers(1, 9))
    kind = rng.integers(4)
    if kind == 0:
        mask = np.mod(u * repeats, 1) < rng.uniform(0.1, 0.6)
    elif kind == 1:
        centre = np.mod(np.stack([u * repeats, v * repeats + 0.5 * (np.floor(u * repeats) % 2)]), 1) - 0.5
        mask = np.hypot(*centre) < rng.uniform(0.1, 0.4)
    elif kind == 2:
        mask = np.mod(np.abs(np.mod(u * repeats, 1) - 0.5) + v * repeats, 1) < rng.uniform(0.15, 0.5)
    else:
        mask = noise(rng, 3 + repeats) > rng.uniform(0, 1)
    picture = np.where(mask[..., None], other, base) * (1 + 0.02 * noise(rng, 64))[..., None]
    return Cover(_encoded(picture), rng.uniform(0.3, 1.2))


def panels(rng: Rng) -> Cover:
    rows = int(rng.integers(2, 9))
    cell, joints = cells(rng, 1, rows, False, 0.01)
    shade = 1 + 0.05 * rng.standard_normal(rows)[cell] + 0.06 * noise(rng, 64, 3)
    base = wood_colour(rng) if rng.random() < 0.6 else colour(rng, 0.4)
    return Cover(_painted(base, shade, joints, 0.6), rng.uniform(0.6, 1.5), rng.uniform(0.3, 1.0))


def grid_ceiling(rng: Rng) -> Cover:
    _, joints = cells(rng, 2, 2, False, 0.012)
    picture = np.ones((SIZE, SIZE, 1)) * colour(rng, 0.05, 0.75, 0.95) * (1 + 0.03 * noise(rng, 128))[..., None]
    picture[joints] *= rng.uniform(0.7, 0.95)
    return Cover(_encoded(picture), 1.2)


def fabric(rng: Rng) -> Cover:
    """For upholstery and blankets."""
    if rng.random() < 0.4:
        return wallpaper(rng)
    shade = 1 + rng.uniform(0.02, 0.12) * (noise(rng, 128, 32) + noise(rng, 32, 128)) / 2
    return Cover(_encoded(colour(rng, 0.9, 0.1, 0.85) * shade[..., None]), rng.uniform(0.2, 0.6))


def picture(rng: Rng) -> Texture:
    """What hangs in a frame or is printed on a package: shapes and lines on a ground of changing colour."""
    v, _ = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    blend = np.clip(0.5 + 0.3 * noise(rng, int(rng.integers(2, 6))), 0, 1)[..., None]
    first, second = colour(rng, 1.0, 0.05, 1), colour(rng, 1.0, 0.05, 1)
    canvas = _encoded(first * blend + second * (1 - blend) * (0.6 + 0.4 * v)[..., None])
    for _ in range(int(rng.integers(2, 14))):
        tone = tuple(int(255 * c) for c in colour(rng, 1.0, 0.05, 1))
        x, y, a, b = (int(value) for value in rng.integers(0, SIZE, 4))
        kind = rng.integers(4)
        if kind == 0:
            cv2.rectangle(canvas, (x, y), (x + a // 3, y + b // 3), tone, -1)
        elif kind == 1:
            cv2.ellipse(canvas, (x, y), (a // 4 + 2, b // 4 + 2), float(rng.uniform(0, 180)), 0, 360, tone, -1)
        elif kind == 2:
            cv2.line(canvas, (x, y), (a, b), tone, int(rng.integers(1, 12)))
        else:
            word = "".join(chr(c) for c in rng.integers(65, 91, int(rng.integers(3, 9))))
            cv2.putText(canvas, word, (x // 2, y), int(rng.integers(0, 5)), float(rng.uniform(0.6, 2.5)), tone, 2)
    return canvas


def outside(rng: Rng) -> Texture:
    """A blurred view out of a window: sky, houses or trees, ground."""
    v, _ = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    horizon = rng.uniform(0.3, 0.8)
    sky = hsv(rng.uniform(0.52, 0.62), rng.uniform(0, 0.5), 1.0)
    ground = colour(rng, 0.5, 0.15, 0.5)
    canvas = np.where((v < horizon)[..., None], sky * (0.75 + 0.25 * v[..., None] / horizon), ground)
    for _ in range(int(rng.integers(0, 7))):
        left, width = int(rng.integers(0, SIZE)), int(rng.integers(15, 90))
        top = int(SIZE * (horizon - rng.uniform(0, 0.5) * horizon))
        tree = hsv(rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.5))
        tone = tree if rng.random() < 0.5 else colour(rng, 0.4, 0.2, 0.9)
        canvas[max(top, 0) : int(SIZE * (horizon + 0.1)), left : left + width] = tone
    canvas = canvas * (1 + 0.1 * noise(rng, 24))[..., None]
    blurred = cv2.GaussianBlur(np.clip(canvas, 0, 1).astype(np.float32), (0, 0), rng.uniform(1, 6))
    return _encoded(blurred)


FLOORS: tuple[Callable[[Rng], Cover], ...] = (planks, planks, parquet, tiles, tiles, carpet, carpet, concrete, terrazzo)
WALLS: tuple[Callable[[Rng], Cover], ...] = (paint, paint, paint, paint, paint, wallpaper, wallpaper, brick, panels)
CEILINGS: tuple[Callable[[Rng], Cover], ...] = (paint, grid_ceiling)


def _painted(base: NDArray[np.float64], shade: NDArray[np.float64], joints: NDArray[np.bool_], dark: float) -> Texture:
    return _encoded(base * (shade * np.where(joints, dark, 1.0))[..., None])


def _encoded(picture: NDArray[Any]) -> Texture:
    return np.asarray(np.clip(picture, 0, 1) * 255 + 0.5, np.uint8)
