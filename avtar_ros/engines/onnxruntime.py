"""The engine that runs anywhere: ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines import Engine, EngineError, EngineOptions
from avtar_ros.model_card import card_from_metadata
from avtar_ros.tasks import Maps

INPUT = "image"


class OnnxRuntimeEngine(Engine):
    """An ONNX model in an ONNX Runtime session; see `avtar_ros.engines.Engine`."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError("ONNX Runtime is not installed. Run: pip install 'avtar_ros[onnxruntime]'") from error

        session_options = onnxruntime.SessionOptions()
        session_options.intra_op_num_threads = options.threads
        # Threads that spin while they wait would take the cores from the camera's and the node's work.
        session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        available = onnxruntime.get_available_providers()
        providers = list(options.providers) or [p for p in available if not p.startswith("Tensorrt")]
        if unknown := [p for p in providers if p not in available]:
            raise EngineError(f"ONNX Runtime here has no {', '.join(unknown)}. Available: {', '.join(available)}.")
        try:
            self._session = onnxruntime.InferenceSession(str(path), session_options, providers=providers)
        except _load_errors() as error:
            raise EngineError(
                f"{path}: ONNX Runtime cannot load it; it is damaged or of another kind ({error}). "
                "Copy or export it again."
            ) from error
        self.card = card_from_metadata(self._session.get_modelmeta().custom_metadata_map, str(path))
        self._check_contract(path)
        self.description = f"ONNX Runtime {onnxruntime.__version__}, {', '.join(self._session.get_providers())}"
        self.infer(np.zeros((1, self.card.height, self.card.width, 3), np.uint8))

    def _check_contract(self, path: Path) -> None:
        inputs = {node.name: node.type for node in self._session.get_inputs()}
        outputs = {node.name for node in self._session.get_outputs()}
        if inputs != {INPUT: "tensor(uint8)"} or outputs != set(self.card.tasks):
            raise EngineError(
                f"{path}: the graph has inputs {inputs} and outputs {sorted(outputs)}, but its card promises one uint8 "
                f"input {INPUT!r} and outputs {sorted(self.card.tasks)}. Export the model again."
            )

    def infer(self, images: NDArray[np.uint8]) -> Maps:
        wanted = (self.card.height, self.card.width, 3)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != wanted:
            raise EngineError(
                f"images of shape {images.shape} and type {images.dtype} given; "
                f"this model takes uint8 (B, {', '.join(map(str, wanted))})."
            )
        arrays = self._session.run(list(self.card.tasks), {INPUT: images})
        return dict(zip(self.card.tasks, arrays, strict=True))

    def close(self) -> None:
        del self._session


def _load_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a file it cannot load (it has no common base class)."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (state.Fail, state.InvalidProtobuf, state.InvalidGraph, state.InvalidArgument, state.NotImplemented,
            state.NoSuchFile, state.RuntimeException)
