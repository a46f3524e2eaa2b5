"""Images labelled once by public models: the labels are kept on disk, and an interrupted run goes on with them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avtar_ros.disk.files import write_text
from avtar_ros.disk.locks import in_turn
from avtar_ros.documents import OTHER_FIELDS
from avtar_ros.terminal.progress import Progress
from training import processes
from training.data.batch import Batch, completed
from training.data.config import Split, TaughtConfig
from training.data.dataset import Dataset
from training.data.packed import default_cache
from training.data.teachers.labelling import Labeller, fit_once
from training.data.teachers.opening import open_teachers
from training.hub import find_model
from training.tasks import LEARNT

VERSION = 2  # counts up whenever the same images and teachers give other labels
RELATIVE, PROGRESS = "relative", "progress.json"
WEIGHT = "_weight"
"""After a task's name: the array of how far its labels are believed, in steps of 1/255."""
SAMPLES = 32
"""Images that are looked at to fit a teacher's depth once for all, and to tell one data set from another."""


class LabelledDataset:
    """The images of `images` with the labels of the config's teachers, made at the first use.

    Raises TrainingError or AvtarError if a teacher cannot be had, or cannot give what it is asked for.
    """

    def __init__(self, images: Dataset, config: TaughtConfig, split: Split, cache: Path | None = None) -> None:
        self.classes = config.classes
        self._images = images
        folder = (cache or default_cache()) / f"taught-{split}-{_fingerprint(images, config)}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with in_turn(folder.with_name(f"{folder.name}.lock"), str(folder)):
            if not folder.is_dir():
                _label(images, config, folder)
        self._arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: Sequence[int]) -> Batch:
        batch, rows = self._images.batch(indices), list(indices)
        stored = {name: torch.from_numpy(array[rows]) for name, array in self._arrays.items()}
        relative = stored.pop(RELATIVE)
        maps = {name: LEARNT[name].packing.decode(stored[name]) for name in LEARNT if name in stored}
        weights = {name: stored[name + WEIGHT] / 255 for name in maps}
        return Batch(batch.image, maps, batch.focal, relative if bool(relative.any()) else None, weights)


def _label(images: Dataset, config: TaughtConfig, folder: Path) -> None:
    """Write the labels; the folder gets its name when it is whole."""
    unfinished = folder.with_name(f"{folder.name}.part")
    unfinished.mkdir(exist_ok=True)
    labeller = _labeller(images, config)
    store = _Store.begun(unfinished, len(images))
    if store.done:
        Progress.remark(f"{config.description}: {store.done} of {len(images)} images are labelled already; going on")
    labeller.tally.update(store.tally)
    starts = range(store.done, len(images), config.batch_size)
    with Progress(total=len(images), initial=store.done, unit="image", desc="labelling") as progress:
        for start in starts:
            batch = labeller.labelled(images.batch(range(start, min(start + config.batch_size, len(images)))))
            store.write(start, batch, labeller.tally)
            progress.update(len(batch))
    for line in report(labeller):
        Progress.remark(line)
    unfinished.rename(folder)


def report(labeller: Labeller) -> Iterator[str]:
    """What was believed, in words."""
    kept = ", ".join(f"{name} {s.believed:.1%} (by {s.weight:.0%})" for name, s in labeller.shares().items())
    yield f"labels of {labeller.tally['images']} images; pixels on which teachers are believed, and how far: {kept}"
    for what in ("frames that could not be aligned", "frames of unknown scale"):
        if labeller.tally[what]:
            yield f"{labeller.tally[what]} {what}"


def _labeller(images: Dataset, config: TaughtConfig) -> Labeller:
    teachers = open_teachers(config.teachers, config.width, processes.device())
    labeller = Labeller(
        list(zip(teachers, config.teachers, strict=True)), config.trust, config.derive, config.keeps
    )
    for teacher, given in labeller.teachers:
        if given.align == "bag" and "depth" in teacher.gives:
            chosen = np.linspace(0, len(images) - 1, min(SAMPLES, len(images))).round().astype(int)
            fit = fit_once(labeller, teacher, given, [images.batch([int(i)]) for i in chosen])
            if fit is not None:
                labeller.bag_fits[teacher.name] = fit
                Progress.remark(f"{teacher.name}: depth from {teacher.depth_kind} × {fit.scale:.4g} + {fit.shift:.4g}")
    return labeller


@dataclass
class _Store:
    """Labels being written: arrays with room for all images, and how many of them are there."""

    folder: Path
    count: int
    done: int
    tally: dict[str, int]
    arrays: dict[str, NDArray[Any]]

    @classmethod
    def begun(cls, folder: Path, count: int) -> _Store:
        """What an interrupted run has left, or nothing."""
        try:
            state = json.loads((folder / PROGRESS).read_text())
            arrays = {path.stem: np.load(path, mmap_mode="r+") for path in folder.glob("*.npy")}
            return cls(folder, count, int(state["done"]), dict(state["tally"]), arrays)
        except (OSError, EOFError, *OTHER_FIELDS):
            shutil.rmtree(folder)
            folder.mkdir()
            return cls(folder, count, 0, {}, {})

    def write(self, start: int, batch: Batch, tally: dict[str, int]) -> None:
        tasks = [name for name in LEARNT if name in batch.maps or name in self.arrays]
        relative = torch.zeros(len(batch), dtype=torch.bool) if batch.relative is None else batch.relative
        stored = {name: LEARNT[name].packing.encode(m).numpy() for name, m in completed(batch, tasks).maps.items()}
        stored |= {name + WEIGHT: (255 * w).round().to(torch.uint8).numpy() for name, w in batch.weights.items()}
        stored[RELATIVE] = relative.numpy()
        for name, values in stored.items():
            if name not in self.arrays:
                self.arrays[name] = self._new(name, values, batch)
            self.arrays[name][start : start + len(batch)] = values.astype(self.arrays[name].dtype)
        for array in self.arrays.values():
            array.flush()  # type: ignore[attr-defined]
        self.done, self.tally = start + len(batch), dict(tally)
        write_text(self.folder / PROGRESS, json.dumps({"done": self.done, "tally": self.tally}))

    def _new(self, name: str, values: NDArray[Any], batch: Batch) -> NDArray[Any]:
        dtype = LEARNT[name].packing.dtype if name in LEARNT else values.dtype
        array = np.lib.format.open_memmap(
            self.folder / f"{name}.npy", "w+", dtype, (self.count, *values.shape[1:])
        )
        if name in LEARNT and self.done:
            bare = Batch(batch.image[:1], {}, batch.focal[:1])
            array[: self.done] = LEARNT[name].packing.encode(completed(bare, [name]).maps[name]).numpy()
        return array


def _fingerprint(images: Dataset, config: TaughtConfig) -> str:
    """Tells apart images, teachers, and ways to believe them."""
    digest = hashlib.sha256(str(VERSION).encode())
    digest.update(config.model_dump_json(exclude={"batch_size"}).encode())
    for teacher in config.teachers:
        found = find_model(teacher.model)
        files = sorted(path for path in found.rglob("*") if path.is_file()) if found.is_dir() else [found]
        states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        digest.update(json.dumps(states).encode())
    chosen = np.linspace(0, len(images) - 1, min(SAMPLES, len(images))).round().astype(int)
    for index in chosen:
        digest.update(images.batch([int(index)]).image.numpy().tobytes())
    digest.update(str(len(images)).encode())
    return digest.hexdigest()[:16]
