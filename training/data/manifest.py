"""A manifest: RGB-D images of several sources, each with its camera, to measure a model on.

    [{"name": "kitchen", "group": "rooms", "K": [fx, fy, cx, cy], "pairs": [["kitchen/0.jpg", "kitchen/0.png"], ...]}]

`pairs` are pictures and their depth, 16-bit millimetres, 0 where unknown, beside the file. `K` is in pixels of the
source's pictures, or null where nobody knows it: depth in metres and normals cannot then be judged. Other keys, such as
`camera`, `source` and `licence`, are for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from avtar_ros.documents import NO_JSON
from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.geometry.surface_normals import normals_from_depth
from avtar_ros.tasks import DEPTH, NORMALS
from training.data.bags import WINDOW
from training.data.batch import Batch
from training.data.classes import Classes
from training.data.config import Split
from training.data.dataset import FrameDataset, Sample
from training.data.files import read_image, read_map
from training.data.mixed import MixedDataset
from training.data.own_config import ManifestConfig
from training.errors import TrainingError

MILLIMETRES = 1000.0
Focal = Annotated[float, Field(gt=0)]


class Entry(BaseModel):
    """A source as the file has it."""

    name: str
    group: str
    K: tuple[Focal, Focal, float, float] | None
    pairs: Annotated[list[tuple[str, str]], Field(min_length=1)]


@dataclass(frozen=True)
class Source:
    """The images of one source; `calibrated` is whether its camera is known."""

    name: str
    group: str
    calibrated: bool
    images: SourceDataset

    def batches(self, chunk: int = 16) -> Iterator[Batch]:
        images = _OfSource(self)
        for start in range(0, len(images), chunk):
            yield images.batch(range(start, min(start + chunk, len(images))))


class SourceDataset(FrameDataset):
    """Depth, and normals where the camera is known, computed from the depth at its own size."""

    def __init__(self, folder: Path, entry: Entry, width: int, height: int) -> None:
        super().__init__((), width, height)
        self._folder, self._entry = folder, entry

    def __len__(self) -> int:
        return len(self._entry.pairs)

    def frame(self, index: int) -> Sample:
        picture, measured = (self._folder / name for name in self._entry.pairs[index])
        image, stored = read_image(picture), read_map(measured, np.uint16)
        if stored.shape != image.shape[:2]:
            raise TrainingError(f"{measured}: is {stored.shape[::-1]}, but {picture.name} {image.shape[1::-1]}.")
        depth = np.where(stored > 0, stored / np.float32(MILLIMETRES), np.float32(np.nan)).astype(np.float32)
        if self._entry.K is None:
            return Sample(image, {DEPTH.name: depth}, Pinhole.of_view(image.shape[1], image.shape[0], 60.0))
        camera = Pinhole(*self._entry.K)
        return Sample(image, {DEPTH.name: depth, NORMALS.name: normals_from_depth(depth, camera, WINDOW)}, camera)


class ManifestDataset(MixedDataset):
    """The images of all sources but those that are kept from training, by default the last one.

    Depth of a camera that nobody knows teaches nothing. Raises TrainingError if the file is none, or has no such
    source.
    """

    def __init__(self, config: ManifestConfig, split: Split) -> None:
        sources = read_manifest(config.file, config.width, config.height)
        kept = config.validation_sources or (sources[-1].name,)
        if unknown := sorted(set(kept) - {source.name for source in sources}):
            known = ", ".join(source.name for source in sources)
            raise TrainingError(f"{config.file}: has no source {', '.join(unknown)}; it has {known}.")
        chosen = [source for source in sources if (source.name in kept) == (split == "validation")]
        if not chosen:
            raise TrainingError(f"{config.file}: all of its sources are kept from training by `validation_sources`.")
        super().__init__([(_OfSource(source), 1) for source in chosen], ())


class _OfSource:
    """The images of one source, their focal length unknown where it is."""

    classes: Classes = ()

    def __init__(self, source: Source) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source.images)

    def batch(self, indices: Sequence[int]) -> Batch:
        batch = self._source.images.batch(indices)
        return batch if self._source.calibrated else replace(batch, focal=batch.focal * np.nan)


def read_manifest(path: Path, width: int, height: int) -> list[Source]:
    """The sources of a manifest, their images at the size that a model takes.

    Raises TrainingError if the file is none, names the same source twice, or pictures that are not there.
    """
    try:
        entries = TypeAdapter(list[Entry]).validate_python(json.loads(path.read_text()))
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TrainingError(f"{path}: not a manifest: {where}: {first['msg']}.") from error
    except NO_JSON as error:
        raise TrainingError(f"{path}: not JSON ({error}).") from error
    if not entries:
        raise TrainingError(f"{path}: lists no source.")
    names = [entry.name for entry in entries]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TrainingError(f"{path}: has several sources called {', '.join(sorted(twice))}.")
    for entry in entries:
        for name in (name for pair in entry.pairs for name in pair):
            if not (path.parent / name).is_file():
                raise TrainingError(f"{path}: {entry.name} names {name}, which is not beside it.")
    return [
        Source(entry.name, entry.group, entry.K is not None, SourceDataset(path.parent, entry, width, height))
        for entry in entries
    ]
