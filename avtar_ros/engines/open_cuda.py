"""The binding of CUDA that there is: NVIDIA's own where it is installed, else PyCUDA."""

from __future__ import annotations

from importlib.util import find_spec

from avtar_ros.engines.cuda import Cuda, PyCuda
from avtar_ros.engines.nvidia_cuda import NvidiaCuda


def open_cuda() -> Cuda:
    """The first GPU; raises CudaError where there is none, or no binding of CUDA."""
    return NvidiaCuda() if has_nvidias() else PyCuda()


def has_nvidias() -> bool:
    """Whether `cuda.bindings` is installed."""
    try:
        return find_spec("cuda.bindings.driver") is not None
    except ModuleNotFoundError:
        return False
