"""The engine for NVIDIA GPUs: a TensorRT plan with its sidecar."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines.batch_slot import BatchSlot, StageTimes
from avtar_ros.engines.cuda import Cuda, CudaError
from avtar_ros.engines.engine import (
    UNDER_WAY,
    Engine,
    EngineError,
    EngineOptions,
    Pending,
    check_images,
    check_maps,
)
from avtar_ros.engines.open_cuda import open_cuda
from avtar_ros.engines.sidecar import TensorInfo, faults, interface, is_interface, read_plan, read_sidecar
from avtar_ros.tasks import Maps

OLDEST = (10, 3)
"""The first TensorRT that takes the models here as they are typed; JetPack 6.1 brings it."""

log = logging.getLogger(__name__)


def load_tensorrt() -> Any:
    """NVIDIA's module; raises EngineError if it is missing or too old."""
    try:
        import tensorrt
    except ImportError as error:
        raise EngineError(
            f"TensorRT is not installed for this Python ({error}). A Jetson has it from JetPack: run "
            "apt install python3-libnvinfer, and make a virtual environment with --system-site-packages. "
            "On a PC run: pip install tensorrt"
        ) from error
    if tuple(map(int, tensorrt.__version__.split(".")[:2])) < OLDEST:
        raise EngineError(
            f"TensorRT {tensorrt.__version__} found, {'.'.join(map(str, OLDEST))} or later wanted. "
            "On a Jetson update to JetPack 6.1 or later; on a PC run: pip install --upgrade tensorrt"
        )
    return tensorrt


def started(make: Callable[[Any], Any], messages: Messages, driver_cuda: str | None) -> Any:
    """TensorRT's Builder or Runtime; raises EngineError with the reason where the library cannot start.

    NVIDIA's bindings raise TypeError then, of a factory that returned nothing; why is in the log alone.
    """
    try:
        return make(messages.logger)
    except TypeError as error:
        wanted = wheels_cuda()
        raise EngineError(
            f"TensorRT cannot start: {messages.reason()}. It is {f'for CUDA {wanted}' if wanted else 'of the system'}; "
            f"the driver here has {f'CUDA {driver_cuda}' if driver_cuda else 'no CUDA that could be found'}. Update "
            "the driver or install the TensorRT for its CUDA (pip install tensorrt-cu12, or tensorrt-cu13); if they "
            "fit, the GPU's memory may be full: close what uses it."
        ) from error


def wheels_cuda() -> str:
    """The CUDA that the installed wheel of TensorRT is for, such as "13"; empty where it is JetPack's or Debian's."""
    names = (str(found.metadata["Name"]) for found in distributions())
    versions = {match[1] for name in names if (match := re.fullmatch(r"tensorrt[-_]cu(\d+)([-_]bindings)?", name))}
    return " or ".join(sorted(versions))


class Messages:
    """What TensorRT has to say: all of it goes to the log; errors and warnings are kept, for they hold the reason."""

    def __init__(self, trt: Any) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []
        severity = trt.ILogger.Severity
        levels = {
            severity.INTERNAL_ERROR: logging.ERROR,
            severity.ERROR: logging.ERROR,
            severity.WARNING: logging.WARNING,
            severity.INFO: logging.INFO,
            severity.VERBOSE: logging.DEBUG,
        }
        kept = {logging.ERROR: self.errors, logging.WARNING: self.warnings}

        class Logger(trt.ILogger):  # type: ignore[misc]
            def log(self, severity: Any, message: str) -> None:
                if levels[severity] in kept:
                    kept[levels[severity]].append(message.strip())
                log.log(levels[severity], "TensorRT: %s", message.strip())

        self.logger = Logger()

    def reason(self) -> str:
        return " ".join(self.errors) or "TensorRT gave no reason"


