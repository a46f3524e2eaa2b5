"""What inspect tells of a file, and whether this machine can run it."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from avtar_ros.engines.sidecar import Gpu, read_sidecar, write_sidecar
from avtar_ros.model_card import CARD_KEY
from tests.engine_build.conftest import Command
from tests.engine_build.standing_in import StandIn
from tests.tiny_models import tiny_model, write_tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "model.onnx", metrics={"depth.delta1": 0.75}, provenance={"config": "tiny.yaml"})
    return tmp_path / "model.onnx"


@pytest.fixture
def engine(orin: StandIn, command: Command, model: Path) -> Path:
    assert command("build", model).code == 0
    return model.with_suffix(".engine")


def test_a_model_is_described_by_its_card(command: Command, model: Path) -> None:
    ran = command("inspect", model)
    assert ran.code == 0, ran.err
    for words in (
        "ONNX, fp32", "tiny: segmentation, depth, normals, edges; licence Apache-2.0", "dark, grey, light",
        "0.5 to 10 m, at a focal length of 60 px", "depth.delta1 0.75", "config: tiny.yaml",
        "input    image: uint8 (-1, 48, 64, 3)", "output   normals: float32 (-1, 48, 64, 3)",
        "This machine can run it.",
    ):
        assert words in ran.out


def test_weights_are_listed_by_stage_the_largest_first(command: Command, repository: Path) -> None:
    found = json.loads(command("inspect", repository / "models" / "avtar-demo.onnx", "--json").out)
    sizes = [layer["amount"] for layer in found["layers"]]
    assert found["unit"] == "bytes"
    assert sizes == sorted(sizes, reverse=True)
    assert 0.8 * found["size"] < sum(sizes) < found["size"]
    assert any(layer["name"].startswith("model.backbone") for layer in found["layers"])


def test_an_engine_is_described_by_its_sidecar_and_the_time_of_its_layers(command: Command, engine: Path) -> None:
    ran = command("inspect", engine)
    assert ran.code == 0, ran.err
    for words in (
        "TensorRT engine, fp32", "by TensorRT 10.3.0.30", "Orin (compute capability 8.7, 8 SMs), batches of up to 1",
        "level 3", "in float32: nothing", "verified yes", "depth         ok", "1.000 ms  the whole of it",
        "This machine can run it.",
    ):
        assert words in ran.out


def test_what_keeps_an_engine_from_running_here_is_said(command: Command, engine: Path) -> None:
    sidecar = read_sidecar(engine)
    write_sidecar(engine, sidecar.replace(gpu=Gpu("Orin", "8.7", 16), tensorrt="10.13.0.35", verified=False))
    found = json.loads(command("inspect", engine, "--json").out)
    assert found["layers"] == []
    assert len(found["obstacles"]) == 3
    ran = command("inspect", engine)
    assert ran.code == 0, ran.err
    for words in (
        "This machine cannot run it:", "TensorRT 10.3.0.30 found, 10.13.0.35 wanted", "16 SMs) wanted",
        "avtar-engine verify",
    ):
        assert words in ran.out


def test_a_model_that_onnx_runtime_does_not_take_cannot_run(command: Command, model: Path) -> None:
    card = write_tiny_model(model)
    graph = tiny_model(card)
    graph.graph.node[0].op_type = "Teleport"
    graph.metadata_props.add(key=CARD_KEY, value=card.to_json())
    onnx.save(graph, model)
    ran = command("inspect", model)
    assert ran.code == 0, ran.err
    assert "This machine cannot run it:" in ran.out
    assert "Teleport" in ran.out
