"""An exported graph, rewritten to what runtimes have fast kernels for; what it computes stays the same.

ONNX Runtime and TensorRT both look for patterns of nodes. Some that PyTorch's exporter writes are none of theirs.
"""

# mypy: disable-error-code="override"
# A rule's methods take what its pattern names, which the base class cannot say.

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass, RemoveUnusedNodesPass, TopologicalSortPass
from onnxscript.rewriter import RewriteRuleClassBase, rewrite

from training.lists_of_tokens import sizes, stay_on_lists

FLOAT = ir.DataType.FLOAT


def in_fast_form(model: ir.Model) -> ir.Model:
    """`model`, changed in place as the rules below say."""
    _batch_of_floats(model)
    return by_rules(model)


def by_rules(model: ir.Model) -> ir.Model:
    """What of it does not depend on the graph being one of images."""
    _resize_by_factors(model)
    rules = [rule.rule() for rule in RULES]  # type: ignore[no-untyped-call]
    rewritten: ir.Model = rewrite(model, pattern_rewrite_rules=rules)
    RemoveUnusedNodesPass()(rewritten)
    lift = LiftConstantsToInitializersPass(size_limit=0)
    lift(rewritten)
    stay_on_lists(rewritten)
    lift(rewritten)
    return rewritten


class Gelu(RewriteRuleClassBase):
    """x · (½ · (1 + erf(x/√2))) to (x · (1 + erf(x/√2))) · ½, which ONNX Runtime takes for the GELU that it is."""

    def pattern(self, op: Any, x: Any, root: Any, one: Any, half: Any) -> Any:
        return op.Mul(x, op.Mul(half, op.Add(op.Erf(op.Div(x, root)), one)))

    def check(self, context: Any, half: ir.Value, **_: Any) -> bool:
        return _is_scalar(half)

    def rewrite(self, op: Any, x: ir.Value, root: ir.Value, one: ir.Value, half: ir.Value) -> Any:
        return op.Mul(op.Mul(x, op.Add(op.Erf(op.Div(x, root)), one)), half)


class ScaleQueryFirst(RewriteRuleClassBase):
    """(q kᵀ) / s to (q / s) kᵀ: NVIDIA's fused attention wants the scale before the first product.

    s is a number, or a constant a head, (heads, 1, 1).
    """

    def pattern(self, op: Any, query: Any, key: Any, scale: Any) -> Any:
        return op.Div(op.MatMul(query, key), scale)

    def check(self, context: Any, query: ir.Value, key: ir.Value, scale: ir.Value) -> bool:
        value = scale.const_value
        shape = None if value is None else value.numpy().shape
        constants = (query.const_value, key.const_value)
        return shape is not None and shape[-2:] in ((), (1,), (1, 1)) and constants == (None, None)

    def rewrite(self, op: Any, query: ir.Value, key: ir.Value, scale: ir.Value) -> Any:
        return op.MatMul(op.Div(query, scale), key)


class MultiplyQueryFirst(ScaleQueryFirst):
    """The same where the scale is a factor."""

    def pattern(self, op: Any, query: Any, key: Any, scale: Any) -> Any:
        return op.Mul(op.MatMul(query, key), scale)

    def rewrite(self, op: Any, query: ir.Value, key: ir.Value, scale: ir.Value) -> Any:
        return op.MatMul(op.Mul(query, scale), key)


class GridOfSequence(RewriteRuleClassBase):
    """Tokens (B, N, C), turned and then laid on a grid (B, C, H, W), are laid on it first.

    From a grid with its channels last ONNX Runtime's convolutions read directly, and to one they write.
    """

    def pattern(self, op: Any, tokens: Any, shape: Any) -> Any:
        return op.Reshape(op.Transpose(tokens, perm=[0, 2, 1]), shape, _outputs=["grid"])

    def check(self, context: Any, tokens: ir.Value, grid: ir.Value, **_: Any) -> bool:
        size, laid = sizes(tokens), sizes(grid)
        return len(size) == 3 and len(laid) == 4 and size[1:] == (laid[2] * laid[3], laid[1]) and min(laid[1:]) > 0

    def rewrite(self, op: Any, tokens: ir.Value, grid: ir.Value, **_: Any) -> Any:
        channels, height, width = sizes(grid)[1:]
        return op.Transpose(op.Reshape(tokens, _shape(op, -1, height, width, channels)), perm=[0, 3, 1, 2])


