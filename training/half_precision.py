"""What half precision costs: a model's maps in float16 against those in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from avtar_ros.agreement import Agreement, MapComparison, describe
from avtar_ros.tasks import Maps
from training.errors import TrainingError
from training.evaluate import Infer, torch_infer
from training.models.inference import InferenceModel

_aten = torch.ops.aten
PRODUCTS = {_aten.linear.default, _aten.matmul.default, _aten.conv2d.default}


class TensorCores(TorchDispatchMode):
    """Products of half tensors are summed in float32 and then rounded, as on a GPU. For inference mode.

    On a CPU this is many times faster than PyTorch's own; everything else is computed in float16 as it is.
    """

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in PRODUCTS and args[0].dtype == torch.float16:
            singles = [arg.float() if isinstance(arg, Tensor) else arg for arg in args]
            return func(*singles, **(kwargs or {})).half()
        return func(*args, **(kwargs or {}))


class Rounding:
    """How far half precision moves the maps of all images that it infers.

    Both the exported graph and the half-precision network are compared with the float32 network. The graph alone would
    tell too little: on a CPU, ONNX Runtime computes a half-precision graph in float32.
    """

    def __init__(self, graph: Infer, half: InferenceModel, single: InferenceModel) -> None:
        self._graph, self._half, self._single = graph, torch_infer(half), torch_infer(single)
        self._of_graph, self._of_network = (MapComparison(single.card.tasks) for _ in range(2))

    def infer(self, images: NDArray[np.uint8]) -> Maps:
        """The graph's maps."""
        maps, expected = self._graph(images), self._single(images)
        self._of_graph.add(expected, maps)
        with TensorCores():  # type: ignore[no-untyped-call]
            self._of_network.add(expected, self._half(images))
        return maps

    def agreements(self) -> dict[str, Agreement]:
        """Of the network; raises TrainingError if that, or the graph, is beyond a limit."""
        for comparison in (self._of_graph, self._of_network):
            agreements = comparison.agreements("fp16")
            if not all(agreement.holds for agreement in agreements.values()):
                raise TrainingError(
                    f"in half precision the model gives other maps:\n{describe(agreements)}\nNothing was written. "
                    "Export it with --precision fp32; TensorRT can run that, too."
                )
        return agreements
