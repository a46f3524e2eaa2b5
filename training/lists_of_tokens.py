"""Tokens of an exported graph stay lists (N, C) from one linear layer to the next, which read and write lists.

What is done token by token between them, sums, norms and GELU, is as well done on lists. So the reshapes that lay
tokens out move behind it, where they meet the next ones, and most of them are gone.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass, ShapeInferencePass

BY_TOKEN = ("Add", "Div", "Erf", "LayerNormalization", "Mul")


def stay_on_lists(model: ir.Model) -> None:
    """Change `model` in place. Its nodes are in order."""
    ShapeInferencePass()(model)
    lists: dict[ir.Value, ir.Value] = {}
    for node in model.graph:
        if node.op_type == "Reshape":
            _reshape_once(node)
        elif node.op_type in BY_TOKEN and (layout := _layout_of(node)) is not None:
            _compute_on_lists(model.graph, node, layout, lists)
    RemoveUnusedNodesPass()(model)


def _reshape_once(node: ir.Node) -> None:
    """A reshape of a reshape is one; one of a list to a list is none."""
    (result,) = node.outputs
    source = _read(node)
    if (before := _reshape(source)) is not None and _layout(result) is not None:
        source = _read(before)
        node.replace_input_with(0, source)
    lists = len(sizes(source)) == len(sizes(result)) == 2
    if lists and sizes(source)[1] == sizes(result)[1] and not result.is_graph_output():
        result.replace_all_uses_with(source)


def _layout_of(node: ir.Node) -> ir.Value | None:
    """The shape that a reshape gave to the tokens which `node` reads, where it can be given to the outcome as well."""
    (result,) = node.outputs
    varying, constant = _inputs(node)
    layouts = [_layout(value) for value in varying if sizes(_source(value))[-1:] == sizes(result)[-1:]]
    alike = all(value.shape == result.shape for value in varying)
    by_channel = all(sizes(value) in ((), (1,), sizes(result)[-1:]) for value in constant)
    if not alike or not by_channel or len(sizes(result)) < 3 or sizes(result)[-1] < 0 or result.is_graph_output():
        return None
    return next((layout for layout in layouts if layout is not None), None)


def _compute_on_lists(graph: ir.Graph, node: ir.Node, layout: ir.Value, lists: dict[ir.Value, ir.Value]) -> None:
    """Let `node` read lists, and lay out the list that it then gives."""
    (result,) = node.outputs
    channels = sizes(result)[-1]
    for value in dict.fromkeys(_inputs(node)[0]):
        listed = _source(value) if sizes(_source(value))[-1:] == (channels,) else value
        if len(sizes(listed)) != 2:
            if listed not in lists:
                shape = ir.node("Constant", [], {"value": ir.tensor(np.array([-1, channels]))})
                reshape = _reshape_by(node, listed, shape.outputs[0])
                graph.insert_before(node, [shape, reshape])
                lists[listed] = _like(reshape.outputs[0], result, ir.Shape((None, channels)))
            listed = lists[listed]
        for place, read in enumerate(node.inputs):
            if read is value:
                node.replace_input_with(place, listed)
    laid_out = _reshape_by(node, result, layout)
    result.replace_all_uses_with(_like(laid_out.outputs[0], result, result.shape))
    laid_out.replace_input_with(0, result)
    result.shape = ir.Shape((None, channels))
    graph.insert_after(node, laid_out)


def _reshape_by(node: ir.Node, value: ir.Value, shape: ir.Value) -> ir.Node:
    """A reshape of the module that `node` is from: stages are made of the exporter's notes."""
    return ir.node("Reshape", [value, shape], metadata_props=dict(node.metadata_props))


def _like(value: ir.Value, other: ir.Value, shape: ir.Shape | None) -> ir.Value:
    value.type, value.shape = other.type, shape
    return value


def _inputs(node: ir.Node) -> tuple[list[ir.Value], list[ir.Value]]:
    """Those that vary, and constants."""
    there = [value for value in node.inputs if value is not None]
    return [v for v in there if v.const_value is None], [v for v in there if v.const_value is not None]


def _reshape(value: ir.Value) -> ir.Node | None:
    node = value.producer()
    return node if node is not None and node.op_type == "Reshape" else None


def _read(reshape: ir.Node) -> ir.Value:
    source = reshape.inputs[0]
    assert source is not None
    return source


def _source(value: ir.Value) -> ir.Value:
    """What a reshape made it of; itself where none did."""
    reshape = _reshape(value)
    return value if reshape is None else _read(reshape)


def _layout(value: ir.Value) -> ir.Value | None:
    """The constant that a reshape laid it out by, if it says every size without looking at what it lays out."""
    reshape = _reshape(value)
    shape = None if reshape is None else reshape.inputs[1]
    if shape is None or shape.const_value is None or 0 in shape.const_value.numpy():
        return None
    return shape


def sizes(value: ir.Value) -> tuple[int, ...]:
    """A tensor's shape, -1 where it may vary; () where it is not known."""
    return () if value.shape is None else tuple(size if isinstance(size, int) else -1 for size in value.shape)