class SequenceOfGrid(RewriteRuleClassBase):
    """The way back: a grid (B, C, H, W), flattened and then turned to tokens (B, N, C), is turned first."""

    def pattern(self, op: Any, grid: Any, shape: Any) -> Any:
        return op.Transpose(op.Reshape(grid, shape), perm=[0, 2, 1], _outputs=["tokens"])

    def check(self, context: Any, grid: ir.Value, tokens: ir.Value, **_: Any) -> bool:
        laid, size = sizes(grid), sizes(tokens)
        return len(size) == 3 and len(laid) == 4 and size[1:] == (laid[2] * laid[3], laid[1]) and min(laid[1:]) > 0

    def rewrite(self, op: Any, grid: ir.Value, tokens: ir.Value, **_: Any) -> Any:
        return op.Reshape(op.Transpose(grid, perm=[0, 2, 3, 1]), _shape(op, -1, *sizes(tokens)[1:]))


class IdsBeforeShuffle(RewriteRuleClassBase):
    """The largest of K channels a pixel is found before pixels are shuffled into place: one id moves, not K numbers."""

    def pattern(self, op: Any, channels: Any) -> Any:
        shuffled = op.DepthToSpace(channels, mode="CRD", _allow_other_attributes=True, _outputs=["shuffled"])
        return op.Cast(op.ArgMax(shuffled, axis=1, keepdims=0, _allow_other_attributes=True), to=FLOAT)

    def check(self, context: Any, channels: ir.Value, shuffled: ir.Value) -> bool:
        return len(sizes(channels)) == 4 and min(sizes(channels)[1:]) > 0

    def rewrite(self, op: Any, channels: ir.Value, shuffled: ir.Value) -> Any:
        height, width = sizes(channels)[2:]
        classes, full_height, full_width = sizes(shuffled)[1:]
        factor = full_height // height
        by_class = op.Reshape(channels, _shape(op, -1, classes, factor**2 * height, width))
        ids = op.Cast(op.ArgMax(by_class, axis=1, keepdims=0), to=FLOAT)
        laid = op.Reshape(ids, _shape(op, -1, factor**2, height, width))
        placed = op.DepthToSpace(laid, blocksize=factor, mode="CRD")
        return op.Reshape(placed, _shape(op, -1, full_height, full_width))


class LinearOfTokens(RewriteRuleClassBase):
    """x W + b of tokens in any arrangement, computed of a list of tokens: one operator with its bias, not two."""

    def pattern(self, op: Any, tokens: Any, weight: Any, bias: Any) -> Any:
        return op.Add(op.MatMul(tokens, weight), bias, _outputs=["changed"])

    def check(self, context: Any, tokens: ir.Value, weight: ir.Value, bias: ir.Value, changed: ir.Value) -> bool:
        constant = weight.const_value is not None and bias.const_value is not None
        varying = [size for size in sizes(tokens) if size < 0]
        linear = len(sizes(weight)) == 2 and sizes(bias) == sizes(weight)[1:]
        return constant and linear and len(sizes(tokens)) > 2 and len(varying) < 2 and sizes(tokens)[-1] > 0

    def rewrite(self, op: Any, tokens: ir.Value, weight: ir.Value, bias: ir.Value, **_: Any) -> Any:
        *places, inputs = sizes(tokens)
        listed = op.Gemm(op.Reshape(tokens, _shape(op, -1, inputs)), weight, bias)
        return op.Reshape(listed, _shape(op, *places, sizes(weight)[1]))


RULES = (
    Gelu, ScaleQueryFirst, MultiplyQueryFirst, GridOfSequence, SequenceOfGrid, IdsBeforeShuffle, LinearOfTokens
)


def _resize_by_factors(model: ir.Model) -> None:
    """Resizing by whole factors names them: ONNX Runtime then stays in the layout of its convolutions."""
    for node in model.graph:
        if node.op_type != "Resize" or len(node.inputs) != 4 or node.inputs[0] is None:
            continue
        before, after = sizes(node.inputs[0])[2:], sizes(node.outputs[0])[2:]
        if len(before) == len(after) == 2 and all(b > 0 and a % b == 0 for a, b in zip(after, before, strict=True)):
            factors = np.array([1, 1, *(a // b for a, b in zip(after, before, strict=True))], np.float32)
            name = f"{node.outputs[0].name}.factors"
            factor = ir.Value(name=name, const_value=ir.tensor(factors, name=name), type=ir.TensorType(FLOAT))
            model.graph.register_initializer(factor)
            node.resize_inputs(3)
            node.replace_input_with(2, factor)


def _batch_of_floats(model: ir.Model) -> None:
    """How many images there are is read off the image as floats: uint8 is for the cast alone."""
    (image,) = model.graph.inputs
    (cast,) = (node for node in image.consumers() if node.op_type == "Cast")
    for node in image.consumers():
        if node.op_type == "Shape":
            node.replace_input_with(0, cast.outputs[0])
    TopologicalSortPass()(model)


def _is_scalar(value: ir.Value) -> bool:
    return value.const_value is not None and value.const_value.size == 1


def _shape(op: Any, *sizes: int) -> Any:
    """A constant to reshape by."""
    return op.Constant(value=ir.tensor(np.array(sizes, np.int64)))
