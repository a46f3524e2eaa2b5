"""What surfaces look like: a fixed atlas of tileable textures, and the materials that colour them.

A texture is 256 x 256 texels of four bytes: how far the colour goes from a material's first to its second colour,
brightness, and two chroma shifts. One texture in many colours and scales gives many surfaces, and looking it up is
a single gather of four bytes a pixel, which procedural noise evaluated per pixel could not match.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIZE = 256
LEVELS = 7  # mip levels: 256, 128, ... 4 texels a side
CHROMA_RANGE = 1.6  # a chroma byte spans +-CHROMA_RANGE / 2

Colour = tuple[float, float, float]
Array = NDArray[np.float32]


class Material(NamedTuple):
    """A surface: texture, period of the texture in metres (0: stretched over the face once), two colours
    (linear RGB reflectance), strength of the highlight, and light given off."""

    texture: int
    period: float
    first: Colour
    second: Colour
    gloss: float = 0.0
    emission: float = 0.0


def _noise(rng: np.random.Generator, cells_y: int, cells_x: int, octaves: int = 4) -> Array:
    """Tileable value noise in [0, 1], shape (SIZE, SIZE)."""
    total = np.zeros((SIZE, SIZE), np.float32)
    weight = 0.0
    for octave in range(octaves):
        rows, cols = min(cells_y << octave, SIZE), min(cells_x << octave, SIZE)
        grid = rng.random((rows, cols), np.float32)
        y, x = np.arange(SIZE) * rows / SIZE, np.arange(SIZE) * cols / SIZE
        y0, x0 = y.astype(int), x.astype(int)
        fy, fx = _smooth(y - y0)[:, None], _smooth(x - x0)[None, :]
        y1, x1 = (y0 + 1) % rows, (x0 + 1) % cols
        top = grid[y0][:, x0] * (1 - fx) + grid[y0][:, x1] * fx
        bottom = grid[y1][:, x0] * (1 - fx) + grid[y1][:, x1] * fx
        total += (top * (1 - fy) + bottom * fy) * 0.5**octave
        weight += 0.5**octave
    noise: Array = total / np.float32(weight)
    return noise


def _smooth(t: NDArray[np.floating]) -> Array:
    eased: Array = (t * t * (3 - 2 * t)).astype(np.float32)
    return eased


def _texture(
    mix: Array | float, shade: Array | float = 1.0, warm: Array | float = 0.0, cool: Array | float = 0.0
) -> NDArray[np.uint8]:
    """Pack the four channels, each broadcast to (SIZE, SIZE), into bytes."""
    channels = (
        mix,
        np.asarray(shade) / 2,
        np.asarray(warm) / CHROMA_RANGE + 0.5,
        np.asarray(cool) / CHROMA_RANGE + 0.5,
    )
    planes = [np.broadcast_to(np.clip(c, 0, 1), (SIZE, SIZE)) for c in channels]
    return (np.stack(planes, -1) * 255 + 0.5).astype(np.uint8)


def _grid(rows: int, cols: int, shift: float = 0.0) -> tuple[NDArray[np.intp], Array, Array]:
    """Cell index and position inside the cell (0..1, down and right) of a wall of cells, odd rows shifted."""
    y = np.arange(SIZE)[:, None] * rows / SIZE + np.zeros((1, SIZE))
    row = y.astype(int)
    x = np.arange(SIZE)[None, :] * cols / SIZE + (row % 2) * shift
    col = x.astype(int) % cols
    return row * cols + col, (y - row).astype(np.float32), (x - np.floor(x)).astype(np.float32)


def _joint(down: Array, right: Array, height: float, width: float) -> Array:
    """1 inside the joints between cells; height and width are the joint's share of a cell."""
    inside = (down > height) & (down < 1 - height) & (right > width) & (right < 1 - width)
    return (~inside).astype(np.float32)


