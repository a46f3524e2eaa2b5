"""Data sets that are made once, kept on disk at the size of training, and read without a copy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avtar_ros.disk.locks import in_turn
from avtar_ros.meaning import SemanticClass
from training.data.batch import Batch, completed
from training.tasks import LEARNT

IMAGE, FOCAL = "image", "focal"
CONTENTS = "packed.json"


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
        maps = {name: learnt.packing.decode(stored[name]) for name, learnt in LEARNT.items() if name in stored}
        return Batch(stored[IMAGE], maps, stored[FOCAL])


def pack(folder: Path, capacity: int, batches: Iterable[Batch]) -> None:
    """Write all images of `batches`, no more than `capacity`, where no other process has done it meanwhile.

    A map that some of them lack is unknown there.

    The folder gets its name when it is whole. Room that is not filled takes none on disk.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with in_turn(folder.with_name(f"{folder.name}.lock"), str(folder)):
        if not folder.is_dir():
            _pack(folder, capacity, batches)


def _pack(folder: Path, capacity: int, batches: Iterable[Batch]) -> None:
    unfinished = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
    unfinished.mkdir()
    arrays: dict[str, NDArray[Any]] = {}
    count = 0
    try:
        for batch in batches:
            tasks = [name for name in LEARNT if name in batch.maps or name in arrays]
            maps = completed(batch, tasks).maps
            stored = {IMAGE: batch.image, FOCAL: batch.focal}
            stored |= {name: LEARNT[name].packing.encode(values) for name, values in maps.items()}
            for name, values in stored.items():
                if name not in arrays:
                    dtype = LEARNT[name].packing.dtype if name in LEARNT else values.numpy().dtype
                    shape = (capacity, *values.shape[1:])
                    arrays[name] = np.lib.format.open_memmap(unfinished / f"{name}.npy", "w+", dtype, shape)
                    if count:
                        arrays[name][:count] = _unknown(batch, name)
                arrays[name][count : count + len(batch)] = values.numpy()
            count += len(batch)
        (unfinished / CONTENTS).write_text(json.dumps({"images": count}))
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _unknown(batch: Batch, name: str) -> NDArray[Any]:
    """What says in every pixel of one image that a task is unknown."""
    bare = Batch(batch.image[:1], {}, batch.focal[:1])
    return np.asarray(LEARNT[name].packing.encode(completed(bare, [name]).maps[name]).numpy())


def packed_images(folder: Path) -> int:
    """How many images a folder written by `pack` has."""
    return int(json.loads((folder / CONTENTS).read_text())["images"])


def default_cache() -> Path:
    """Where packed data sets are kept: $XDG_CACHE_HOME/avtar_ros, or ~/.cache/avtar_ros."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "avtar_ros"
