"""Synthetic rooms as a data set: rendered once, kept on disk, read without a copy."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION
from training.data.batch import Batch
from training.data.synthetic_rooms import VERSION, render_rooms

CHUNK = 64
MILLIMETRES = 1000.0
NORMAL_STEPS = 127.0


class RoomsDataset:
    """Rooms of the seeds `first_seed` to `first_seed + count`, rendered at the first use.

    On disk depth is in whole millimetres and normals in steps of 1/127: finer than anything training can notice,
    and a quarter of the room that floats would take.
    """

    def __init__(self, count: int, first_seed: int, width: int, height: int, cache: Path | None = None) -> None:
        folder = (cache or default_cache()) / f"rooms-v{VERSION}-{width}x{height}-{first_seed}-{count}"
        if not folder.is_dir():
            _render(folder, count, first_seed, width, height)
        self._arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
        self._count = count

    def __len__(self) -> int:
        return self._count

    def batch(self, indices: Sequence[int]) -> Batch:
        """The rooms with these indices."""
        rows = {name: torch.from_numpy(array[list(indices)]) for name, array in self._arrays.items()}
        maps = {
            SEGMENTATION.name: rows[SEGMENTATION.name],
            DEPTH.name: _unknown_is_nan(rows[DEPTH.name].float() / MILLIMETRES),
            NORMALS.name: _unit_or_nan(rows[NORMALS.name].float()),
            EDGES.name: rows[EDGES.name].float(),
        }
        return Batch(rows["image"], maps, rows["focal"])


def default_cache() -> Path:
    """Where rendered rooms are kept: $XDG_CACHE_HOME/avtar_ros, or ~/.cache/avtar_ros."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "avtar_ros"


def _unknown_is_nan(depth: torch.Tensor) -> torch.Tensor:
    return torch.where(depth > 0, depth, torch.nan)


def _unit_or_nan(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors made unit; zero, which stands for unknown, becomes NaN."""
    length: torch.Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / length


def _render(folder: Path, count: int, first_seed: int, width: int, height: int) -> None:
    """Render all rooms into a folder that gets its name when it is whole."""
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    unfinished.mkdir(parents=True)
    try:
        arrays = {
            name: np.lib.format.open_memmap(unfinished / f"{name}.npy", "w+", dtype, (count, *shape))
            for name, dtype, shape in (
                ("image", np.uint8, (height, width, 3)),
                (SEGMENTATION.name, np.uint8, (height, width)),
                (DEPTH.name, np.uint16, (height, width)),
                (NORMALS.name, np.int8, (height, width, 3)),
                (EDGES.name, np.uint8, (height, width)),
                ("focal", np.float32, ()),
            )
        }
        with tqdm(total=count, unit="room", desc=f"rendering rooms {width}x{height}") as progress:
            for start in range(0, count, CHUNK):
                stop = min(start + CHUNK, count)
                _store(
                    arrays,
                    slice(start, stop),
                    render_rooms(range(first_seed + start, first_seed + stop), width, height),
                )
                progress.update(stop - start)
        (unfinished / "rooms.json").write_text(json.dumps({"first_seed": first_seed, "count": count}))
        if not folder.is_dir():  # else another process was quicker
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _store(arrays: dict[str, np.memmap[Any, Any]], where: slice, batch: Batch) -> None:
    maps = batch.maps
    arrays["image"][where] = batch.image.numpy()
    arrays["focal"][where] = batch.focal.numpy()
    arrays[SEGMENTATION.name][where] = maps[SEGMENTATION.name].numpy()
    arrays[DEPTH.name][where] = (maps[DEPTH.name].nan_to_num() * MILLIMETRES).round().clamp(0, 65535).numpy()
    arrays[NORMALS.name][where] = (maps[NORMALS.name].nan_to_num() * NORMAL_STEPS).round().numpy()
    arrays[EDGES.name][where] = (maps[EDGES.name] > 0.5).numpy()
