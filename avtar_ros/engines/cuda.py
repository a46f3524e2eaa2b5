"""The little of CUDA that engines need, so that another binding, or a recording, can take pycuda's place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines.engine import EngineError
from avtar_ros.engines.sidecar import Gpu
from avtar_ros.terminal.extras import install_line


class CudaError(EngineError):
    """CUDA is not there, or refused a call."""


class Stream(Protocol):
    """Work that the GPU does in order. `handle` is its CUstream."""

    handle: int

    def synchronize(self) -> None: ...

    def wait_for_event(self, event: Any) -> None: ...


class Event(Protocol):
    """A point in a stream."""

    def record(self, stream: Any) -> Any: ...

    def time_till(self, later: Any) -> float: ...


class Buffer(ABC):
    """Memory for one tensor, seen from both sides: `host` are the CPU's bytes, `address` is where the GPU looks."""

    host: NDArray[np.uint8]
    address: int

    @abstractmethod
    def upload(self, stream: Stream, size: int) -> None:
        """Bring the first `size` bytes to the GPU, in `stream`."""

    @abstractmethod
    def download(self, stream: Stream, size: int) -> None:
        """Bring the first `size` bytes to the CPU, in `stream`."""

    @abstractmethod
    def free(self) -> None: ...


class Cuda(ABC):
    """One GPU. Everything below but `close` must be called, and everything made must be freed, within `current`."""

    gpu: Gpu
    version: str
    """CUDA's, as the driver gives it."""
    integrated: bool
    """Whether CPU and GPU share their memory, as on a Jetson."""

    @abstractmethod
    def current(self) -> Any:
        """A context manager in which the calling thread may use this GPU."""

    @abstractmethod
    def stream(self) -> Stream: ...

    @abstractmethod
    def event(self) -> Event: ...

    @abstractmethod
    def buffer(self, size: int, zero_copy: bool) -> Buffer:
        """`size` bytes: pinned and copied, or, with `zero_copy`, one memory for both sides."""

    def record(self, stream: Stream, work: Callable[[], bool]) -> Callable[[], None] | None:
        """What `work` puts into `stream`, done at each call of what is returned and not before, as one CUDA graph.

        None where that cannot be: with a binding without graphs, of work that fails or cannot be recorded.
        """
        return None

    @abstractmethod
    def free_memory(self) -> int:
        """Bytes."""

    @abstractmethod
    def close(self) -> None: ...


class PyCuda(Cuda):
    """Through pycuda, in the GPU's primary context, which other libraries in the process share."""

    def __init__(self, ordinal: int = 0) -> None:
        try:
            import pycuda.driver as driver
        except ImportError as error:
            raise CudaError(
                f"pycuda is not installed, or does not find CUDA's driver ({error}). On a machine with an NVIDIA GPU "
                f"run: {install_line('tensorrt')} (the extra avtar_ros[tensorrt]). It is compiled there, which takes "
                "a C++ compiler, Python's headers (apt install g++ python3-dev) and CUDA's nvcc in PATH "
                "(/usr/local/cuda/bin). Or run: pip install cuda-bindings, NVIDIA's own, which is compiled already; of "
                "the driver's CUDA, as 'cuda-bindings==12.*'."
            ) from error
        self._driver = driver
        with self._translated("finding a GPU"):
            driver.init()
            device = driver.Device(ordinal)
            attribute = driver.device_attribute
            major, minor = device.compute_capability()
            sm_count = device.get_attribute(attribute.MULTIPROCESSOR_COUNT)
            self.gpu = Gpu(device.name(), f"{major}.{minor}", sm_count)
            self.integrated = bool(device.get_attribute(attribute.INTEGRATED))
            self.version = f"{driver.get_driver_version() // 1000}.{driver.get_driver_version() % 1000 // 10}"
            self._context = device.retain_primary_context()

    @contextmanager
    def current(self) -> Iterator[None]:
        self._context.push()
        try:
            with self._translated("using the GPU"):
                yield
        finally:
            self._driver.Context.pop()

    def stream(self) -> Stream:
        stream: Stream = self._driver.Stream()
        return stream

    def event(self) -> Event:
        event: Event = self._driver.Event()
        return event

    def buffer(self, size: int, zero_copy: bool) -> Buffer:
        return _MappedBuffer(self._driver, size) if zero_copy else _PinnedBuffer(self._driver, size)

    def free_memory(self) -> int:
        return int(self._driver.mem_get_info()[0])

    def close(self) -> None:
        self._context.detach()  # releases it only in the thread that retained it; elsewhere it stays until the end

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            raise CudaError(f"CUDA failed while {doing}: {error}.") from error


class _PinnedBuffer(Buffer):
    """Page-locked memory of the CPU and memory of the GPU, with copies between them."""

    def __init__(self, driver: Any, size: int) -> None:
        self._driver = driver
        self.host = driver.pagelocked_empty(size, np.uint8)
        self._device = driver.mem_alloc(size)
        self.address = int(self._device)

    def upload(self, stream: Stream, size: int) -> None:
        self._driver.memcpy_htod_async(self._device, self.host[:size], stream)

    def download(self, stream: Stream, size: int) -> None:
        self._driver.memcpy_dtoh_async(self.host[:size], self._device, stream)

    def free(self) -> None:
        self._device.free()
        self.host.base.free()  # type: ignore[union-attr]


class _MappedBuffer(Buffer):
    """Page-locked memory of the CPU that the GPU reads and writes where it lies."""

    def __init__(self, driver: Any, size: int) -> None:
        self.host = driver.pagelocked_empty(size, np.uint8, mem_flags=driver.host_alloc_flags.DEVICEMAP)
        self.address = int(self.host.base.get_device_pointer())  # type: ignore[union-attr]

    def upload(self, stream: Stream, size: int) -> None:
        pass

    def download(self, stream: Stream, size: int) -> None:
        pass

    def free(self) -> None:
        self.host.base.free()  # type: ignore[union-attr]
