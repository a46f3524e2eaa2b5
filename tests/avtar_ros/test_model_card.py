"""The model card: what it holds survives every round trip, and what it must not say is refused with the reason."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.meaning import DepthRange, SemanticClass
from avtar_ros.model_card import CARD_KEY, CardError, ModelCard, read_onnx_card
from avtar_ros.tasks import TASKS
from tests.tiny_models import CLASSES, DEPTH, tiny_model, write_tiny_model

CARD = ModelCard(
    name="full",
    tasks=tuple(TASKS),
    width=64,
    height=48,
    classes=CLASSES,
    depth=DEPTH,
    affinity=((1.0, 0.1, 0.2, 0.3),) * 4,
    metrics={"depth.rmse_m": 0.25},
    training_data="rooms",
    provenance={"commit": "abc"},
    licence="Apache-2.0",
)

text = st.text(max_size=20)
level = st.integers(0, 255)
figure = st.floats(-1e6, 1e6)


@st.composite
def cards(draw: st.DrawFn) -> ModelCard:
    """Any valid card."""
    tasks = tuple(draw(st.lists(st.sampled_from(list(TASKS)), min_size=1, unique=True)))
    n = len(tasks)
    classes = st.lists(st.builds(SemanticClass, text, st.tuples(level, level, level)), min_size=1, max_size=255)
    near = draw(st.floats(0.01, 5))
    depth = DepthRange(near, near + draw(st.floats(0.01, 100)), draw(st.floats(1, 2000)))
    row = st.lists(figure, min_size=n, max_size=n).map(tuple)
    return ModelCard(
        name=draw(text),
        tasks=tasks,
        width=draw(st.integers(1, 4096)),
        height=draw(st.integers(1, 4096)),
        classes=tuple(draw(classes)) if "segmentation" in tasks else (),
        depth=depth if "depth" in tasks else None,
        affinity=tuple(draw(st.lists(row, min_size=n, max_size=n))) if draw(st.booleans()) else (),
        metrics=draw(st.dictionaries(text, figure, max_size=3)),
        training_data=draw(text),
        provenance=draw(st.dictionaries(text, text, max_size=3)),
        licence=draw(text),
    )


@given(cards())
def test_a_card_survives_json(card: ModelCard) -> None:
    assert ModelCard.from_json(card.to_json()) == card


def test_a_card_survives_an_onnx_file(tmp_path: Path) -> None:
    written = write_tiny_model(tmp_path / "tiny.onnx", metrics={"depth.rmse_m": 0.25})
    assert read_onnx_card(tmp_path / "tiny.onnx") == written


def test_task_records_are_in_the_order_of_the_card() -> None:
    card = CARD.replace(tasks=("edges", "normals"), classes=(), depth=None, affinity=())
    assert [task.name for task in card.task_records] == ["edges", "normals"]


def changed(**changes: Any) -> str:
    """The JSON of CARD with fields put in, or taken out where the value is None."""
    raw = json.loads(CARD.to_json()) | changes
    return json.dumps({key: value for key, value in raw.items() if value is not None})


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("", "not JSON"),
        ('{"name": ', "not JSON"),
        ("[]", "card has the wrong type"),
        ("{}", "card lacks: height, name, tasks, width"),
        (changed(name=None), "lacks: name"),
        (changed(name=3), "name has the wrong type: 3"),
        (changed(surprise=1), "unknown fields: surprise"),
        (changed(format=99), "format 99"),
        (changed(tasks=["flow"]), r"\['flow'\].*segmentation, depth, normals, edges"),
        (changed(tasks=[]), r"tasks \[\]"),
        (changed(tasks=["edges", "edges"], affinity=[]), "once"),
        (changed(tasks="edges"), "tasks has the wrong type"),
        (changed(tasks=[1]), "tasks has the wrong type: 1"),
        (changed(width=0), "input size 0x48"),
        (changed(width=64.5), "width has the wrong type: 64.5"),
        (changed(width=True), "width has the wrong type: True"),
        (changed(classes=[]), "classes must be given"),
        (changed(classes=[{"name": "wall", "color": [1, 2]}]), r"classes\[0\].color must be 3 values, not 2"),
        (changed(classes=[{"name": "wall", "color": [1, 2, 256]}]), "0..255"),
        (changed(classes=[{"name": "wall"}]), r"classes\[0\] lacks: color"),
        (changed(classes=[{"name": "wall", "color": [1, 2, 3], "id": 4}]), r"classes\[0\] has unknown fields: id"),
        (changed(depth=None), "depth must be given"),
        (changed(depth={"min_m": 2, "max_m": 1, "focal_px": 60}), "0 < min_m < max_m"),
        (changed(depth={"min_m": 1, "max_m": 2, "focal_px": 0}), "focal_px > 0"),
        (changed(depth={"min_m": 1, "max_m": 2}), "depth lacks: focal_px"),
        (changed(depth={"min_m": 1, "max_m": 2, "focal_px": "60"}), "depth.focal_px has the wrong type"),
        (changed(normals_frame="world"), "'world'"),
        (changed(affinity=[[1, 2]]), "affinity must be 4x4"),
        (changed(affinity=[["a"] * 4] * 4), "affinity has the wrong type"),
        (changed(metrics={"miou": "good"}), "metrics.miou has the wrong type"),
        (changed(provenance={"seed": 1}), "provenance.seed has the wrong type"),
    ],
)
def test_a_wrong_card_is_refused_with_the_place_and_the_reason(card: str, reason: str) -> None:
    with pytest.raises(CardError, match=f"^some.onnx: .*{reason}"):
        ModelCard.from_json(card, "some.onnx")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
fields = [field.name for field in dataclasses.fields(ModelCard)]


@given(st.dictionaries(st.sampled_from(fields), json_values, min_size=1, max_size=4))
def test_whatever_a_field_holds_the_card_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        card = ModelCard.from_json(json.dumps(json.loads(CARD.to_json()) | changes))
    except CardError:
        return
    assert ModelCard.from_json(card.to_json()).tasks == card.tasks


@given(json_values)
def test_whatever_json_stands_for_a_card_it_is_refused(value: Any) -> None:
    with pytest.raises(CardError):
        ModelCard.from_json(json.dumps(value))


def test_an_onnx_file_without_a_card_is_refused(tmp_path: Path) -> None:
    onnx.save(tiny_model(CARD), str(tmp_path / "bare.onnx"))
    with pytest.raises(CardError, match=r"bare\.onnx: this ONNX file has no model card.*avtar-train export"):
        read_onnx_card(tmp_path / "bare.onnx")


def test_an_onnx_file_with_a_wrong_card_is_refused(tmp_path: Path) -> None:
    model = tiny_model(CARD)
    model.metadata_props.add(key=CARD_KEY, value=changed(tasks=["flow"]))
    onnx.save(model, str(tmp_path / "wrong.onnx"))
    with pytest.raises(CardError, match=r"wrong\.onnx: .*flow"):
        read_onnx_card(tmp_path / "wrong.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", bytes(1000), np.random.default_rng(0).bytes(1000)])
def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.onnx").write_bytes(content)
    with pytest.raises(CardError, match=r"other\.onnx"):
        read_onnx_card(tmp_path / "other.onnx")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    write_tiny_model(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CardError, match=r"cut\.onnx: .*damaged"):
        read_onnx_card(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"nothing\.onnx: no such file"):
        read_onnx_card(tmp_path / "nothing.onnx")
