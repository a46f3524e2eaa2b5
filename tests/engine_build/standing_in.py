"""A machine with a GPU, as far as avtar-engine can tell: its plans are ONNX models, and ONNX's reference runs them.

The reference computes node by node in the types of the graph, so half precision rounds and overflows as it does on a
GPU. How engines are built, compared, refused and kept is real; speed and TensorRT's own numbers are not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from avtar_ros.engines.engine import INPUT
from avtar_ros.engines.sidecar import BuildOptions, Gpu, TensorInfo, interface
from avtar_ros.model_card import card_from_metadata
from engine_build.compiler import Compiled
from tests.avtar_ros.engines.recording import ORIN, RecordingCuda, RecordingTensorRT

BOARD = "NVIDIA Jetson Orin Nano Developer Kit"


class StandIn(RecordingTensorRT):
    """`scale` makes this machine compute a task's map so many times too large, `mixes` images of a batch up.

    `mixes` says for each place in a batch whose image is computed there; it is for batches of that size alone.
    """

    def __init__(self, gpu: Gpu = ORIN, version: str = "10.3.0.30") -> None:
        super().__init__(RecordingCuda(gpu), {}, version)
        self.scale: dict[str, float] = {}
        self.mixes: list[int] = []
        self.built = 0

    def compile(self, _trt: Any, model: Any, options: BuildOptions, *_: Any) -> Compiled:
        """In the place of `compile_model`. As TensorRT does, the plan holds a literal 1 where the batch cannot vary."""
        self.built += 1
        graph = onnx.ModelProto()
        graph.CopyFrom(model.graph)
        if options.batch == 1:
            for value in (*graph.graph.input, *graph.graph.output):
                value.type.tensor_type.shape.dim[0].dim_value = 1
        return Compiled(graph.SerializeToString(), interface(model.card))

    def load(self, plan: bytes) -> None:
        graph = onnx.load_from_string(plan)
        card = card_from_metadata({entry.key: entry.value for entry in graph.metadata_props}, "plan")
        batch = graph.graph.input[0].type.tensor_type.shape.dim[0]
        first = batch.dim_value if batch.HasField("dim_value") else -1
        self.tensors = {
            name: TensorInfo(tensor.dtype, (first, *tensor.shape[1:])) for name, tensor in interface(card).items()
        }
        self._evaluator = ReferenceEvaluator(graph)

    def maps(self, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        if len(image) == len(self.mixes):
            image = image[self.mixes]
        names = [name for name in self.tensors if name != INPUT]
        with np.errstate(over="ignore", invalid="ignore"):
            arrays = self._evaluator.run(names, {INPUT: image})
        scaled = (self.scale.get(name, 1) * array for name, array in zip(names, arrays, strict=True))
        return {
            name: np.ascontiguousarray(array, self.tensors[name].dtype)
            for name, array in zip(names, scaled, strict=True)
        }


def stand_in(patch: pytest.MonkeyPatch, folder: Path, gpu: Gpu = ORIN, version: str = "10.3.0.30") -> StandIn:
    """Make this process believe that it runs on an Orin Nano, with its configuration in `folder`."""
    trt = StandIn(gpu, version)
    patch.setitem(sys.modules, "tensorrt", trt)  # type: ignore[arg-type]
    patch.setattr("avtar_ros.engines.tensorrt.open_cuda", lambda: trt.cuda)
    patch.setattr("engine_build.machine.open_cuda", lambda: trt.cuda)
    patch.setattr("engine_build.machine.board", lambda: BOARD)
    patch.setattr("engine_build.build.compile_model", trt.compile)
    patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return trt