def tensors_of(trt: Any, engine: Any) -> dict[str, TensorInfo]:
    """Inputs and outputs of a loaded engine."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    dtypes = {name: np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name for name in names}
    return {name: TensorInfo(dtypes[name], tuple(engine.get_tensor_shape(name))) for name in names}


class TensorRTEngine(Engine):
    """A TensorRT plan on one GPU; see `avtar_ros.engines.Engine`.

    For each batch that may be under way it has an execution context with buffers, made once. Batches larger than the
    engine's are run in parts. `unverified` lets in an engine that has not been compared with its model yet, for who
    does just that.
    """

    largest_batch: int
    times: StageTimes
    """Of the batch whose maps were given last."""

    def __init__(
        self,
        path: Path,
        options: EngineOptions,
        *,
        unverified: bool = False,
        trt: Any = None,
        cuda: Cuda | None = None,
    ) -> None:
        self.sidecar = read_sidecar(path)
        self.card, self.golden = self.sidecar.card, self.sidecar.golden
        self.largest_batch = self.sidecar.options.batch
        self._path = path
        if not (self.sidecar.verified or unverified):
            raise EngineError(
                f"{path}: this engine was never compared with its model on this kind of GPU, so its maps may be "
                f"wrong. Run: avtar-engine verify {path} --against MODEL.onnx"
            )
        plan = read_plan(path, self.sidecar)
        self._trt = trt or load_tensorrt()
        self._cuda: Cuda | None = cuda or open_cuda()
        if reasons := faults(self.sidecar, str(self._trt.__version__), self._cuda.gpu):
            self._cuda.close()
            raise EngineError(
                f"{path}: cannot run here: {' '.join(reasons)} "
                "Build it again on this machine: avtar-engine build MODEL.onnx"
            )
        self.description = f"TensorRT {self._trt.__version__} {self.sidecar.options.precision}, {self._cuda.gpu.name}"
        self.gpu = self._cuda.gpu
        self._slots: deque[BatchSlot] = deque()
        self._runtime: Any = None
        self._engine: Any = None
        try:
            with self._cuda.current():
                contexts = self._load(plan)
                zero_copy = options.zero_copy and self._cuda.integrated
                while contexts:  # to which nobody else may hold on
                    self._slots.append(BatchSlot(self._cuda, contexts.pop(), self.sidecar, zero_copy))
            blank = np.zeros((1, self.card.height, self.card.width, 3), np.uint8)
            check_maps(self.infer(blank), 1, self.card, path)
        except BaseException:
            self.close()
            raise

    def _load(self, plan: bytes) -> list[Any]:
        """Load the engine and make its execution contexts."""
        messages = self._messages = Messages(self._trt)
        self._runtime = started(self._trt.Runtime, messages, self._gpu().version)
        self._engine = self._runtime.deserialize_cuda_engine(plan) if self._runtime else None
        contexts = [self._engine.create_execution_context() for _ in range(UNDER_WAY)] if self._engine else [None]
        if None in contexts:
            raise EngineError(
                f"{self._path}: TensorRT cannot load it: {messages.reason()}. "
                "Free some memory, or build it again on this machine: avtar-engine build MODEL.onnx"
            )
        found = tensors_of(self._trt, self._engine)
        if not is_interface(found, self.card, self.largest_batch):
            raise EngineError(
                f"{self._path}: the engine has {found}, but its card promises {interface(self.card)}. Build it again."
            )
        return contexts

    def infer(self, images: NDArray[np.uint8]) -> Maps:
        check_images(images, self.card)
        largest = self.sidecar.options.batch
        parts = list(self.infer_stream(images[i : i + largest] for i in range(0, len(images), largest)))
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.card.tasks}

    def begin(self, images: NDArray[np.uint8]) -> Pending:
        """Start copying and computing; nothing is waited for. Raises EngineError if there are more images than fit."""
        check_images(images, self.card)
        if len(images) > self.largest_batch:
            raise EngineError(
                f"{len(images)} images in one batch given; {self._path} takes up to {self.largest_batch}. Give fewer, "
                f"or build it for more: avtar-engine build MODEL.onnx --batch {len(images)}"
            )
        with self._gpu().current():
            slot = self._slots[0]
            slot.stream.synchronize()  # idle, unless a stream of batches was left before its end
            slot.fill(images)
            # Two batches computed beside each other would both be late.
            for other in self._slots:
                slot.stream.wait_for_event(other.computed)
            self._messages.errors.clear()
            if not slot.execute():
                raise EngineError(f"{self.description}: inference failed: {self._messages.reason()}.")
            slot.fetch()
            self._slots.rotate()
            return partial(self._collect, slot, slot.serial)

    def _gpu(self) -> Cuda:
        if self._cuda is None:
            raise EngineError("this engine is closed. Open the model again.")
        return self._cuda

    def _collect(self, slot: BatchSlot, serial: int) -> Maps:
        """Wait for the batch of this number in `slot`; the arrays are copies."""
        with self._gpu().current():
            slot.stream.synchronize()
            if slot.serial != serial:
                raise EngineError(f"the maps of a batch were not collected before {UNDER_WAY} more were begun.")
            self.times = slot.times()
            return {name: slot.view(name).copy() for name in self.card.tasks}

    def layer_times(self, images: NDArray[np.uint8], runs: int = 20) -> dict[str, float]:
        """Mean milliseconds of each layer, as TensorRT has fused them. From then on the whole is slower."""
        totals: dict[str, float] = {}

        class Profiler(self._trt.IProfiler):  # type: ignore[misc, name-defined]
            def __init__(self, trt: Any) -> None:
                trt.IProfiler.__init__(self)

            def report_layer_time(self, layer_name: str, ms: float) -> None:
                totals[layer_name] = totals.get(layer_name, 0.0) + ms / runs

        with self._gpu().current():
            self._profiler = Profiler(self._trt)  # contexts do not keep it alive
            for slot in self._slots:
                slot.profile(self._profiler)
        for _ in range(runs):
            self.infer(images)
        return totals

    def close(self) -> None:
        """Frees in the order in which things depend on one another: graphs, contexts, engine, runtime, buffers, GPU."""
        if self._cuda is None:
            return
        cuda, self._cuda = self._cuda, None
        try:
            with cuda.current():
                for slot in self._slots:
                    slot.let_go()
                self._engine = None
                self._runtime = None
                while self._slots:
                    self._slots.pop().free()
        except CudaError as error:  # after a fault of the GPU nothing can be freed, which must not hide that fault
            log.warning("%s: %s", self._path, error)
        finally:
            self._slots.clear()
            cuda.close()
