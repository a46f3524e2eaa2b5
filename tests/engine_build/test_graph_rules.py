"""What is exported keeps to what TensorRT 10.3 documents, and has its attention as NVIDIA's fused kernels want it."""

from __future__ import annotations

import logging
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from engine_build.graph_rules import broken_rules
from tests.engine_build import faulty_models
from tests.engine_build.conftest import Command, Exported
from tests.engine_build.standing_in import StandIn
from tests.tiny_models import write_tiny_model
from training.models.backbone import FAMILIES


def edited(path: Path, *nodes: onnx.NodeProto, replaced: tuple[str, str] = ("", "")) -> onnx.ModelProto:
    """A tiny model with more nodes at its end, where the output `replaced[0]` is made under the name `replaced[1]`."""
    write_tiny_model(path)
    model = onnx.load(path)
    for node in model.graph.node:
        node.output[:] = [replaced[1] if name == replaced[0] else name for name in node.output]
    model.graph.node.extend(nodes)
    return model


def test_a_graph_within_the_rules_breaks_none(tmp_path: Path) -> None:
    assert broken_rules(edited(tmp_path / "model.onnx")) == []


@pytest.mark.parametrize(
    ("nodes", "replaced", "said"),
    [
        ([helper.make_node("Shape", ["image"], ["size"], "look")], ("", ""), "'look' (Shape) reads the shape"),
        (
            [helper.make_node("Cast", ["image"], ["whole"], "widen", to=TensorProto.INT32)],
            ("", ""),
            "'widen' (Cast) makes another type than float of uint8",
        ),
        (
            [
                helper.make_node("Cast", ["ids8"], ["halves"], "up", to=TensorProto.FLOAT),
                helper.make_node("Cast", ["halves"], ["ids64"], "wide", to=TensorProto.INT64),
                helper.make_node("Cast", ["ids64"], ["segmentation"], "narrow", to=TensorProto.UINT8),
            ],
            ("segmentation", "ids8"),
            "'narrow' (Cast) makes uint8 of another type than float",
        ),
    ],
    ids=["shape of the image", "uint8 to int", "int64 to uint8"],
)
def test_each_broken_rule_names_its_node(
    tmp_path: Path, nodes: list[onnx.NodeProto], replaced: tuple[str, str], said: str
) -> None:
    (rule,) = broken_rules(edited(tmp_path / "model.onnx", *nodes, replaced=replaced))
    assert said in rule


def test_uint8_is_for_casts_alone(tmp_path: Path) -> None:
    path = faulty_models.uint8_into_transpose(tmp_path / "model.onnx")
    assert len([rule for rule in broken_rules(onnx.load(path)) if "which only a Cast may" in rule]) == 2


def test_a_build_says_which_rules_its_model_breaks(
    orin: StandIn, command: Command, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = edited(tmp_path / "model.onnx", helper.make_node("Shape", ["image"], ["size"], "look"))
    onnx.save(model, tmp_path / "model.onnx")
    with caplog.at_level(logging.WARNING, "engine_build.build"):
        assert command("build", tmp_path / "model.onnx").code == 0
    assert "'look' (Shape) reads the shape of the uint8 image. TensorRT 10.3 may refuse that" in caplog.text


def fused_attentions(model: onnx.ModelProto) -> tuple[int, int]:
    """How many of the backbone's softmaxes are of attention in the form that NVIDIA fuses, and how many there are.

    Four dimensions; one of the two factors is scaled before their product, not the product; at most one sum of a bias.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in graph.value_info}
    makers = {name: node for node in graph.node for name in node.output}
    readers = {name: [other for other in graph.node if name in other.input] for name in makers}
    softmaxes = [
        node
        for node in graph.node
        if node.op_type == "Softmax" and not any("adapters" in entry.value for entry in node.metadata_props)
    ]

    def scaled(name: str) -> bool:
        node = makers.get(name)
        while node is not None and node.op_type in ("Transpose", "Reshape"):
            node = makers.get(node.input[0])
        return node is not None and node.op_type in ("Mul", "Div")

    def fused(softmax: onnx.NodeProto) -> bool:
        product = makers[softmax.input[0]]
        if product.op_type == "Add":
            product = next((makers[name] for name in product.input if name in makers), product)
        (second,) = readers[softmax.output[0]]
        return (
            product.op_type == second.op_type == "MatMul"
            and ranks.get(product.output[0]) == 4
            and any(map(scaled, product.input))
        )

    return sum(map(fused, softmaxes)), len(softmaxes)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_export_keeps_the_rules_and_has_its_backbones_attention_in_the_form_that_is_fused(
    exported: Exported, family: str
) -> None:
    """Not the adapters': in four dimensions NVIDIA's builder does not come to an end with shifted windows."""
    model = onnx.load(exported(family, "fp32"))
    assert broken_rules(model) == []
    fused, softmaxes = fused_attentions(model)
    five_dimensional = 1 if family == "swinv2" else 0  # its shifted layer, whose mask is added a window
    assert fused == softmaxes - five_dimensional
    assert softmaxes > 0 or family == "focalnet"  # which has no attention of its own
