"""Run in a process of its own: NVIDIA's bindings of CUDA over `driver_stub.c`. Prints one line of JSON."""

from __future__ import annotations

import ctypes
import json

import numpy as np

from avtar_ros.engines.cuda import CudaError
from avtar_ros.engines.nvidia_cuda import NvidiaCuda
from avtar_ros.engines.open_cuda import open_cuda

stub = ctypes.CDLL("libcuda.so.1")
cuda = open_cuda()
assert isinstance(cuda, NvidiaCuda)
found: dict[str, object] = {"gpu": str(cuda.gpu), "cuda": cuda.version, "integrated": cuda.integrated}
with cuda.current():
    found["free"] = cuda.free_memory()
    stream, begun, done = cuda.stream(), cuda.event(), cuda.event()
    for name, zero_copy in (("pinned", False), ("mapped", True)):
        buffer = cuda.buffer(8, zero_copy)
        buffer.host[:] = np.arange(1, 9)
        buffer.upload(stream, 6)
        if not zero_copy:
            buffer.host[:] = 0
        buffer.download(stream, 4)
        found[name] = buffer.host.tolist()
        found[f"{name} address is the host's"] = buffer.address == buffer.host.ctypes.data
        buffer.free()
    begun.record(stream)
    done.record(stream)
    stream.wait_for_event(begun)
    stream.synchronize()
    found["time"] = begun.time_till(done)
    launch = cuda.record(stream, lambda: True)
    assert launch is not None
    launch()
    launch()
    found["launches"] = stub.stub_launches()
    found["failing work"] = cuda.record(stream, lambda: False)
    try:
        cuda.buffer(1 << 31, zero_copy=False)
    except CudaError as error:
        found["refused"] = str(error)
    del stream, begun, done, launch
    found["pushed within"], found["left"] = stub.stub_pushed(), stub.stub_live()
cuda.close()
found["pushed after"], found["contexts"] = stub.stub_pushed(), stub.stub_contexts()
print(json.dumps(found))
