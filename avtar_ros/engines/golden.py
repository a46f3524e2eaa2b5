"""Golden maps: what a model gives for a few images that anyone can make, so that wherever it runs it can prove itself.

An export keeps them in the ONNX file beside the card, an engine has them in its sidecar. They are the float32 network's
own, at every few pixels. Whoever opens the model compares: a driver, a TensorRT or an ONNX Runtime that computes
something else is found before its maps reach anyone.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import Maps, TaskMap

GOLDEN_KEY = "avtar_golden"
FORMAT = 1
IMAGES = 2
ROWS, COLUMNS = 24, 32
"""Points of a map that are kept: enough that one class id more or less is within a limit of 0.1 %."""
COARSE = (7, 9)


@dataclass(frozen=True)
class Golden:
    """`maps` of each task at ROWS × COLUMNS points (fewer where a map is smaller), for `images` images from `seed` on.

    They are bytes, compressed, in base64. `precision` is the model's, which decides how far a backend may be off.
    """

    precision: str
    seed: int
    images: int
    maps: dict[str, str]
    format: int = FORMAT


def golden_image(card: ModelCard, seed: int) -> NDArray[np.uint8]:
    """An image (1, H, W, 3), the same to the last bit wherever it is made: colours between random ones, and blocks.

    All of it is in whole numbers, from a generator whose stream NumPy has promised not to change.
    """
    random = np.random.RandomState(seed)
    coarse = random.randint(0, 256, (*COARSE, 3)).astype(np.int64)
    smooth = _between(_between(coarse, card.height, 0), card.width, 1) >> 16
    for _ in range(6):
        top, left = random.randint(0, card.height), random.randint(0, card.width)
        height, width = random.randint(1, card.height // 2 + 2), random.randint(1, card.width // 2 + 2)
        smooth[top : top + height, left : left + width] = random.randint(0, 256, 3)
    image: NDArray[np.uint8] = np.clip(smooth, 0, 255).astype(np.uint8)
    return image[None]


def _between(values: NDArray[np.int64], size: int, axis: int) -> NDArray[np.int64]:
    """Linear interpolation along an axis to `size` places, 256 times as large."""
    last = values.shape[axis] - 1
    place = np.arange(size, dtype=np.int64) * (last * 256) // max(1, size - 1)
    before = np.minimum(place >> 8, last - 1)
    weight = (place - (before << 8)).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    mixed: NDArray[np.int64] = values.take(before, axis) * (256 - weight) + values.take(before + 1, axis) * weight
    return mixed


def make_golden(card: ModelCard, precision: str, infer: Callable[[NDArray[np.uint8]], Maps], seed: int = 0) -> Golden:
    """The golden maps of a model, as `infer`, its float32 network, gives them."""
    found = [infer(golden_image(card, seed + i)) for i in range(IMAGES)]
    maps = {
        task.name: _packed(np.concatenate([points_of(maps[task.name]) for maps in found])) for task in card.task_records
    }
    return Golden(precision, seed, IMAGES, maps)


def golden_to_json(golden: Golden) -> str:
    return json.dumps(dataclasses.asdict(golden))


def points_of(task_map: TaskMap) -> TaskMap:
    """Pixels of (B, H, W[, C]) on a regular grid."""
    height, width = task_map.shape[1:3]
    rows, columns = (np.arange(min(n, size)) * size // min(n, size) for n, size in ((ROWS, height), (COLUMNS, width)))
    return np.ascontiguousarray(task_map[:, rows[:, None], columns[None, :]])


def _packed(values: TaskMap) -> str:
    return base64.b64encode(zlib.compress(values.astype(values.dtype.newbyteorder("<")).tobytes())).decode("ascii")


def unpacked(text: str, like: TaskMap) -> Any:
    """The map kept as `text`, of the type and shape of `like`; raises ValueError if it is damaged."""
    try:
        values = zlib.decompress(base64.b64decode(text, validate=True))
        return np.frombuffer(values, like.dtype.newbyteorder("<")).reshape(like.shape)
    except zlib.error as error:
        raise ValueError(str(error)) from error
