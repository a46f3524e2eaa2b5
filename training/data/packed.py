"""Data sets that are made once, kept on disk at the size of training, and read without a copy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avtar_ros.meaning import SemanticClass
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION
from training.data.batch import Batch

MILLIMETRES = 1000.0
NORMAL_STEPS = 127.0
UNKNOWN_EDGE = 255
IMAGE, FOCAL = "image", "focal"
CONTENTS = "packed.json"


@dataclass(frozen=True)
class Storage:
    """How a map is kept: finer than anything training can notice, and a quarter of the room that floats take."""

    dtype: type[np.generic]
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]


def _unknown_is_nan(values: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, values, torch.nan)


def _in_steps(values: Tensor, most: int) -> Tensor:
    """Whole numbers from 1 to `most`; 0, which is unknown, for all else."""
    steps = values.round()
    return torch.where((steps >= 1) & (steps <= most), steps, 0)


STORAGE: dict[str, Storage] = {
    SEGMENTATION.name: Storage(np.uint8, lambda ids: ids, lambda ids: ids),
    DEPTH.name: Storage(
        np.uint16,
        lambda depth: _in_steps(depth * MILLIMETRES, 65535),
        lambda stored: _unknown_is_nan(stored.float() / MILLIMETRES, stored != 0),
    ),
    NORMALS.name: Storage(
        np.int8,
        lambda normals: (normals.nan_to_num() * NORMAL_STEPS).round(),
        lambda stored: _unknown_is_nan(
            torch.nn.functional.normalize(stored.float(), dim=-1), stored.any(-1, keepdim=True)
        ),
    ),
    EDGES.name: Storage(
        np.uint8,
        lambda edges: torch.where(edges.isnan(), UNKNOWN_EDGE, (edges > 0.5).to(torch.uint8)),
        lambda stored: _unknown_is_nan(stored.float(), stored != UNKNOWN_EDGE),
    ),
}


class PackedDataset:
    """The images `first` to `first + count` of a folder written by `pack`."""

    def __init__(self, folder: Path, classes: tuple[SemanticClass, ...], first: int, count: int) -> None:
        self.classes = classes
        self._arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
        self._first, self._count = first, count

    def __len__(self) -> int:
        return self._count

    def batch(self, indices: Sequence[int]) -> Batch:
        rows = [self._first + index for index in indices]
        stored = {name: torch.from_numpy(array[rows]) for name, array in self._arrays.items()}
        maps = {name: storage.decode(stored[name]) for name, storage in STORAGE.items() if name in stored}
        return Batch(stored[IMAGE], maps, stored[FOCAL])


def pack(folder: Path, capacity: int, batches: Iterable[Batch]) -> None:
    """Write all images of `batches`, no more than `capacity`.

    The folder gets its name when it is whole. Room that is not filled takes none on disk.
    """
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    unfinished.mkdir(parents=True)
    arrays: dict[str, NDArray[Any]] = {}
    count = 0
    try:
        for batch in batches:
            stored = {IMAGE: batch.image, FOCAL: batch.focal}
            stored |= {name: STORAGE[name].encode(values) for name, values in batch.maps.items()}
            for name, values in stored.items():
                if name not in arrays:
                    dtype = STORAGE[name].dtype if name in STORAGE else values.numpy().dtype
                    shape = (capacity, *values.shape[1:])
                    arrays[name] = np.lib.format.open_memmap(unfinished / f"{name}.npy", "w+", dtype, shape)
                arrays[name][count : count + len(batch)] = values.numpy()
            count += len(batch)
        (unfinished / CONTENTS).write_text(json.dumps({"images": count}))
        if not folder.is_dir():  # else another process was quicker
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def packed_images(folder: Path) -> int:
    """How many images a folder written by `pack` has."""
    return int(json.loads((folder / CONTENTS).read_text())["images"])


def default_cache() -> Path:
    """Where packed data sets are kept: $XDG_CACHE_HOME/avtar_ros, or ~/.cache/avtar_ros."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "avtar_ros"
