"""A model that proves itself when it is opened: golden maps, and backends that compute something else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest

from avtar_ros.engines.engine import EngineError, EngineOptions
from avtar_ros.engines.golden import COLUMNS, GOLDEN_KEY, ROWS, golden_image
from avtar_ros.engines.opening import open_engine
from avtar_ros.engines.self_test import golden_from_metadata, self_test
from avtar_ros.resources import DEMO_MODEL, find_resource
from tests.avtar_ros.engines.proving import proving, with_fault
from tests.tiny_models import write_tiny_model


def test_images_are_the_same_wherever_they_are_made(tmp_path: Path) -> None:
    card = write_tiny_model(tmp_path / "model.onnx")
    image = golden_image(card, 0)
    assert (image.shape, image.dtype) == ((1, 48, 64, 3), np.uint8)
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == "4a53dddeaadd80b2"
    assert len(np.unique(image)) > 100
    assert not np.array_equal(image, golden_image(card, 1))


def test_a_model_that_gives_its_maps_is_opened_and_says_how_close_they_are(tmp_path: Path) -> None:
    with open_engine(proving(tmp_path / "model.onnx")) as engine:
        assert engine.golden is not None
        assert engine.self_tested.startswith("passed: segmentation pixels of another class 0 %, allowed 0.1 %; depth")


@pytest.mark.parametrize(
    ("constant", "factor", "precision", "task"),
    [
        ("span", 1.01, "fp32", "depth"), ("span", 1.05, "fp16", "depth"), ("count", 0.9, "fp32", "segmentation"),
        ("lean", 1.05, "fp16", "normals"), ("two", 0.9, "fp16", "edges"),
    ],
)
def test_a_backend_that_computes_something_else_is_refused_with_task_figure_and_limit(
    tmp_path: Path, constant: str, factor: float, precision: str, task: str
) -> None:
    path = with_fault(proving(tmp_path / "model.onnx", precision), constant, factor)
    with pytest.raises(EngineError, match=rf"ONNX Runtime .* In {task} it is too far(.|\n)*{task} +FAILED .* allowed"):
        open_engine(path)
    with open_engine(path, EngineOptions(self_test=False)) as engine:
        assert engine.self_tested == "switched off"


@pytest.mark.parametrize("name", [DEMO_MODEL, "models/avtar-demo-fp16.onnx", "models/avtar-indoor-fp16.onnx"])
def test_the_shipped_models_prove_themselves(name: str) -> None:
    with open_engine(find_resource(name)) as engine:
        assert engine.self_tested.startswith("passed: segmentation pixels of another class")


def test_rounding_of_half_precision_is_no_fault(tmp_path: Path) -> None:
    path = with_fault(proving(tmp_path / "model.onnx", "fp16"), "span", 1.002)
    open_engine(path).close()


def test_a_model_without_golden_maps_is_opened_and_that_is_said(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    with open_engine(tmp_path / "model.onnx") as engine:
        assert (engine.golden, engine.self_tested) == (None, "the model has none")


@pytest.mark.parametrize("damage", ["{", "[]", '{"precision": "fp32"}'])
def test_golden_maps_that_cannot_be_read_are_refused(tmp_path: Path, damage: str) -> None:
    with pytest.raises(EngineError, match=r"golden maps cannot be read.*Export the model again"):
        golden_from_metadata({GOLDEN_KEY: damage}, tmp_path)


@pytest.mark.parametrize("damage", ["", "no base64!", "AAAA"])
def test_damaged_golden_maps_are_refused(tmp_path: Path, damage: str) -> None:
    with open_engine(proving(tmp_path / "model.onnx")) as engine:
        assert engine.golden is not None
        engine.golden.maps["depth"] = damage
        with pytest.raises(EngineError, match="golden maps are damaged"):
            self_test(engine, engine.golden, tmp_path)


def test_a_map_is_kept_at_so_many_points_at_most(tmp_path: Path) -> None:
    proving(tmp_path / "model.onnx", width=320, height=200, tasks=("depth",))
    small = proving(tmp_path / "small.onnx", width=8, height=6, tasks=("depth",))
    (record,) = (p.value for p in onnx.load(tmp_path / "model.onnx").metadata_props if p.key == GOLDEN_KEY)
    assert len(record) < 2 * 4 * ROWS * COLUMNS * 4 / 3 + 200
    open_engine(small).close()
