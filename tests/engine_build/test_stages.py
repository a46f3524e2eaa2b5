"""Stages of a network, and keeping some of a half-precision one in float32."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from engine_build.errors import BuildError
from engine_build.stages import OUTSIDE, SCOPES_KEY, fewest, half_precision_stages, keep_in_float32, stage_of
from tests.engine_build.faulty_models import OVERFLOWING, half_precision

STAGES = ["model.layers.0", OVERFLOWING, "model.layers.2"]


@given(st.integers(1, 24).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_the_fewest_are_found_in_few_trials(case: tuple[int, set[int]]) -> None:
    count, needed = case
    candidates = [f"stage {i}" for i in range(count)]
    wanted = {candidates[i] for i in needed}
    trials = 0

    def holds(kept: object) -> bool:
        nonlocal trials
        trials += 1
        return wanted <= set(kept)  # type: ignore[call-overload, no-any-return]

    assert set(fewest(candidates, holds)) == wanted
    k = max(1, len(wanted))
    assert trials <= 1 + 2 * k * (1 + math.ceil(math.log2(max(1, count / k)))) + 2 * k


@pytest.mark.parametrize(
    ("scopes", "stage"),
    [
        (["", "model", "model.adapters", "model.adapters.2", "model.adapters.2.norm", "add"], "model.adapters.2"),
        (["", "model", "model.head", "add"], "model.head"),
        (["add"], OUTSIDE),
        (["", "add"], OUTSIDE),
    ],
)
def test_a_stage_is_a_module_as_far_as_the_first_number(scopes: list[str], stage: str) -> None:
    node = helper.make_node("Add", ["a", "b"], ["c"])
    node.metadata_props.add(key=SCOPES_KEY, value=repr(scopes))
    assert stage_of(node) == stage


def test_a_node_of_no_module_is_outside() -> None:
    assert stage_of(helper.make_node("Add", ["a", "b"], ["c"])) == OUTSIDE


@pytest.fixture
def half(tmp_path: Path) -> onnx.ModelProto:
    return onnx.load(half_precision(tmp_path / "model.onnx", overflowing=True))


def computed_in(model: onnx.ModelProto) -> dict[str, int]:
    """The type that each node gives, by the node's name."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    return {node.name: types[node.output[0]] for node in graph.node if node.output[0] in types}


def test_half_precision_stages_are_listed_in_order(half: onnx.ModelProto) -> None:
    assert half_precision_stages(half) == STAGES


@pytest.mark.parametrize("kept", [[OVERFLOWING], STAGES[:2], [STAGES[0], STAGES[2]], STAGES, []])
def test_kept_stages_compute_in_float32_and_the_others_in_float16(half: onnx.ModelProto, kept: list[str]) -> None:
    model = keep_in_float32(half, kept)
    onnx.checker.check_model(model, full_check=True)
    assert half_precision_stages(model) == [stage for stage in STAGES if stage not in kept]
    types = computed_in(model)
    for stage, nodes in zip(STAGES, (["more"], ["much", "square", "root", "again"], ["less", "same"]), strict=True):
        wanted = TensorProto.FLOAT if stage in kept else TensorProto.FLOAT16
        assert {types[node] for node in nodes} == {wanted}


def test_what_overflows_in_float16_does_not_in_float32(half: onnx.ModelProto) -> None:
    image = np.full((1, 48, 64, 3), 128, np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):
        (overflown,) = ReferenceEvaluator(half).run(["edges"], {"image": image})
        (kept,) = ReferenceEvaluator(keep_in_float32(half, [OVERFLOWING])).run(["edges"], {"image": image})
    assert not np.allclose(overflown, 2 * (128 / 255 - 0.5), atol=0.01)
    np.testing.assert_allclose(kept, 2 * (128 / 255 - 0.5), atol=0.002)


def test_nothing_is_cast_between_stages_that_are_kept(half: onnx.ModelProto) -> None:
    assert sum(node.op_type == "Cast" for node in keep_in_float32(half, STAGES).graph.node) <= sum(
        node.op_type == "Cast" for node in half.graph.node
    ) + len({"four", "factor", "ones"}) + 2


def test_the_model_itself_stays_as_it_was(half: onnx.ModelProto) -> None:
    before = half.SerializeToString()
    keep_in_float32(half, STAGES)
    assert half.SerializeToString() == before


def test_an_unknown_stage_is_refused_with_those_there_are(half: onnx.ModelProto) -> None:
    with pytest.raises(BuildError, match=r"no half-precision stage model\.layers\.7\. It has: model\.layers\.0"):
        keep_in_float32(half, ["model.layers.7"])
