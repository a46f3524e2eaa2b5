"""What one batch on its way through a GPU needs: buffers, an execution context, a stream, and what it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines.cuda import Buffer, Cuda
from avtar_ros.engines.engine import INPUT
from avtar_ros.engines.sidecar import Sidecar, interface


@dataclass(frozen=True)
class StageTimes:
    """Milliseconds that one batch took, in trtexec's terms: measured on the GPU, and `enqueue` on the CPU."""

    h2d: float
    compute: float
    d2h: float
    enqueue: float

    @property
    def latency(self) -> float:
        return self.h2d + self.compute + self.d2h


class BatchSlot:
    """One batch under way: a buffer a tensor, and the execution context for these, the stream that it runs in, and the
    moments between its stages. `serial` counts the batches."""

    def __init__(self, cuda: Cuda, context: Any, sidecar: Sidecar, zero_copy: bool) -> None:
        self._cuda = cuda
        self._context = context
        self._tensors = interface(sidecar.card)
        self._size = 0
        self._bound = 0
        self._graphs = True
        self._launched = False
        self._graph: Callable[[], None] | None = None
        self.serial = 0
        self.enqueue = 0.0
        self.stream = cuda.stream()
        self.begun, self.uploaded, self.computed, self.downloaded = (cuda.event() for _ in range(4))
        self.buffers: dict[str, Buffer] = {}
        for name, tensor in self._tensors.items():
            self.buffers[name] = cuda.buffer(tensor.size(sidecar.options.batch), zero_copy)

    def view(self, name: str) -> NDArray[Any]:
        """The tensor of the batch now in the slot, on the CPU's side."""
        tensor = self._tensors[name]
        flat = self.buffers[name].host[: tensor.size(self._size)]
        return flat.view(tensor.dtype).reshape(self._size, *tensor.shape[1:])

    def fill(self, images: NDArray[np.uint8]) -> None:
        """Put the images in place and start bringing them to the GPU."""
        self._size = len(images)
        self.serial += 1
        np.copyto(self.view(INPUT), images)
        self.begun.record(self.stream)
        self.buffers[INPUT].upload(self.stream, self._tensors[INPUT].size(self._size))
        self.uploaded.record(self.stream)

    def execute(self) -> bool:
        """Start computing; whether TensorRT does."""
        begun = time.perf_counter()
        done = self._bind() and (self._replay() or self._launch())
        self.enqueue = 1e3 * (time.perf_counter() - begun)
        return done

    def _launch(self) -> bool:
        self._launched = bool(self._context.execute_async_v3(self.stream.handle))
        return self._launched

    def _replay(self) -> bool:
        """Launch all of TensorRT's kernels as one graph, where CUDA's binding has them; whether it did.

        What is recorded must have been launched before: TensorRT sets its context up when it is.
        """
        if self._graph is None and self._graphs and self._launched:
            self._graph = self._cuda.record(self.stream, self._launch)
            self._graphs = self._graph is not None
        if self._graph is None:
            return False
        self._graph()
        return True

    def _bind(self) -> bool:
        """Tell the context how many images there are, and at first where; whether TensorRT takes that."""
        if self._bound == self._size:
            return True
        self._launched, self._graph = False, None
        if not self._context.set_input_shape(INPUT, self.view(INPUT).shape):
            return False
        if not self._bound:
            for name, buffer in self.buffers.items():
                if not self._context.set_tensor_address(name, buffer.address):
                    return False
        self._bound = self._size
        return True

    def fetch(self) -> None:
        """Start bringing the maps back."""
        self.computed.record(self.stream)
        for name, buffer in self.buffers.items():
            if name != INPUT:
                buffer.download(self.stream, self._tensors[name].size(self._size))
        self.downloaded.record(self.stream)

    def times(self) -> StageTimes:
        return StageTimes(
            self.begun.time_till(self.uploaded),
            self.uploaded.time_till(self.computed),
            self.computed.time_till(self.downloaded),
            self.enqueue,
        )

    def profile(self, profiler: Any) -> None:
        """Report the time of each layer, which a graph would not."""
        self._graphs, self._graph = False, None
        self._context.profiler = profiler

    def let_go(self) -> None:
        """Of what belongs to the engine."""
        self._graph = self._context = None

    def free(self) -> None:
        while self.buffers:
            self.buffers.popitem()[1].free()
        del self.begun, self.uploaded, self.computed, self.downloaded, self.stream
