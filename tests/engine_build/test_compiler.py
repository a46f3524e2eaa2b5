"""What is said of a builder that does not start or runs out of memory; NVIDIA's own builder is in test_build.py."""

from __future__ import annotations

import enum
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avtar_ros.engines.engine import EngineError
from avtar_ros.engines.sidecar import BuildOptions
from engine_build.compiler import Compiled, advice, compile_model, too_little_memory
from engine_build.errors import BuildError
from engine_build.onnx_model import read_model
from tests.avtar_ros.engines.recording import RecordingCuda, RecordingTensorRT
from tests.tiny_models import write_tiny_model

TACTIC = "Tactic Device request: {}MB Available: 431MB. Device memory is insufficient to use tactic."


class Anything:
    """Takes every call and every attribute."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class ScarceTensorRT(RecordingTensorRT):
    """A builder on a machine without memory to spare: it says so in warnings, and may give no plan."""

    class NetworkDefinitionCreationFlag(enum.IntEnum):
        STRONGLY_TYPED = 1

    class MemoryPoolType(enum.IntEnum):
        WORKSPACE = 0

    class ProfilingVerbosity(enum.IntEnum):
        DETAILED = 0

    class BuilderFlag(enum.IntEnum):
        TF32 = 0

    class IProgressMonitor:
        pass

    def __init__(self, plan: bytes | None = None, starting_fails: bool = False) -> None:
        super().__init__(RecordingCuda(), {})
        self.plan, self.starting_fails = plan, starting_fails

    def Builder(self, logger: Any) -> Any:  # noqa: N802
        self.logger = logger
        self._must_start()
        builder, severity = Anything(), self.ILogger.Severity

        def build(_network: Any, _config: Any) -> bytes | None:
            for size in (512, 536, 536, 1024, 2048):
                logger.log(severity.WARNING, TACTIC.format(size))
            logger.log(severity.WARNING, "something else")
            if self.plan is None:
                logger.log(severity.ERROR, "Could not find any implementation for node {ForeignNode[depth]}.")
            return self.plan

        builder.create_network = lambda _flags: Network()
        builder.create_builder_config = Anything
        builder.create_optimization_profile = Anything
        builder.build_serialized_network = build
        return builder

    def OnnxParser(self, network: Any, _logger: Any) -> Any:  # noqa: N802
        parser = Anything()
        parser.parse = network.parse
        return parser


class Network:
    """The interface of the tiny model."""

    num_inputs = 1

    def parse(self, graph: bytes, _path: str) -> bool:
        import onnx

        model = onnx.load_from_string(graph)
        self._inputs, self._outputs = map(list, (model.graph.input, model.graph.output))
        self.num_outputs = len(self._outputs)
        return True

    def get_input(self, index: int) -> Any:
        return Tensor(self._inputs[index])

    def get_output(self, index: int) -> Any:
        return Tensor(self._outputs[index])


class Tensor:
    def __init__(self, value: Any) -> None:
        import onnx

        kind = value.type.tensor_type
        self.name = value.name
        self.dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)).name
        self.shape = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim]


def compile_with(trt: ScarceTensorRT, folder: Path) -> Compiled:
    write_tiny_model(folder / "model.onnx")
    model = read_model(folder / "model.onnx")
    return compile_model(trt, model, BuildOptions("fp32"), 2000, folder / "cache", "12.2")


def test_a_builder_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avtar_ros.engines.tensorrt.wheels_cuda", lambda: "13")
    said = r"CUDA initialization failure with error: 35\. It is for CUDA 13; the driver here has CUDA 12\.2"
    with pytest.raises(EngineError, match=said):
        compile_with(ScarceTensorRT(starting_fails=True), tmp_path)


def test_a_build_without_memory_names_the_warnings_and_what_frees_memory(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as refused:
        compile_with(ScarceTensorRT(plan=None), tmp_path)
    said = str(refused.value)
    assert "Could not find any implementation for node {ForeignNode[depth]}." in said
    assert said.count("Tactic Device request: 536MB") == 1
    assert "something else" not in said
    assert "sudo sh -c 'sync; echo 3 > /proc/sys/vm/drop_caches'" in said
    assert "a smaller --workspace (such as 1000)" in said


def test_a_build_that_left_kernels_out_for_lack_of_memory_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "engine_build.compiler"):
        assert compile_with(ScarceTensorRT(plan=b"a plan"), tmp_path).plan == b"a plan"
    (record,) = caplog.records if len(caplog.records) == 1 else caplog.records[-1:]
    assert "kernels were left out for lack of memory" in record.getMessage()
    assert "drop_caches" in record.getMessage()


def test_only_a_few_warnings_are_repeated() -> None:
    said = too_little_memory([TACTIC.format(size) for size in (1, 2, 2, 3, 4, 4)] + ["tactic"])
    assert said == [TACTIC.format(size) for size in (2, 3, 4)]


def test_advice_for_another_reason_says_nothing_of_memory() -> None:
    assert "drop_caches" not in advice("node /Cast cannot be built", 512)
