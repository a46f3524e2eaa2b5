"""Models with one known fault each, made of a small real one."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper

from avtar_ros.model_card import CARD_KEY
from tests.tiny_models import tiny_model, write_tiny_model


def _write(path: Path, *extra: onnx.NodeProto, instead_of: str, by: str) -> Path:
    """A tiny model with `extra` nodes before all others, and `by` in place of the tensor `instead_of`."""
    card = write_tiny_model(path)
    model = tiny_model(card)
    nodes = list(model.graph.node)
    for node in nodes:
        node.input[:] = [by if name == instead_of else name for name in node.input]
    del model.graph.node[:]
    at = next(i for i, node in enumerate(nodes) if by in node.input)
    model.graph.node.extend([*nodes[:at], *extra, *nodes[at:]])
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
