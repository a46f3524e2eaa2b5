"""The engine that runs anywhere: ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines.digest import check_digest
from avtar_ros.engines.engine import INPUT, Engine, EngineError, EngineOptions, check_images, check_maps
from avtar_ros.engines.self_test import golden_from_metadata
from avtar_ros.model_card import card_from_metadata
from avtar_ros.tasks import Maps
from avtar_ros.terminal.extras import install_line

CPU = "CPUExecutionProvider"
NOT_UNASKED = ("Azure", "NvTensor", "Tensorrt")
"""Providers to use only where they are asked for: one sends images away, the others build for minutes at each start."""


class OnnxRuntimeEngine(Engine):
    """An ONNX model in an ONNX Runtime session; see `avtar_ros.engines.Engine`."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError(f"ONNX Runtime is not installed. Run: {install_line('onnxruntime')}") from error

        session_options = onnxruntime.SessionOptions()
        session_options.intra_op_num_threads = options.threads
        # Threads that spin while they wait would take the cores from the camera's and the node's work.
        session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self.has_digest = check_digest(path)
        except OSError as error:
            raise EngineError(f"{path}: cannot be read ({error.strerror}).") from error
        available = onnxruntime.get_available_providers()
        providers = list(options.providers) or [p for p in available if not p.startswith(NOT_UNASKED)]
        if unknown := [p for p in providers if p not in available]:
            raise EngineError(f"ONNX Runtime here has no {', '.join(unknown)}. Available: {', '.join(available)}.")
        try:
            # Without others there is nothing to fall back from, and ONNX Runtime would print that it does.
            several = int(providers != [CPU])
            self._session = onnxruntime.InferenceSession(
                str(path), session_options, providers=providers, enable_fallback=several
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
            self._interface = self._read_interface()
        except _errors() as error:
            reason = " ".join(str(error).split())  # some versions end it with an empty line
            raise EngineError(
                f"{path}: ONNX Runtime cannot load it; it is damaged or of another kind ({reason}). "
                "Copy or export it again."
            ) from error
        self.card = card_from_metadata(metadata, str(path))
        self.golden = golden_from_metadata(metadata, path)
        self._check_contract(path)
        batch = self._session.get_inputs()[0].shape[0]
        self.largest_batch = batch if isinstance(batch, int) else None
        self.description = f"ONNX Runtime {onnxruntime.__version__}, {', '.join(self._session.get_providers())}"
        blank = np.zeros((1, self.card.height, self.card.width, 3), np.uint8)
        check_maps(self.infer(blank), 1, self.card, path)

    def _check_contract(self, path: Path) -> None:
        """The names and the input; what the outputs are like, a first inference shows."""
        inputs, outputs = self._interface
        promised = {INPUT: ("tensor(uint8)", [self.card.height, self.card.width, 3])}
        if inputs != promised or outputs != set(self.card.tasks):
            raise EngineError(
                f"{path}: the graph has inputs {inputs} and outputs {sorted(outputs)}, but its card promises "
                f"{promised} and {sorted(self.card.tasks)}. Export the model again."
            )

    def _read_interface(self) -> tuple[dict[str, tuple[str, list[Any]]], set[str]]:
        """Type and shape of the inputs but for the batch, and the names of the outputs."""
        inputs = {node.name: (node.type, node.shape[1:]) for node in self._session.get_inputs()}
        return inputs, {node.name for node in self._session.get_outputs()}

    def infer(self, images: NDArray[np.uint8]) -> Maps:
        if self._session is None:
            raise EngineError("this engine is closed. Open the model again.")
        check_images(images, self.card)
        try:
            arrays = self._session.run(list(self.card.tasks), {INPUT: images})
        except _errors() as error:
            raise EngineError(f"{self.description}: inference failed ({error}).") from error
        return dict(zip(self.card.tasks, arrays, strict=True))

    def close(self) -> None:
        self._session = None


def _errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises, also of texts in a damaged file; there is no common base class but for some."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("EPFail", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NoSuchFile",
             "NotImplemented", "RuntimeException")
    return *(getattr(state, name) for name in names), RuntimeError, UnicodeDecodeError, MemoryError
