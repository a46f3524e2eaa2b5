"""Maps of a model on the machine that this runs on: python -m tests.aarch64.maps MODEL.onnx MAPS.npz"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from avtar_ros.engines.golden import golden_image
from avtar_ros.engines.opening import open_engine
from avtar_ros.tasks import Maps
from engine_build.reference import open_reference

SEED = 100
"""Of the image: none of the golden maps' own."""


def maps_of(model: Path) -> dict[str, Maps]:
    """Maps of an image, by the model as it is and by the float32 reference of verification."""
    found = {}
    for kind, opened in (("model", open_engine), ("reference", open_reference)):
        begun = time.monotonic()
        with opened(model) as engine:
            print(f"{model.name}, {kind}, ONNX Runtime {onnxruntime.__version__}: {engine.self_tested}", flush=True)
            found[kind] = engine.infer(golden_image(engine.card, SEED))
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    return found


def saved(path: Path) -> dict[str, Maps]:
    """What a run of this wrote."""
    found: dict[str, Maps] = {}
    with np.load(path) as arrays:
        for name in arrays:
            kind, task = name.split("|")
            found.setdefault(kind, {})[task] = arrays[name]
    return found


if __name__ == "__main__":
    maps = maps_of(Path(sys.argv[1]))
    arrays: dict[str, Any] = {f"{kind}|{task}": array for kind, of in maps.items() for task, array in of.items()}
    np.savez(sys.argv[2], **arrays)
