"""Stand-ins for CUDA and TensorRT that record what is asked of them.

They exist for what is around a GPU: sizes, names, types, order. Work in a stream is done when the stream is waited
for, not before, as a GPU may; so who reads too early reads nothing. Numbers and speed mean nothing here.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines.cuda import Buffer, Cuda, CudaError
from avtar_ros.engines.engine import INPUT
from avtar_ros.engines.sidecar import Gpu, TensorInfo

ORIN = Gpu("Orin", "8.7", 8)


class RecordingStream:
    def __init__(self, cuda: RecordingCuda, handle: int) -> None:
        self.handle = handle
        self._cuda = cuda
        self._work: list[Callable[[], object]] = []

    def add(self, work: Callable[[], object]) -> None:
        self._cuda.must_be_current()
        self._work.append(work)

    def synchronize(self) -> None:
        self._cuda.must_be_current()
        while self._work:
            self._work.pop(0)()

    def wait_for_event(self, event: RecordingEvent) -> None:
        self.add(event.reach)


class RecordingEvent:
    def __init__(self, cuda: RecordingCuda) -> None:
        self._cuda = cuda
        self._stream: RecordingStream | None = None
        self.passed = 0.0

    def record(self, stream: RecordingStream) -> None:
        self._stream, self.passed = stream, 0.0
        stream.add(self._pass)

    def _pass(self) -> None:
        self.passed = next(self._cuda.clock)

    def reach(self) -> None:
        while self._stream is not None and not self.passed:
            self._stream._work.pop(0)()

    def time_till(self, later: RecordingEvent) -> float:
        return later.passed - self.passed


class RecordingBuffer(Buffer):
    def __init__(self, cuda: RecordingCuda, size: int, zero_copy: bool) -> None:
        self._cuda = cuda
        self.host = np.zeros(size, np.uint8)
        self.device = self.host if zero_copy else np.zeros(size, np.uint8)
        self.zero_copy = zero_copy
        self.address = 1000 + len(cuda.memory)
        cuda.memory[self.address] = self.device

    def upload(self, stream: Any, size: int) -> None:
        stream.add(lambda: np.copyto(self.device[:size], self.host[:size]))

    def download(self, stream: Any, size: int) -> None:
        stream.add(lambda: np.copyto(self.host[:size], self.device[:size]))

    def free(self) -> None:
        self._cuda.call("free buffer")
        self.host[:] = 0


class RecordingCuda(Cuda):
    FREE = 123 << 20

    def __init__(self, gpu: Gpu = ORIN, integrated: bool = True, graphs: bool = False) -> None:
        self.graphs, self.launched = graphs, 0
        self.gpu, self.version, self.integrated = gpu, "12.6", integrated
        self.calls: list[str] = []
        self.memory: dict[int, NDArray[np.uint8]] = {}
        self.buffers: list[RecordingBuffer] = []
        self.streams: dict[int, RecordingStream] = {}
        self.clock = itertools.count(1.0)
        self.broken = False
        self._depth = 0

    def must_be_current(self) -> None:
        assert self._depth, "the GPU was used outside `current`"

    def call(self, what: str) -> None:
        self.must_be_current()
        if self.broken:
            raise CudaError("CUDA failed while using the GPU: unspecified launch failure.")
        self.calls.append(what)

    @contextmanager
    def current(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def stream(self) -> RecordingStream:
        self.must_be_current()
        handle = 1 + len(self.streams)
        return self.streams.setdefault(handle, RecordingStream(self, handle))

    def event(self) -> RecordingEvent:
        self.must_be_current()
        return RecordingEvent(self)

    def buffer(self, size: int, zero_copy: bool) -> RecordingBuffer:
        self.call("allocate")
        self.buffers.append(RecordingBuffer(self, size, zero_copy))
        return self.buffers[-1]

    def record(self, stream: Any, work: Callable[[], bool]) -> Callable[[], None] | None:
        self.call("record")
        if not self.graphs:
            return None
        before = len(stream._work)
        worked = work()
        recorded, stream._work[before:] = stream._work[before:], []

        def launch() -> None:
            self.launched += 1
            stream._work.extend(recorded)

        return launch if worked else None

    def free_memory(self) -> int:
        self.must_be_current()
        return self.FREE

    def close(self) -> None:
        self.calls.append("close GPU")


class _Freed:
    """Notes when the last reference to it is gone."""

    def __init__(self, trt: RecordingTensorRT, name: str) -> None:
        self._trt, self._name = trt, name

    def __del__(self) -> None:
        self._trt.cuda.calls.append(f"free {self._name}")


class _Context(_Freed):
    def __init__(self, trt: RecordingTensorRT) -> None:
        super().__init__(trt, "context")
        self.profiler: Any = None
        self._addresses: dict[str, int] = {}
        self._shape: tuple[int, ...] = ()

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert name == INPUT
        if any(built not in (-1, given) for built, given in zip(self._trt.tensors[name].shape, shape, strict=True)):
            self._trt.logger.log(self._trt.ILogger.Severity.ERROR, "the shape is not one of the engine's")
            return False
        self._shape = tuple(shape)
        self._trt.shapes.append(self._shape)
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        self._trt.cuda.calls.append(f"address {name}")
        return name in self._trt.tensors

    def execute_async_v3(self, handle: int) -> bool:
        if self._trt.failing:
            self._trt.logger.log(self._trt.ILogger.Severity.ERROR, "the machine is on fire")
            return False
        self._trt.executions += 1
        if self.profiler is not None:
            self.profiler.report_layer_time("the whole of it", 1.0)
        addresses, shape, trt = dict(self._addresses), self._shape, self._trt
        trt.cuda.streams[handle].add(lambda: trt.compute(addresses, shape))
        return True


class _Engine(_Freed):
    def __init__(self, trt: RecordingTensorRT) -> None:
        super().__init__(trt, "engine")
        self.num_io_tensors = len(trt.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self._trt.tensors)[index]

    def get_tensor_dtype(self, name: str) -> str:
        return self._trt.tensors[name].dtype

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._trt.tensors[name].shape

    def create_execution_context(self) -> _Context:
        self._trt.contexts += 1
        return _Context(self._trt)


class _Runtime(_Freed):
    def __init__(self, trt: RecordingTensorRT) -> None:
        super().__init__(trt, "runtime")

    def deserialize_cuda_engine(self, plan: bytes) -> _Engine | None:
        if self._trt.refusing:
            self._trt.logger.log(self._trt.ILogger.Severity.ERROR, "the plan is from another world")
            return None
        self._trt.load(plan)
        return _Engine(self._trt)


class RecordingTensorRT:
    """Takes the place of the module `tensorrt`; every map it gives is some channels of the image."""

    class ILogger:
        class Severity(enum.IntEnum):
            INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    class IProfiler:
        pass

    def __init__(self, cuda: RecordingCuda, tensors: dict[str, TensorInfo], version: str = "10.3.0.30") -> None:
        self.__version__ = version
        self.cuda, self.tensors = cuda, tensors
        self.shapes: list[tuple[int, ...]] = []
        self.contexts = 0
        self.failing = self.refusing = self.starting_fails = False
        self.executions = 0

    def Runtime(self, logger: Any) -> _Runtime:  # noqa: N802 - TensorRT's name
        self.logger = logger
        self._must_start()
        return _Runtime(self)

    def Builder(self, logger: Any) -> None:  # noqa: N802
        """Does not start; what is built in tests is built by NVIDIA's own, or by `standing_in`."""
        self.logger = logger
        self.starting_fails = True
        self._must_start()

    def _must_start(self) -> None:
        """As NVIDIA's bindings where the library cannot start: the reason is in the log, the exception has none."""
        if self.starting_fails:
            self.logger.log(self.ILogger.Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

    def load(self, plan: bytes) -> None:
        """What is in a plan makes no difference here."""

    def nptype(self, dtype: str) -> type:
        return np.dtype(dtype).type

    def compute(self, addresses: dict[str, int], shape: tuple[int, ...]) -> None:
        count = int(np.prod(shape))
        image = self.cuda.memory[addresses[INPUT]][:count].reshape(shape)
        for name, maps in self.maps(image).items():
            self.cuda.memory[addresses[name]][: maps.nbytes] = maps.view(np.uint8).ravel()

    def maps(self, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        return {name: expected_map(image, tensor) for name, tensor in self.tensors.items() if name != INPUT}


def expected_map(image: NDArray[np.uint8], tensor: TensorInfo) -> NDArray[Any]:
    """What the stand-in gives for (B, H, W, 3): the image itself, or its first channel, as the tensor's type."""
    channels = image if len(tensor.shape) == 4 else image[..., 0]
    return np.ascontiguousarray(channels, dtype=tensor.dtype)
