"""Engines: something that turns a batch of images into task maps.

    with open_engine(Path("model.onnx")) as engine:
        maps = engine.infer(images)
"""

from __future__ import annotations

from pathlib import Path

from avtar_ros.engines.engine import Engine, EngineError, EngineOptions
from avtar_ros.files import is_file
from avtar_ros.names import printable


def open_engine(path: Path, options: EngineOptions | None = None) -> Engine:
    """Load the model at `path` and warm it up; raises EngineError or CardError with what to do next."""
    options = options or EngineOptions()
    if not is_file(path):
        raise EngineError(
            f"{printable(str(path))}: no such model file. Give the path of an .onnx file made by `avtar-train export`, "
            "or of an .engine file made by `avtar-engine build`."
        )
    if path.suffix == ".onnx":
        from avtar_ros.engines.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(path, options)
    if path.suffix == ".engine":
        from avtar_ros.engines.tensorrt import TensorRTEngine

        return TensorRTEngine(path, options)
    raise EngineError(f"{path}: unknown kind of model {path.suffix!r}. Known: .onnx, .engine.")
