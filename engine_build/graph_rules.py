"""What the oldest TensorRT here wants of a graph and later ones do not insist on.

TensorRT 10.3 converts to and from uint8 with float and half alone (its headers, `ICastLayer`), and takes uint8 inputs
into nothing but a cast (NVIDIA/TensorRT, issue 3985); 11.4 builds more. So what compiles on a workstation may be
refused on a Jetson; this says so before.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnx import TensorProto

from avtar_ros.engines.engine import INPUT
from engine_build.errors import BuildError

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def broken_rules(model: onnx.ModelProto) -> list[str]:
    """A sentence for every node that TensorRT 10.3 may refuse, or compute less exactly than it could."""
    types = element_types(model)
    nodes = model.graph.node
    return [f"node {node.name!r} ({node.op_type}) {fault}" for node in nodes for fault in _faults(node, types)]


def _faults(node: onnx.NodeProto, types: dict[str, int]) -> Iterable[str]:
    uint8_in = any(types.get(name) == TensorProto.UINT8 for name in node.input)
    uint8_out = any(types.get(name) == TensorProto.UINT8 for name in node.output)
    if node.op_type == "Shape" and INPUT in node.input:
        yield "reads the shape of the uint8 image."
    elif node.op_type != "Cast" and (uint8_in or uint8_out):
        yield "works on uint8, which only a Cast may."
    elif uint8_out and types.get(node.input[0]) not in FLOATS:
        yield "makes uint8 of another type than float."
    elif uint8_in and types.get(node.output[0]) not in FLOATS:
        yield "makes another type than float of uint8."
    elif node.op_type == "ReduceMean" and any(types.get(name) == TensorProto.FLOAT16 for name in node.input):
        yield "averages in half precision; a LayerNormalization in one operator does so in float32."


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every tensor of the graph; raises BuildError if they do not fit together."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except onnx.shape_inference.InferenceError as error:
        raise BuildError(f"the types in this graph do not fit together ({error}). Export the model again.") from error
    values = (*graph.value_info, *graph.input, *graph.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    return types | {tensor.name: tensor.data_type for tensor in graph.initializer}
