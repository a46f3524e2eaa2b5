"""Models with one known fault each, made of a small real one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from avtar_ros.model_card import CARD_KEY
from engine_build.stages import SCOPES_KEY
from tests.tiny_models import tiny_model, write_tiny_model


def _write(
    path: Path, *extra: onnx.NodeProto, instead_of: str, by: str, constants: Sequence[onnx.TensorProto] = ()
) -> Path:
    """A tiny model with `extra` nodes, and `by`, which they give, in place of the tensor `instead_of`."""
    card = write_tiny_model(path)
    model = tiny_model(card)
    nodes = list(model.graph.node)
    for node in nodes:
        node.input[:] = [by if name == instead_of else name for name in node.input]
    del model.graph.node[:]
    at = next(i for i, node in enumerate(nodes) if by in node.input)
    model.graph.node.extend([*nodes[:at], *extra, *nodes[at:]])
    model.graph.initializer.extend(constants)
    model.metadata_props.add(key=CARD_KEY, value=card.to_json())
    onnx.save(model, str(path))
    return path


def uint8_into_transpose(path: Path) -> Path:
    flip = helper.make_node("Transpose", ["image"], ["turned"], "turn_too_early", perm=[0, 2, 1, 3])
    back = helper.make_node("Transpose", ["turned"], ["again"], "turn_back", perm=[0, 2, 1, 3])
    return _write(path, flip, back, instead_of="image", by="again")


def unsupported_operator(path: Path) -> Path:
    odd = helper.make_node("Det", ["color"], ["determinant"], "no_such_thing_there")
    grown = helper.make_node("Mul", ["color", "determinant"], ["odd"], "use_it")
    return _write(path, odd, grown, instead_of="color", by="odd")


def dynamic_width(path: Path) -> Path:
    model = tiny_model(card := write_tiny_model(path))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "width"
    model.metadata_props.add(key=CARD_KEY, value=card.to_json())
    onnx.save(model, str(path))
    return path


OVERFLOWING = "model.layers.1"


def half_precision(path: Path, overflowing: bool) -> Path:
    """A tiny model of which a part computes in float16, in three stages; one of them may leave float16's range.

    grey -> 4 grey -> sqrt((4 grey)^2) -> grey, where the square is taken of 4000 times as much if it overflows.
    """
    factor = np.float16(4000 if overflowing else 1)
    ones = np.ones((48, 64), np.float16)  # most of the weights, so that the model counts as one of float16
    steps = [
        ("", "Cast", ["grey"], "grey16", {"to": TensorProto.FLOAT16}),
        ("model.layers.0", "Mul", ["grey16", "four"], "more", {}),
        (OVERFLOWING, "Mul", ["more", "factor"], "much", {}),
        (OVERFLOWING, "Mul", ["much", "much"], "square", {}),
        (OVERFLOWING, "Sqrt", ["square"], "root", {}),
        (OVERFLOWING, "Div", ["root", "factor"], "again", {}),
        ("model.layers.2", "Div", ["again", "four"], "less", {}),
        ("model.layers.2", "Mul", ["less", "ones"], "same", {}),
        ("", "Cast", ["same"], "grey_again", {"to": TensorProto.FLOAT}),
    ]
    nodes = [helper.make_node(kind, inputs, [output], output, **more) for _, kind, inputs, output, more in steps]
    for node, (stage, *_) in zip(nodes, steps, strict=True):
        node.metadata_props.add(key=SCOPES_KEY, value=repr(["", stage, node.name]))
    values = {"four": np.float16(4), "factor": factor, "ones": ones}
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    return _write(path, *nodes, instead_of="grey", by="grey_again", constants=constants)
