"""An ONNX model as the builder takes it: read whole, and held against the contract before TensorRT sees it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto
from onnx.external_data_helper import uses_external_data

from avtar_ros.engines.digest import check_digest
from avtar_ros.engines.sidecar import TensorInfo, interface
from avtar_ros.model_card import ModelCard, read_onnx_card
from engine_build.errors import BuildError

OLDEST_OPSET = 18
EXPORT_AGAIN = "Export the model again: avtar-train export"


@dataclass(frozen=True)
class OnnxModel:
    """`sha256` is the file's, and goes on over its external data where it has any."""

    path: Path
    card: ModelCard
    sha256: str
    precision: str
    graph: onnx.ModelProto


def read_model(path: Path) -> OnnxModel:
    """The model at `path` with all its data; raises BuildError or CardError if it cannot become an engine."""
    card = read_onnx_card(path)
    check_digest(path)
    graph = onnx.load(str(path), format="protobuf", load_external_data=False)
    files = [path, *(path.parent / name for name in _external_files(graph))]
    for file in files[1:]:
        if not file.is_file():
            raise BuildError(
                f"{path}: its weights lie in {file.name}, which is missing. Copy that file beside the model too."
            )
    sha256 = hashlib.sha256()
    for file in files:
        sha256.update(file.read_bytes())
    try:
        onnx.load_external_data_for_model(graph, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise BuildError(f"{path}: its external weights cannot be read ({error}). Copy the files again.") from error
    _check_opset(path, graph)
    _check_contract(path, graph, card)
    return OnnxModel(path, card, sha256.hexdigest(), _precision(graph), graph)


def _external_files(graph: onnx.ModelProto) -> list[str]:
    tensors = [tensor for tensor in graph.graph.initializer if uses_external_data(tensor)]
    return sorted({entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"})


def _check_opset(path: Path, graph: onnx.ModelProto) -> None:
    opsets = {opset.domain: opset.version for opset in graph.opset_import}
    if (found := opsets.get("", 0)) < OLDEST_OPSET:
        raise BuildError(f"{path}: opset {found} found, {OLDEST_OPSET} or later wanted. {EXPORT_AGAIN}")


def _check_contract(path: Path, graph: onnx.ModelProto, card: ModelCard) -> None:
    found = {value.name: _info(value) for value in (*graph.graph.input, *graph.graph.output)}
    if found != interface(card):
        raise BuildError(
            f"{path}: the graph's inputs and outputs are not those that its card promises: "
            f"{_differences(found, card)}. Only the batch may vary. {EXPORT_AGAIN}"
        )


def _differences(found: dict[str, TensorInfo], card: ModelCard) -> str:
    promised = interface(card)
    names = [name for name in found | promised if found.get(name) != promised.get(name)]
    return "; ".join(f"{name} is {found.get(name, 'missing')}, not {promised.get(name, 'known')}" for name in names)


def _info(value: onnx.ValueInfoProto) -> TensorInfo:
    tensor = value.type.tensor_type
    dims = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    except KeyError:
        dtype = "untyped"
    return TensorInfo(dtype, dims)


def _precision(graph: onnx.ModelProto) -> str:
    """That of most of the weights."""
    halves, singles = (
        sum(int(np.prod(tensor.dims)) for tensor in graph.graph.initializer if tensor.data_type == kind)
        for kind in (TensorProto.FLOAT16, TensorProto.FLOAT)
    )
    return "fp16" if halves > singles else "fp32"
