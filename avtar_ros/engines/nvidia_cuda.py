"""CUDA through NVIDIA's own `cuda-bindings`, which comes as wheels and has graphs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from avtar_ros.engines.cuda import Buffer, Cuda, CudaError, Stream
from avtar_ros.engines.sidecar import Gpu

LONGEST_NAME = 256


class NvidiaCuda(Cuda):
    """In the GPU's primary context, which other libraries in the process share."""

    def __init__(self, ordinal: int = 0) -> None:
        from cuda.bindings import driver  # type: ignore[import-not-found, import-untyped, unused-ignore]

        self._driver = driver
        try:
            self._call(driver.cuInit, 0)
        except RuntimeError as error:  # of a driver that is not found
            raise CudaError(f"CUDA failed while finding a GPU: {error}.") from error
        self._device = device = self._call(driver.cuDeviceGet, ordinal)
        attribute = driver.CUdevice_attribute
        major, minor, sm_count, integrated = (
            int(self._call(driver.cuDeviceGetAttribute, getattr(attribute, f"CU_DEVICE_ATTRIBUTE_{name}"), device))
            for name in ("COMPUTE_CAPABILITY_MAJOR", "COMPUTE_CAPABILITY_MINOR", "MULTIPROCESSOR_COUNT", "INTEGRATED")
        )
        name = self._call(driver.cuDeviceGetName, LONGEST_NAME, device).split(b"\0")[0].decode()
        self.gpu = Gpu(name, f"{major}.{minor}", sm_count)
        self.integrated = bool(integrated)
        version = int(self._call(driver.cuDriverGetVersion))
        self.version = f"{version // 1000}.{version % 1000 // 10}"
        self._context = self._call(driver.cuDevicePrimaryCtxRetain, device)

    @contextmanager
    def current(self) -> Iterator[None]:
        self._call(self._driver.cuCtxPushCurrent, self._context)
        try:
            yield
        finally:
            self._call(self._driver.cuCtxPopCurrent)

    def stream(self) -> Stream:
        return _Stream(self)

    def event(self) -> _Event:
        return _Event(self)

    def buffer(self, size: int, zero_copy: bool) -> Buffer:
        return _MappedBuffer(self, size) if zero_copy else _PinnedBuffer(self, size)

    def free_memory(self) -> int:
        free, _ = self._call(self._driver.cuMemGetInfo)
        return int(free)

    def record(self, stream: Stream, work: Callable[[], bool]) -> Callable[[], None] | None:
        mode = self._driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call(self._driver.cuStreamBeginCapture, stream.handle, mode)
        worked = False
        try:
            worked = work()
        finally:
            status, graph = self._driver.cuStreamEndCapture(stream.handle)
        if status != self._driver.CUresult.CUDA_SUCCESS:
            return None
        try:
            return _Graph(self, graph, stream) if worked else None
        finally:
            self._call(self._driver.cuGraphDestroy, graph)

    def close(self) -> None:
        self._call(self._driver.cuDevicePrimaryCtxRelease, self._device)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the driver's function gives; raises CudaError with CUDA's reason if it fails."""
        status, *values = function(*arguments)
        if status != self._driver.CUresult.CUDA_SUCCESS:
            _, reason = self._driver.cuGetErrorString(status)
            raise CudaError(f"CUDA failed in {function.__name__}: {reason.decode() if reason else status}.")
        return values[0] if len(values) == 1 else values


class _Stream:
    def __init__(self, cuda: NvidiaCuda) -> None:
        self._cuda, self._driver = cuda, cuda._driver
        self.handle = int(cuda._call(self._driver.cuStreamCreate, 0))

    def synchronize(self) -> None:
        self._cuda._call(self._driver.cuStreamSynchronize, self.handle)

    def wait_for_event(self, event: _Event) -> None:
        self._cuda._call(self._driver.cuStreamWaitEvent, self.handle, event.event, 0)

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self._driver.cuStreamDestroy(self.handle)


class _Event:
    def __init__(self, cuda: NvidiaCuda) -> None:
        self._cuda, self._driver = cuda, cuda._driver
        self.event = cuda._call(self._driver.cuEventCreate, 0)

    def record(self, stream: Stream) -> None:
        self._cuda._call(self._driver.cuEventRecord, self.event, stream.handle)

    def time_till(self, later: _Event) -> float:
        return float(self._cuda._call(self._driver.cuEventElapsedTime, self.event, later.event))

    def __del__(self) -> None:
        if hasattr(self, "event"):
            self._driver.cuEventDestroy(self.event)


class _Graph:
    """Recorded work, which a call puts into its stream again."""

    def __init__(self, cuda: NvidiaCuda, graph: Any, stream: Stream) -> None:
        self._cuda, self._driver, self._stream = cuda, cuda._driver, stream
        self._graph = cuda._call(self._driver.cuGraphInstantiate, graph, 0)

    def __call__(self) -> None:
        self._cuda._call(self._driver.cuGraphLaunch, self._graph, self._stream.handle)

    def __del__(self) -> None:
        if hasattr(self, "_graph"):
            self._driver.cuGraphExecDestroy(self._graph)


class _HostBuffer(Buffer):
    """Page-locked memory of the CPU."""

    def __init__(self, cuda: NvidiaCuda, size: int, flags: int) -> None:
        self._cuda, self._driver = cuda, cuda._driver
        self._pinned = int(cuda._call(self._driver.cuMemHostAlloc, size, flags))
        self.host = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(self._pinned))

    def free(self) -> None:
        self._cuda._call(self._driver.cuMemFreeHost, self._pinned)


class _PinnedBuffer(_HostBuffer):
    """With memory of the GPU, and copies between them."""

    def __init__(self, cuda: NvidiaCuda, size: int) -> None:
        super().__init__(cuda, size, 0)
        self.address = int(cuda._call(self._driver.cuMemAlloc, size))

    def upload(self, stream: Stream, size: int) -> None:
        self._cuda._call(self._driver.cuMemcpyHtoDAsync, self.address, self._pinned, size, stream.handle)

    def download(self, stream: Stream, size: int) -> None:
        self._cuda._call(self._driver.cuMemcpyDtoHAsync, self._pinned, self.address, size, stream.handle)

    def free(self) -> None:
        self._cuda._call(self._driver.cuMemFree, self.address)
        super().free()


class _MappedBuffer(_HostBuffer):
    """That the GPU reads and writes where it lies."""

    def __init__(self, cuda: NvidiaCuda, size: int) -> None:
        super().__init__(cuda, size, cuda._driver.CU_MEMHOSTALLOC_DEVICEMAP)
        self.address = int(cuda._call(self._driver.cuMemHostGetDevicePointer, self._pinned, 0))

    def upload(self, stream: Stream, size: int) -> None:
        pass

    def download(self, stream: Stream, size: int) -> None:
        pass
