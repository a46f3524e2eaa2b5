"""Whether an engine gives the maps of the model that it was built from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from avtar_ros.agreement import Agreement, MapComparison, describe
from avtar_ros.engines.engine import Engine, EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.engines.sidecar import sidecar_path, write_sidecar
from avtar_ros.engines.tensorrt import TensorRTEngine
from avtar_ros.model_card import ModelCard
from avtar_ros.progress import Progress
from engine_build.errors import BuildError, VerificationError, writing
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

    ONNX Runtime computes half-precision models in float32 on a CPU, so all that an engine loses by computing in float16
    shows. Raises VerificationError where they differ by more than is allowed.
    """
    engine = TensorRTEngine(path, EngineOptions(), unverified=True)
    with engine, open_engine(against) as reference:
        sidecar = engine.sidecar
        agreements = compare(engine, reference, compared_on.images(reference), sidecar.options.precision)
    holds = all(agreement.holds for agreement in agreements.values())
    with writing(sidecar_path(path)):
        write_sidecar(path, sidecar.replace(verified=holds, agreement=agreements, gpu=engine.gpu))
    require_agreement(path, agreements)
    return agreements


def compare(engine: Engine, reference: Engine, images: Iterable[Images], precision: str) -> dict[str, Agreement]:
    """How far `engine` and `reference` agree on `images`, by the limits of `precision`."""
    if (different := _differences(engine.card, reference.card)) is not None:
        raise BuildError(f"these are not the same model: {different}. Give the ONNX file that the engine comes from.")
    comparison = MapComparison(engine.card.tasks)
    for batch in Progress(images, desc="comparing", unit="image", disable=None):
        comparison.add(reference.infer(batch), engine.infer(batch))
    return comparison.agreements(precision)


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
