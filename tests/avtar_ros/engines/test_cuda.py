"""What is asked of pycuda.driver, by a stand-in that records it: contexts, buffers, errors. No GPU is meant."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

from avtar_ros.engines.cuda import CudaError, PyCuda
from avtar_ros.engines.sidecar import Gpu


class DriverError(Exception):
    """pycuda.driver.Error."""


class Allocation:
    """Memory of the GPU, or page-locked memory of the CPU."""

    def __init__(self, driver: RecordingDriver, name: str) -> None:
        self._driver, self._name = driver, name

    def __int__(self) -> int:
        return 4096

    def get_device_pointer(self) -> int:
        return 8192

    def free(self) -> None:
        self._driver.calls.append(f"free {self._name}")


class PageLocked(np.ndarray):
    """An array whose base is its allocation, as pycuda gives it."""

    allocation: Allocation

    @property
    def base(self) -> Any:
        return self.allocation


class RecordingDriver(types.ModuleType):
    """In the place of pycuda.driver."""

    Error = DriverError
    device_attribute = types.SimpleNamespace(MULTIPROCESSOR_COUNT="sms", INTEGRATED="integrated")
    host_alloc_flags = types.SimpleNamespace(DEVICEMAP=2)

    def __init__(self) -> None:
        super().__init__("pycuda.driver")
        self.calls: list[str] = []
        self.Context = types.SimpleNamespace(pop=lambda: self.calls.append("pop"))

    def init(self) -> None:
        self.calls.append("init")

    def Device(self, ordinal: int) -> Any:  # noqa: N802 - pycuda's name
        def retain() -> Any:
            self.calls.append(f"retain {ordinal}")
            return types.SimpleNamespace(
                push=lambda: self.calls.append("push"), detach=lambda: self.calls.append("detach")
            )

        return types.SimpleNamespace(
            name=lambda: "Orin",
            compute_capability=lambda: (8, 7),
            get_attribute={"sms": 8, "integrated": 1}.get,
            retain_primary_context=retain,
        )

    def get_driver_version(self) -> int:
        return 12060

    def pagelocked_empty(self, size: int, dtype: type, mem_flags: int = 0) -> PageLocked:
        self.calls.append(f"pin {size} with flags {mem_flags}")
        array = np.zeros(size, dtype).view(PageLocked)
        array.allocation = Allocation(self, "pinned")
        return array

    def mem_alloc(self, size: int) -> Allocation:
        self.calls.append(f"allocate {size}")
        return Allocation(self, "device")

    def memcpy_htod_async(self, device: Allocation, host: np.ndarray, stream: object) -> None:
        self.calls.append(f"up {host.nbytes} in {stream}")

    def memcpy_dtoh_async(self, host: np.ndarray, device: Allocation, stream: object) -> None:
        self.calls.append(f"down {host.nbytes} in {stream}")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> RecordingDriver:
    found = RecordingDriver()
    package = types.ModuleType("pycuda")
    package.driver = found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", found)
    return found


def test_the_gpu_is_described_and_its_primary_context_retained(driver: RecordingDriver) -> None:
    cuda = PyCuda(1)
    assert (cuda.gpu, cuda.version, cuda.integrated) == (Gpu("Orin", "8.7", 8), "12.6", True)
    cuda.close()
    assert driver.calls == ["init", "retain 1", "detach"]


def test_the_context_is_current_only_within_and_is_left_after_an_error_too(driver: RecordingDriver) -> None:
    cuda = PyCuda()
    driver.calls.clear()
    with cuda.current():
        driver.calls.append("work")
    with pytest.raises(KeyError), cuda.current():
        raise KeyError
    assert driver.calls == ["push", "work", "pop", "push", "pop"]


def test_what_cuda_refuses_is_an_error_of_ours(driver: RecordingDriver) -> None:
    cuda = PyCuda()
    with pytest.raises(CudaError, match="CUDA failed while using the GPU: out of memory"), cuda.current():
        raise DriverError("out of memory")
    assert driver.calls[-1] == "pop"


def test_no_gpu_is_an_error_of_ours(driver: RecordingDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise DriverError("no CUDA-capable device is detected")

    monkeypatch.setattr(driver, "init", init)
    with pytest.raises(CudaError, match="CUDA failed while finding a GPU: no CUDA-capable device"):
        PyCuda()


def test_a_pinned_buffer_copies_what_is_used_of_it(driver: RecordingDriver) -> None:
    cuda = PyCuda()
    driver.calls.clear()
    with cuda.current():
        buffer = cuda.buffer(100, zero_copy=False)
        assert (buffer.address, buffer.host.size) == (4096, 100)
        buffer.upload("stream", 60)  # type: ignore[arg-type]
        buffer.download("stream", 40)  # type: ignore[arg-type]
        buffer.free()
    copies = ["up 60 in stream", "down 40 in stream"]
    assert driver.calls[1:-1] == ["pin 100 with flags 0", "allocate 100", *copies, "free device", "free pinned"]


def test_a_mapped_buffer_is_one_memory_and_copies_nothing(driver: RecordingDriver) -> None:
    cuda = PyCuda()
    driver.calls.clear()
    with cuda.current():
        buffer = cuda.buffer(100, zero_copy=True)
        assert (buffer.address, buffer.host.size) == (8192, 100)
        buffer.upload("stream", 60)  # type: ignore[arg-type]
        buffer.download("stream", 40)  # type: ignore[arg-type]
        buffer.free()
    assert driver.calls[1:-1] == ["pin 100 with flags 2", "free pinned"]
