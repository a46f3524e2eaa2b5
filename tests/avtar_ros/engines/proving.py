"""Models that prove themselves when they are opened, and the same with a fault injected on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from avtar_ros.engines.golden import GOLDEN_KEY, golden_to_json, make_golden
from avtar_ros.engines.opening import open_engine
from tests.tiny_models import write_tiny_model


def proving(path: Path, precision: str = "fp32", **card: Any) -> Path:
    """A tiny model with its golden maps in it."""
    write_tiny_model(path, **card)
    with open_engine(path) as engine:
        golden = make_golden(engine.card, precision, engine.infer)
    model = onnx.load(path)
    model.metadata_props.add(key=GOLDEN_KEY, value=golden_to_json(golden))
    onnx.save(model, path)
    return path


def with_fault(path: Path, constant: str, factor: float) -> Path:
    """The same file as a backend would run it that takes a constant `factor` times too large."""
    model = onnx.load(path)
    (tensor,) = (each for each in model.graph.initializer if each.name == constant)
    tensor.CopyFrom(numpy_helper.from_array(np.float32(factor) * numpy_helper.to_array(tensor), constant))
    onnx.save(model, path)
    return path
