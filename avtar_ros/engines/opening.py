"""Engines: something that turns a batch of images into task maps.

    with open_engine(Path("model.onnx")) as engine:
        maps = engine.infer(images)
"""

from __future__ import annotations

from pathlib import Path

from avtar_ros.disk.files import is_file
from avtar_ros.engines.engine import Engine, EngineError, EngineOptions
from avtar_ros.engines.self_test import self_test
from avtar_ros.terminal.names import printable


def open_engine(path: Path, options: EngineOptions | None = None) -> Engine:
    """Load the model at `path`, warm it up and let it prove itself; raises EngineError or CardError with what to do."""
    options = options or EngineOptions()
    if not is_file(path):
        raise EngineError(
            f"{printable(str(path))}: no such model file. Give the path of an .onnx file made by `avtar-train export`, "
            "or of an .engine file made by `avtar-engine build`."
        )
    if path.suffix == ".onnx":
        from avtar_ros.engines.onnxruntime import OnnxRuntimeEngine

        return _proved(OnnxRuntimeEngine(path, options), path, options)
    if path.suffix == ".engine":
        from avtar_ros.engines.tensorrt import TensorRTEngine

        return _proved(TensorRTEngine(path, options), path, options)
    raise EngineError(f"{path}: unknown kind of model {path.suffix!r}. Known: .onnx, .engine.")


def _proved(engine: Engine, path: Path, options: EngineOptions) -> Engine:
    """`engine`, once it has passed its self-test, where it has one and that is wanted."""
    if not options.self_test:
        engine.self_tested = "switched off"
    elif engine.golden is None:
        engine.self_tested = "the model has none"
    else:
        try:
            agreements = self_test(engine, engine.golden, path)
        except BaseException:
            engine.close()
            raise
        engine.self_tested = "passed: " + "; ".join(f"{task} {found}" for task, found in agreements.items())
    return engine
