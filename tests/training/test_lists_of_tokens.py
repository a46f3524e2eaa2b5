"""Reshapes of tokens move behind what is done token by token, and go where they meet; no value changes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.test_graph_form import graph, kinds, outputs, rewritten

GELU = "a = Div(l, root) b = Erf(a) c = Add(b, one) d = Mul(l, c) g = Mul(d, half)"
NORM = "LayerNormalization<axis=-1>"
ON_TOKENS = "g = Transpose<perm=[0, 2, 3, 1]>(x) t = Reshape(g, tokens)"
OUT_OF_BLOCK = f"e = {NORM}(s, bias) o = MatMul(e, square) out = Add(o, bias)"
CHANGED = {
    "linear layers around GELU": (
        "float[B, 5, 6] x",
        f"m = MatMul(x, weight) l = Add(m, bias) {GELU} n = MatMul(g, square) out = Add(n, bias)",
        "P, Q, R",
        ["Reshape", "Gemm", "Div", "Erf", "Add", "Mul", "Mul", "Gemm", "Reshape"],
    ),
    "a residual block": (
        "float[2, 4, 3, 5] x",
        f"{ON_TOKENS} n = {NORM}(t, bias) m = MatMul(n, square) l = Add(m, bias) s = Add(t, l) {OUT_OF_BLOCK}",
        "P, Q, R",
        ["Transpose", "Reshape", "LayerNormalization", "Gemm", "Add", "LayerNormalization", "Gemm", "Reshape"],
    ),
    "a reshape of a reshape": ("float[30, 4] x", "t = Reshape(x, tokens) out = Reshape(t, pairs)", "P, Q, R",
                               ["Reshape"]),
    "a list to a list": ("float[B, 4] x", "t = Reshape(x, rows) out = Erf(t)", "P, Q", ["Erf"]),
}
ALONE = {
    "others laid out otherwise": ("float[30, 4] x, float[4, 1, 15, 4] y", "t = Reshape(x, tokens) out = Add(t, y)",
                                  "P, Q, R, S", ["Reshape", "Add"]),
    "a constant for every place": ("float[30, 4] x", "t = Reshape(x, tokens) m = Mul(t, places) out = Erf(m)",
                                   "P, Q, R", ["Reshape", "Mul", "Erf"]),
    "tokens of other channels": ("float[20, 6] x", "t = Reshape(x, tokens) s = Erf(t) out = Softmax<axis=1>(s)",
                                 "P, Q, R", ["Reshape", "Erf", "Softmax"]),
    "a size copied from before": ("float[2, 60] x", "t = Reshape(x, pairs) out = Reshape(t, copied)", "P, Q, R",
                                  ["Reshape", "Reshape"]),
}


@pytest.mark.parametrize("name", [*CHANGED, *ALONE])
def test_tokens_stay_lists_and_give_the_same(name: str) -> None:
    inputs, body, dimensions, expected = (CHANGED | ALONE)[name]
    model = graph(inputs, body, dimensions)
    changed = rewritten(model)
    assert kinds(changed) == expected
    np.testing.assert_allclose(outputs(changed), outputs(model), rtol=0, atol=2e-6)


def test_a_layout_that_others_read_stays_for_them() -> None:
    body = "t = Reshape(x, tokens) e = Erf(t) s = Softmax<axis=1>(t) out = Add(e, s)"
    model = graph("float[30, 4] x", body, "P, Q, R")
    changed = rewritten(model)
    assert kinds(changed).count("Erf") == 1
    np.testing.assert_allclose(outputs(changed), outputs(model), rtol=0, atol=2e-6)


def test_a_reshape_is_of_the_module_of_what_it_lays_out() -> None:
    model = graph("float[30, 4] x", "t = Reshape(x, tokens) e = Erf(t) out = Softmax<axis=1>(e)", "P, Q, R")
    (erf,) = (node for node in model.graph.node if node.op_type == "Erf")
    erf.metadata_props.add(key="module", value="of tokens")
    (moved,) = (node for node in rewritten(model).graph.node if node.op_type == "Reshape")
    assert [(note.key, note.value) for note in moved.metadata_props] == [("module", "of tokens")]
