"""The self-test of a model that is opened: whether it gives its golden maps here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avtar_ros.agreement import PRECISIONS, Agreement, MapComparison, describe
from avtar_ros.engines.engine import Engine, EngineError
from avtar_ros.engines.golden import FORMAT, GOLDEN_KEY, Golden, golden_image, points_of, unpacked
from avtar_ros.json_records import RecordError, parse_record, read_json


def golden_from_metadata(metadata: Mapping[str, str], where: Path) -> Golden | None:
    """What an ONNX model's metadata has of them; None where it was exported without. Raises EngineError."""
    if GOLDEN_KEY not in metadata:
        return None
    try:
        return parse_record(Golden, read_json(metadata[GOLDEN_KEY], "the record"), "the record")
    except RecordError as error:
        raise EngineError(f"{where}: its golden maps cannot be read: {error} Export the model again.") from error


def self_test(engine: Engine, golden: Golden, where: Path) -> dict[str, Agreement]:
    """How far `engine` is from the golden maps; raises EngineError if that is beyond a limit of its precision."""
    card = engine.card
    if golden.format != FORMAT or golden.precision not in PRECISIONS or set(golden.maps) != set(card.tasks):
        raise EngineError(f"{where}: its golden maps are of another format or model. Export the model again.")
    found = [engine.infer(golden_image(card, golden.seed + i)) for i in range(golden.images)]
    here = {task: np.concatenate([points_of(maps[task]) for maps in found]) for task in card.tasks}
    comparison = MapComparison(card.tasks)
    try:
        comparison.add({task: unpacked(golden.maps[task], points) for task, points in here.items()}, here)
    except ValueError as error:
        raise EngineError(f"{where}: its golden maps are damaged ({error}). Export the model again.") from error
    agreements = comparison.agreements(golden.precision)
    if failed := [task for task, agreement in agreements.items() if not agreement.holds]:
        raise EngineError(
            f"{where}: does not give its own maps here ({engine.description}), so it must not be used. In "
            f"{', '.join(failed)} it is too far from what it gave when it was exported:\n{describe(agreements)}\n"
            "Update or change what runs it (driver, TensorRT, ONNX Runtime), or build the engine again. To run it all "
            "the same: self_test: false"
        )
    return agreements
