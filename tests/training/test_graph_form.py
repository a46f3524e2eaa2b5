"""Rules that rewrite an exported graph: each finds its pattern, leaves others alone, and changes no value."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import numpy_helper

from training.graph_form import by_rules, in_fast_form

CONSTANTS = {
    "root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5), "size": np.float32(4),
    "heads": np.array([2, 3], np.float32).reshape(2, 1, 1), "lone": np.ones(5, np.float32),
    "weight": np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32), "bias": np.arange(4, dtype=np.float32),
    "grid": np.array([-1, 6, 3, 5], np.int64), "other": np.array([-1, 3, 6, 5], np.int64),
    "list": np.array([-1, 6, 15], np.int64), "double": np.array([2, 6, 6, 10], np.int64),
    "square": np.random.default_rng(2).normal(size=(4, 4)).astype(np.float32), "places": np.ones((15, 4), np.float32),
    "tokens": np.array([-1, 15, 4], np.int64), "rows": np.array([-1, 4], np.int64),
    "pairs": np.array([2, 30, 2], np.int64), "copied": np.array([0, 15, 4], np.int64),
    "more": np.array([2, 6, 7, 10], np.int64),
}


def graph(inputs: str, body: str, dimensions: str) -> onnx.ModelProto:
    head = '<ir_version: 9, opset_import: ["" : 18]>'
    model = onnx.parser.parse_model(f"{head} g ({inputs}) => (float[{dimensions}] out) {{{body}}}")
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in CONSTANTS.items() if k in used)
    onnx.checker.check_model(model)
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def rewritten(model: onnx.ModelProto) -> onnx.ModelProto:
    changed: onnx.ModelProto = ir.to_proto(by_rules(ir.from_proto(model)))
    onnx.checker.check_model(changed)
    return changed


def outputs(model: onnx.ModelProto) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    sizes = {each.name: [n if isinstance(n, int) else 2 for n in each.shape] for each in session.get_inputs()}
    feed = {name: random.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    (result,) = session.run(None, feed)
    return np.asarray(result)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node if node.op_type != "Constant"]


GELU = "a = Div(x, root) b = Erf(a) c = Add(b, one) d = Mul(half, c) out = Mul(x, d)"
QK = "a = MatMul(q, k) b = Div(a, {}) out = Softmax<axis=-1>(b)"
TURNED = "a = Transpose<perm=[0, 2, 1]>(x) out = Reshape(a, {})"
FLAT = "a = Reshape(x, list) out = Transpose<perm=[0, 2, 1]>(a)"
IDS = "a = DepthToSpace<blocksize=2, mode=\"{}\">(x) b = ArgMax<axis=1, keepdims=0>(a) out = Cast<to=1>(b)"
LINEAR = "a = MatMul(x, weight) out = Add(a, bias)"
RESIZE = 'out = Resize<mode="linear", coordinate_transformation_mode="half_pixel">(x, , , {})'
CHANGED = {
    "gelu": ("float[B, 7] x", GELU, "P, Q", ["Div", "Erf", "Add", "Mul", "Mul"]),
    "attention": ("float[B, 2, 5, 4] q, float[B, 2, 4, 5] k", QK.format("size"), "P, Q, R, S",
                  ["Div", "MatMul", "Softmax"]),
    "a scale a head": ("float[B, 2, 5, 4] q, float[B, 2, 4, 5] k", QK.format("heads"), "P, Q, R, S",
                       ["Div", "MatMul", "Softmax"]),
    "a factor": ("float[B, 2, 5, 4] q, float[B, 2, 4, 5] k", QK.replace("Div", "Mul").format("heads"), "P, Q, R, S",
                 ["Mul", "MatMul", "Softmax"]),
    "onto a grid": ("float[B, 15, 6] x", TURNED.format("grid"), "P, Q, R, S", ["Reshape", "Transpose"]),
    "off a grid": ("float[B, 6, 3, 5] x", FLAT, "P, Q, R", ["Transpose", "Reshape"]),
    "ids": ("float[B, 12, 3, 5] x", IDS.format("CRD"), "P, Q, R",
            ["Reshape", "ArgMax", "Cast", "Reshape", "DepthToSpace", "Reshape"]),
    "linear": ("float[4, B, 5, 6] x", LINEAR, "P, Q, R, S", ["Reshape", "Gemm", "Reshape"]),
    "resize": ("float[2, 6, 3, 5] x", RESIZE.format("double"), "P, Q, R, S", ["Resize"]),
}
"""Inputs, nodes, the output's dimensions, and the operators that are to come of it."""
ALONE = {
    "a scale a key": ("float[B, 2, 5, 4] q, float[B, 2, 4, 5] k", QK.format("lone"), "P, Q, R, S"),
    "another grid": ("float[B, 15, 6] x", TURNED.format("other"), "P, Q, R, S"),
    "another shuffle": ("float[B, 12, 3, 5] x", IDS.format("DCR"), "P, Q, R"),
    "a matrix": ("float[B, 6] x", LINEAR, "P, Q"),
    "two that vary": ("float[A, B, 6] x", LINEAR, "P, Q, R"),
    "no whole factor": ("float[2, 6, 3, 5] x", RESIZE.format("more"), "P, Q, R, S"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_pattern_is_rewritten_and_gives_the_same(name: str) -> None:
    *parts, expected = CHANGED[name]
    model = graph(*parts)
    changed = rewritten(model)
    assert kinds(changed) == expected
    assert changed.graph.node != model.graph.node
    np.testing.assert_allclose(outputs(changed), outputs(model), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ALONE)
def test_what_is_no_such_pattern_is_left_alone(name: str) -> None:
    model = graph(*ALONE[name])
    changed = rewritten(model)
    assert Counter(kinds(changed)) == Counter(kinds(model))
    np.testing.assert_array_equal(outputs(changed), outputs(model))


def test_resizing_by_whole_factors_names_them() -> None:
    (node,) = rewritten(graph(*CHANGED["resize"][:3])).graph.node
    assert [bool(name) for name in node.input] == [True, False, True]


def test_a_product_that_others_read_keeps_its_value() -> None:
    body = "a = MatMul(q, k) b = Div(a, size) out = Add(a, b)"
    model = graph("float[B, 2, 5, 4] q, float[B, 2, 4, 5] k", body, "P, Q, R, S")
    assert kinds(rewritten(model)) == ["MatMul", "Div", "Add"]


def test_the_batch_is_read_off_floats() -> None:
    body = "size = Shape<start=0, end=1>(image) all = Cast<to=1>(image) out = Expand(all, size)"
    head = '<ir_version: 9, opset_import: ["" : 18]>'
    model = onnx.parser.parse_model(f"{head} g (uint8[B] image) => (float[P] out) {{{body}}}")
    changed: onnx.ModelProto = ir.to_proto(in_fast_form(ir.from_proto(model)))
    onnx.checker.check_model(changed)
    assert [(node.op_type, node.input[0]) for node in changed.graph.node] == [
        ("Cast", "image"), ("Shape", "all"), ("Expand", "all"),
    ]