def _plain(rng: np.random.Generator) -> NDArray[np.uint8]:
    return _texture(_noise(rng, 4, 4), 0.95 + 0.1 * _noise(rng, 32, 32))


def _plaster(rng: np.random.Generator) -> NDArray[np.uint8]:
    return _texture(_noise(rng, 3, 3), 0.88 + 0.24 * _noise(rng, 24, 24))


def _stripes(rng: np.random.Generator) -> NDArray[np.uint8]:
    _, _, right = _grid(1, 8)
    wave = ((right > 0.5) & ((right < 0.62) | (right > 0.7))).astype(np.float32)
    return _texture(wave, 0.93 + 0.14 * _noise(rng, 32, 32))


def _damask(rng: np.random.Generator) -> NDArray[np.uint8]:
    _, down, right = _grid(4, 4, 0.5)
    y, x = down - 0.5, right - 0.5
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    petals = (radius < 0.28 + 0.12 * np.cos(6 * angle)).astype(np.float32)
    return _texture(petals, 0.93 + 0.14 * _noise(rng, 32, 32))


def _bricks(rng: np.random.Generator) -> NDArray[np.uint8]:
    cell, down, right = _grid(12, 4, 0.5)
    tone = rng.random(48, np.float32)[cell]
    joint = _joint(down, right, 0.08, 0.03)
    return _texture(joint, np.where(joint > 0, 1.0, 0.65 + 0.4 * tone + 0.3 * _noise(rng, 32, 32)), 0.12 * tone - 0.06)


def _planks(rng: np.random.Generator) -> NDArray[np.uint8]:
    cell, down, right = _grid(8, 2, 0.37)
    tone, grain = rng.random(16, np.float32)[cell], _noise(rng, 48, 4)
    joint = _joint(down, right, 0.02, 0.004)
    return _texture(0.6 * tone + 0.4 * grain, (0.72 + 0.3 * grain + 0.22 * tone) * (1 - 0.55 * joint))


def _tiles(rng: np.random.Generator) -> NDArray[np.uint8]:
    cell, down, right = _grid(4, 4)
    joint = _joint(down, right, 0.025, 0.025)
    return _texture(joint, 0.85 + 0.12 * rng.random(16, np.float32)[cell] + 0.15 * _noise(rng, 6, 6))


