"""Whether an engine gives the maps of the model that it was built from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from avtar_ros.agreement import Agreement, MapComparison, describe
from avtar_ros.engines.engine import Engine, EngineOptions
from avtar_ros.engines.sidecar import sidecar_path, write_sidecar
from avtar_ros.engines.tensorrt import TensorRTEngine
from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import Maps
from avtar_ros.terminal.progress import Progress
from engine_build.errors import BuildError, VerificationError, writing
from engine_build.reference import open_reference
from engine_build.sample_images import Images, made_up_images, recorded_images

MADE_UP = 16


@dataclass(frozen=True)
class ComparedOn:
    """Images to compare on, beside made-up ones: a bag, video or folder, and how many to skip."""

    source: str | None = None
    every: int = 1

    def images(self, engine: Engine) -> Iterator[Images]:
        recorded = recorded_images(self.source, engine, self.every) if self.source else ()
        return itertools.chain(made_up_images(engine.card, MADE_UP), recorded)


def verify(path: Path, against: Path, compared_on: ComparedOn) -> dict[str, Agreement]:
    """Compare the engine at `path` with the ONNX model `against`, and keep the outcome in its sidecar.

    The model is computed in float32, so all that an engine loses by computing in float16 shows. Raises
    VerificationError where they differ by more than is allowed.
    """
    engine = TensorRTEngine(path, EngineOptions(), unverified=True)
    with engine, open_reference(against) as reference:
        sidecar = engine.sidecar
        agreements = compare(engine, reference, compared_on.images(reference), sidecar.options.precision)
    holds = all(agreement.holds for agreement in agreements.values())
    with writing(sidecar_path(path)):
        write_sidecar(path, sidecar.replace(verified=holds, agreement=agreements, gpu=engine.gpu))
    require_agreement(path, agreements)
    return agreements


def compare(engine: Engine, reference: Engine, images: Iterable[Images], precision: str) -> dict[str, Agreement]:
    """How far `engine` and `reference` agree on `images`, by the limits of `precision`.

    An engine for batches is also given full ones, of different images and of equal ones but for one. What is said of a
    task is the worst of all: of images alone, and of those at each place in a batch.
    """
    if (different := _differences(engine.card, reference.card)) is not None:
        raise BuildError(f"these are not the same model: {different}. Give the ONNX file that the engine comes from.")
    size = engine.largest_batch or 1
    alone = MapComparison(engine.card.tasks)
    places = [MapComparison(engine.card.tasks) for _ in range(size)]
    for index, group in enumerate(_groups(Progress(images, desc="comparing", unit="image", disable=None), size)):
        expected = [reference.infer(image) for image in group]
        for image, maps in zip(group, expected, strict=True):
            alone.add(maps, engine.infer(image))
        for order in _batches(len(group), size, every_place=index == 0):
            found = engine.infer(np.concatenate([group[i] for i in order]))
            for place, i in enumerate(order):
                places[place].add(expected[i], _at(found, place))
    if size == 1:
        return alone.agreements(precision)
    of_places = [
        {task: replace(found, figure=f"{found.figure}, image {place} of {size}") for task, found in each.items()}
        for place, each in enumerate((comparison.agreements(precision) for comparison in places), start=1)
    ]
    every = [alone.agreements(precision), *of_places]
    return {task: max((each[task] for each in every), key=_badness) for task in engine.card.tasks}


def _groups(images: Iterable[Images], size: int) -> Iterator[list[Images]]:
    rest = iter(images)
    while group := list(itertools.islice(rest, size)):
        yield group


def _batches(images: int, size: int, every_place: bool) -> Iterator[list[int]]:
    """Which of a group's images to put where in full batches: all of them, and one among copies of another."""
    if size == 1:
        return
    yield [i % images for i in range(size)]
    for place in range(size) if every_place and images > 1 else ():
        yield [1 if i == place else 0 for i in range(size)]


def _at(maps: Maps, place: int) -> Maps:
    return {task: of_batch[place : place + 1] for task, of_batch in maps.items()}


def _badness(agreement: Agreement) -> float:
    return math.inf if math.isnan(agreement.value) else agreement.value / agreement.limit


def _differences(card: ModelCard, other: ModelCard) -> str | None:
    """What makes two cards those of different models; measured figures and provenance may differ."""
    for name in ("tasks", "width", "height", "classes", "depth", "normals_frame"):
        if (mine := getattr(card, name)) != (theirs := getattr(other, name)):
            return f"{name} is {mine} in the one and {theirs} in the other"
    return None


def require_agreement(path: Path, agreements: dict[str, Agreement]) -> None:
    """Raises VerificationError that says which tasks differ, and what to do."""
    failed = [task for task, agreement in agreements.items() if not agreement.holds]
    if failed:
        raise VerificationError(
            f"{path}: differs from its model in {', '.join(failed)}, so it must not be used:\n{describe(agreements)}\n"
            "Parts of a half-precision model may need float32; to have them found: avtar-engine build MODEL.onnx "
            "--keep-fp32 auto. Or build the float32 model."
        )
