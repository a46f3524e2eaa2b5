"""Rendering many path-traced rooms into a folder, shard by shard, so that a break loses little."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from avtar_ros.disk.files import write_bytes, write_text
from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.meaning import SemanticClass
from training.data.class_files import CLASSES as CLASSES_FILE
from training.data.class_files import write_classes
from training.data.intrinsics import INTRINSICS
from training.data.path_traced_rooms.catalogue import FURNITURE, Catalogue
from training.data.path_traced_rooms.credits import credits_text
from training.data.path_traced_rooms.furnish import KINDS, furnished_room
from training.data.path_traced_rooms.models import ModelStore
from training.data.path_traced_rooms.photograph import jpeg_quality
from training.data.path_traced_rooms.render import SAMPLES, Renderer, Shot
from training.data.path_traced_rooms.scene import SceneBuilder
from training.data.path_traced_rooms.textures import Rng
from training.data.path_traced_rooms.tracer import mitsuba
from training.data.synthetic_rooms.classes import CLASSES
from training.errors import TrainingError

SHARD = 40
VIEWS = 5
"""Pictures of one room."""
FOLDERS = ("images", "depth", "normals", "segmentation", "edges")
SHARDS, RECIPE, LICENSES = "shards", "recipe.json", "LICENSES"
MAX_DEPTH_M = 65.0


@dataclass(frozen=True)
class Job:
    """What to render; the same job gives the same files on the same machine."""

    out: Path
    images: int
    seed: int = 0
    width: int = 280
    height: int = 210
    samples: int = SAMPLES
    furniture: Path = FURNITURE
    kinds: tuple[str, ...] = ()
    """Of rooms; all where none is named."""

    def shards(self) -> list[range]:
        """The image numbers of each shard."""
        return [range(start, min(start + SHARD, self.images)) for start in range(0, self.images, SHARD)]

    def recipe(self) -> dict[str, Any]:
        """What must not change when a folder is gone on with."""
        recipe = {"seed": self.seed, "width": self.width, "height": self.height, "samples": self.samples}
        return recipe | ({"kinds": list(self.kinds)} if self.kinds else {})


def write_path_traced(job: Job, processes: int) -> dict[str, int]:
    """Render what the folder lacks; how many images there are of each kind of room.

    Raises TrainingError if the tracer or the furniture is missing, or the folder is of another recipe, AvtarError where
    it has files of others.
    """
    if unknown := [kind for kind in job.kinds if kind not in KINDS]:
        raise TrainingError(f"there are no rooms of the kind {unknown[0]!r}; known: {', '.join(KINDS)}.")
    catalogue = Catalogue(job.furniture)
    mitsuba()  # found missing here, not in every process
    with OutputFolder(job.out) as output:
        output.claim(*FOLDERS, SHARDS, RECIPE, LICENSES, CLASSES_FILE, INTRINSICS, ours=_is_of_a_rendering)
        return _write_all(job, catalogue, processes)


def _is_of_a_rendering(path: Path) -> bool:
    return path.with_name(RECIPE).is_file() and path.with_name(SHARDS).is_dir()


def _write_all(job: Job, catalogue: Catalogue, processes: int) -> dict[str, int]:
    for name in (*FOLDERS, SHARDS):
        (job.out / name).mkdir(exist_ok=True)
    _agree(job)
    write_text(job.out / LICENSES, credits_text(catalogue))
    write_classes(job.out / CLASSES_FILE, tuple(SemanticClass(*c) for c in CLASSES))
    missing = [number for number in range(len(job.shards())) if not _shard_file(job.out, number).exists()]
    done = job.images - sum(len(job.shards()[number]) for number in missing)
    with tqdm(total=job.images, initial=done, unit="image", desc=str(job.out), smoothing=0.05) as progress:
        for number in _rendered(job, missing, processes):
            progress.update(len(job.shards()[number]))
            _gather(job.out)
    return _gather(job.out)


def _rendered(job: Job, missing: list[int], processes: int) -> Iterator[int]:
    """Numbers of shards as they are finished. With fresh interpreters: the tracer does not survive a fork."""
    if not missing:
        return
    with ProcessPoolExecutor(min(processes, len(missing)), get_context("spawn"), _start, (job,)) as pool:
        futures: dict[Future[None], int] = {pool.submit(_render_shard, job, number): number for number in missing}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BrokenProcessPool as error:
            raise TrainingError(
                f"{job.out}: a rendering process was ended, as happens where memory runs out. What was finished is "
                "kept; run the command again, with fewer --processes."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


class _Worker:
    """What a process keeps between shards."""

    def __init__(self, job: Job) -> None:
        tracer = mitsuba(threads=1)
        self.kinds = job.kinds
        self.catalogue = Catalogue(job.furniture)
        self._meshes = tempfile.TemporaryDirectory(prefix="avtar-meshes-")
        self.store = ModelStore(tracer, Path(self._meshes.name))
        self.builder = SceneBuilder(tracer, self.store)
        self.renderer = Renderer(tracer, job.width, job.height, job.samples)

    def room_shots(self, seed: tuple[int, ...], count: int) -> tuple[str, list[Shot]]:
        rng: Rng = np.random.default_rng(seed)
        room = furnished_room(rng, self.catalogue, self.store, self.kinds)
        return room.kind, self.renderer.shots(room, self.builder.build(room), count)


_worker: list[_Worker] = []


def _start(job: Job) -> None:
    cv2.setNumThreads(1)
    import torch

    torch.set_num_threads(1)
    _worker.append(_Worker(job))


def _render_shard(job: Job, number: int) -> None:
    """Render and write the images of a shard, then its own file, which says that it is whole."""
    records: dict[str, dict[str, Any]] = {}
    wanted = list(job.shards()[number])
    attempt = 0
    while wanted:
        seed = (job.seed, number, attempt)
        kind, shots = _worker[0].room_shots(seed, min(VIEWS, len(wanted)))
        for place, shot in enumerate(shots):
            name = f"{wanted.pop(0):06d}"
            camera = shot.view.camera(job.width, job.height)
            _write_shot(job.out, name, shot, np.random.default_rng((*seed, place)))
            records[name] = {"camera": list(asdict(camera).values()), "room": kind, "view": shot.view.kind}
        attempt += 1
    write_text(_shard_file(job.out, number), json.dumps(records, indent=1) + "\n")


def _write_shot(out: Path, name: str, shot: Shot, rng: Rng) -> None:
    seen = shot.geometry
    depth = np.where(seen.depth < MAX_DEPTH_M, np.round(seen.depth * 1000), 0).astype(np.uint16)
    normals = np.round((seen.normals[..., ::-1] + 1) / 2 * 65535).astype(np.uint16)
    normals[seen.depth <= 0] = 0
    quality = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality(rng)]
    _write(out / "images" / f"{name}.jpg", shot.image[..., ::-1], quality)
    for folder, values in (
        ("depth", depth), ("normals", normals), ("segmentation", seen.class_ids), ("edges", shot.edges * np.uint8(255)),
    ):
        _write(out / folder / f"{name}.png", values, [])


def _write(path: Path, picture: NDArray[Any], parameters: list[int]) -> None:
    done, data = cv2.imencode(path.suffix, picture, parameters)
    assert done, path
    write_bytes(path, data.tobytes())


def _shard_file(out: Path, number: int) -> Path:
    return out / SHARDS / f"{number:05d}.json"


def _gather(out: Path) -> dict[str, int]:
    """Write intrinsics.json of all finished shards; how many images there are of each kind of room and view."""
    cameras: dict[str, list[float]] = {}
    kinds: dict[str, int] = {}
    for path in sorted((out / SHARDS).glob("*.json")):
        for name, record in json.loads(path.read_text(encoding="utf-8")).items():
            cameras[name] = record["camera"]
            for kind in (record["room"], f"{record['view']} view"):
                kinds[kind] = kinds.get(kind, 0) + 1
    lines = ",\n".join(f'"{name}": {json.dumps(cameras[name])}' for name in sorted(cameras))
    write_text(out / INTRINSICS, "{\n" + lines + "\n}\n")
    return kinds


def _agree(job: Job) -> None:
    path = job.out / RECIPE
    recipe = job.recipe()
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found != recipe:
            raise TrainingError(
                f"{job.out}: holds images rendered with {found}, not with {recipe}. Name another folder, or go on with "
                "the same options."
            )
    write_text(path, json.dumps(recipe) + "\n")