def _checker(rng: np.random.Generator) -> NDArray[np.uint8]:
    cell, down, right = _grid(4, 4)
    odd = ((cell // 4 + cell % 4) % 2).astype(np.float32)
    return _texture(odd, (0.88 + 0.2 * _noise(rng, 8, 8)) * (1 - 0.3 * _joint(down, right, 0.015, 0.015)))


def _marble(rng: np.random.Generator) -> NDArray[np.uint8]:
    veins = np.abs(_noise(rng, 3, 3, 6) - 0.5) * 8
    return _texture(1 - np.clip(veins, 0, 1), 0.92 + 0.12 * _noise(rng, 8, 8))


def _carpet(rng: np.random.Generator) -> NDArray[np.uint8]:
    return _texture(_noise(rng, 24, 24), 0.6 + 0.5 * rng.random((SIZE, SIZE), np.float32) + 0.3 * _noise(rng, 4, 4))


def _wood(rng: np.random.Generator) -> NDArray[np.uint8]:
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (4 * np.arange(SIZE)[:, None] / SIZE + 1.5 * _noise(rng, 3, 2)))
    grain = _noise(rng, 64, 4)
    return _texture(0.5 * rings.astype(np.float32) + 0.5 * grain, 0.78 + 0.38 * grain)


def _fabric(rng: np.random.Generator) -> NDArray[np.uint8]:
    y, x = np.arange(SIZE)[:, None], np.arange(SIZE)[None, :]
    weave = (0.5 + 0.25 * np.sin(y * np.pi / 4) + 0.25 * np.sin(x * np.pi / 4)).astype(np.float32)
    return _texture(_noise(rng, 6, 6), 0.72 + 0.25 * weave + 0.3 * _noise(rng, 8, 8))


def _plaid(rng: np.random.Generator) -> NDArray[np.uint8]:
    bands = np.repeat(rng.random(16, np.float32), SIZE // 16).astype(np.float32)
    return _texture((bands[:, None] + bands[None, :]) * np.float32(0.5), 0.85 + 0.25 * _noise(rng, 32, 32))


def _books(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A row of book backs, standing up: bright at the bottom row of the face, dark gaps above shorter books."""
    edges = np.sort(rng.integers(0, SIZE, 26))
    book = np.searchsorted(edges, np.arange(SIZE), side="right")
    tall, tone, warm, cool = (rng.random(27, np.float32)[book] for _ in range(4))
    height = np.arange(SIZE)[:, None] / SIZE
    back = height < 0.7 + 0.28 * tall
    band = np.abs(height - 0.2 - 0.5 * tone) < 0.04
    gap = np.isin(np.arange(SIZE), edges)[None, :]
    shade = np.where(back, 0.35 + 1.1 * tone + 0.5 * band, 0.12) * np.where(gap, 0.4, 1.0)
    spread = np.where(back, CHROMA_RANGE * 0.8, 0.0)
    return _texture(tone[None, :], shade, spread * (warm - 0.5), spread * (cool - 0.5))


def _leaves(rng: np.random.Generator) -> NDArray[np.uint8]:
    clumps = _noise(rng, 12, 12, 3)
    return _texture(clumps, 0.25 + 1.5 * np.clip((_noise(rng, 20, 20, 2) - 0.3) * 1.6, 0, 1))


def _panels(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A panelled door: two by three sunken fields."""
    _, down, right = _grid(3, 2)
    outer = (np.abs(down - 0.5) < 0.38) & (np.abs(right - 0.5) < 0.34)
    inner = (np.abs(down - 0.5) < 0.35) & (np.abs(right - 0.5) < 0.29)
    groove = (outer & ~inner).astype(np.float32)
    return _texture(0.4 * _noise(rng, 2, 32), 1.0 - 0.4 * groove * (down < 0.5) - 0.15 * groove)


def _drawers(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cupboard fronts: four drawers with a handle each."""
    _, down, right = _grid(4, 1)
    handle = (np.abs(down - 0.5) < 0.07) & (np.abs(right - 0.5) < 0.12)
    return _texture(
        handle.astype(np.float32), (0.9 + 0.12 * _noise(rng, 48, 4)) * (1 - 0.6 * _joint(down, right, 0.03, 0.015))
    )


def _wings(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cupboard fronts: two doors, handles where they meet."""
    _, down, right = _grid(1, 2)
    column = np.arange(SIZE)[None, :] / SIZE
    handle = (np.abs(down - 0.5) < 0.07) & (np.abs(np.abs(column - 0.5) - 0.05) < 0.012)
    return _texture(
        handle.astype(np.float32), (0.9 + 0.12 * _noise(rng, 4, 48)) * (1 - 0.6 * _joint(down, right, 0.008, 0.015))
    )


def _painting(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Something with large coloured shapes, in a pale mount."""
    y, x = np.arange(SIZE)[:, None] / SIZE, np.arange(SIZE)[None, :] / SIZE
    field = [_noise(rng, 2, 2, 5) for _ in range(4)]
    warm, cool = 1.8 * (field[0] - 0.5), 1.8 * (field[1] - 0.5)
    shade = 0.3 + 1.2 * (field[2] > 0.5) * field[3] + 0.5 * field[3]
    for _ in range(6):
        cy, cx, ry, rx = rng.random(4) * (1, 1, 0.35, 0.35)
        blob = np.hypot((y - cy) / (ry + 0.03), (x - cx) / (rx + 0.03)) < 1
        warm = np.where(blob, rng.uniform(-0.7, 0.7), warm)
        cool = np.where(blob, rng.uniform(-0.7, 0.7), cool)
        shade = np.where(blob, rng.uniform(0.2, 1.6), shade)
    mount = (np.abs(y - 0.5) > 0.42) | (np.abs(x - 0.5) > 0.42)
    return _texture(
        mount.astype(np.float32), np.where(mount, 1.3, shade), np.where(mount, 0, warm), np.where(mount, 0, cool)
    )


def _outdoors(rng: np.random.Generator) -> NDArray[np.uint8]:
    """What is seen through a window: sky above, trees or houses below."""
    height = np.arange(SIZE)[:, None] / SIZE
    skyline = 0.25 + 0.35 * _noise(rng, 2, 6, 5)[:1]
    sky = (height > skyline).astype(np.float32)
    land = 0.25 + 0.6 * _noise(rng, 12, 12)
    clouds = _noise(rng, 3, 3, 5)
    return _texture(
        clouds * sky,
        np.where(sky > 0, 1.4 + 0.5 * clouds, land),
        np.where(sky > 0, -0.1, -0.15),
        np.where(sky > 0, 0.15, -0.35),
    )


def _ornament(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A bordered rug."""
    y, x = np.abs(np.arange(SIZE)[:, None] / SIZE - 0.5), np.abs(np.arange(SIZE)[None, :] / SIZE - 0.5)
    ring = np.maximum(y, x)
    border = ((ring > 0.34) & (ring < 0.44)) | ((ring > 0.3) & (ring < 0.32))
    medallion = np.hypot(y, x) < 0.18 + 0.04 * np.cos(8 * np.arctan2(y, x))
    mix = np.where(border | medallion, 1.0, 0.3 * _noise(rng, 16, 16))
    return _texture(mix, 0.65 + 0.3 * rng.random((SIZE, SIZE), np.float32) + 0.2 * _noise(rng, 8, 8))


_MAKERS: tuple[tuple[str, Callable[[np.random.Generator], NDArray[np.uint8]], int], ...] = (
    ("plain", _plain, 1),
    ("plaster", _plaster, 2),
    ("stripes", _stripes, 1),
    ("damask", _damask, 1),
    ("bricks", _bricks, 1),
    ("planks", _planks, 2),
    ("tiles", _tiles, 1),
    ("checker", _checker, 1),
    ("marble", _marble, 1),
    ("carpet", _carpet, 1),
    ("wood", _wood, 3),
    ("fabric", _fabric, 2),
    ("plaid", _plaid, 2),
    ("books", _books, 5),
    ("leaves", _leaves, 2),
    ("panels", _panels, 1),
    ("drawers", _drawers, 1),
    ("wings", _wings, 1),
    ("painting", _painting, 10),
    ("outdoors", _outdoors, 4),
    ("ornament", _ornament, 2),
)


def _positions() -> dict[str, range]:
    positions, start = {}, 0
    for name, _, variants in _MAKERS:
        positions[name] = range(start, start + variants)
        start += variants
    return positions


TEXTURES = _positions()  # name -> the ids of its variants
LEVEL_STARTS = tuple(sum((SIZE >> j) ** 2 for j in range(level)) for level in range(LEVELS))
STRIDE = sum((SIZE >> level) ** 2 for level in range(LEVELS))  # texels of one texture, all mip levels


@lru_cache(maxsize=4)
def atlas(device: torch.device) -> Tensor:
    """All textures with their mip levels as int32 (textures * STRIDE,), four bytes a texel."""
    rng = np.random.default_rng(20)
    texels = []
    for _, make, variants in _MAKERS:
        for _ in range(variants):
            level: Array = make(rng).astype(np.float32)
            for _ in range(LEVELS):
                texels.append((level + 0.5).astype(np.uint8).reshape(-1, 4))
                level = level.reshape(len(level) // 2, 2, -1, 2, 4).mean(axis=(1, 3))
    packed = np.ascontiguousarray(np.concatenate(texels)).view(np.int32).reshape(-1)
    return torch.from_numpy(packed).to(device)
