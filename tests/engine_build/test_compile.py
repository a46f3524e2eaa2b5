"""NVIDIA's own parser and builder on models that training's own code has exported."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from avtar_ros.engines.digest import append_digest
from avtar_ros.engines.engine import EngineError
from avtar_ros.engines.opening import open_engine
from avtar_ros.engines.sidecar import interface, read_plan, read_sidecar
from avtar_ros.model_card import read_onnx_card
from avtar_ros.tasks import TASKS
from engine_build.stages import half_precision_stages, keep_in_float32
from tests.engine_build.conftest import AvtarEngine, Exported
from training.models.backbone import FAMILIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# The cosine attention of Swin V2 divides by norms that half precision takes for 0; export refuses that.
IN_HALF_PRECISION = [family for family in FAMILIES if family != "swinv2"]
# As they run on a robot, in turn for single images and for several cameras at once.
KINDS = [
    (family, "fp16" if family in IN_HALF_PRECISION else "fp32", 4 if index % 2 else 1)
    for index, family in enumerate(FAMILIES)
]


@pytest.mark.parametrize(("family", "precision", "batch"), KINDS)
def test_nvidia_compiles_every_family_of_backbones(
    nvidia: AvtarEngine, exported: Exported, tmp_path: Path, family: str, precision: str, batch: int
) -> None:
    model, engine = exported(family, precision), tmp_path / "model.engine"
    options = ("--batch", str(batch), "--precision", precision, "--workspace", "512", "--level", "0")
    run = nvidia("build", model, "--out", engine, *options, "--compile-only", "--json")
    assert run.returncode == 0, run.stderr
    check_engine(engine, model, nvidia.tensorrt, precision, batch, level=0)
    assert json.loads(run.stdout)["sidecar"]["engine_sha256"] == read_sidecar(engine).engine_sha256


@pytest.mark.parametrize(
    ("name", "precision", "batch"),
    [("avtar-demo", "fp32", 4), ("avtar-demo-fp16", "fp16", 1), ("avtar-indoor-fp16", "fp16", 1)],
)
def test_nvidia_compiles_the_shipped_models(
    nvidia: AvtarEngine, repository: Path, tmp_path: Path, name: str, precision: str, batch: int
) -> None:
    model, engine = repository / "models" / f"{name}.onnx", tmp_path / "model.engine"
    options = ("--batch", str(batch), "--precision", precision)
    run = nvidia("build", model, "--out", engine, *options, "--compile-only")
    assert run.returncode == 0, run.stderr
    check_engine(engine, model, nvidia.tensorrt, precision, batch)


def check_engine(
    engine: Path, model: Path, tensorrt: str, precision: str, batch: int, level: int = 3
) -> None:
    """The plan is there, whole, and its sidecar says all that is known of it."""
    sidecar = read_sidecar(engine)
    assert read_plan(engine, sidecar)
    assert sidecar.card == read_onnx_card(model)
    assert sidecar.tensors == interface(sidecar.card)
    assert sidecar.tensorrt == tensorrt
    assert (sidecar.options.precision, sidecar.options.batch, sidecar.options.level) == (precision, batch, level)
    assert sidecar.workspace_mb > 0
    assert sidecar.build_seconds > 0
    assert sidecar.gpu is None
    assert not sidecar.verified
    with pytest.raises(EngineError, match="avtar-engine verify"):
        open_engine(engine)


def test_nvidia_compiles_a_half_precision_model_with_parts_in_float32(
    nvidia: AvtarEngine, exported: Exported, tmp_path: Path
) -> None:
    model, engine = exported("pvt_v2", "fp16"), tmp_path / "model.engine"
    stages = [stage for stage in half_precision_stages(onnx.load(model)) if stage.startswith("model.heads.depth")]
    run = nvidia("build", model, "--out", engine, "--keep-fp32", *stages, "--compile-only", "--level", "0")
    assert run.returncode == 0, run.stderr
    assert read_sidecar(engine).options.keep_fp32 == tuple(stages)


@pytest.mark.parametrize("family", IN_HALF_PRECISION)
def test_a_half_precision_export_is_half_and_stays_close(exported: Exported, family: str) -> None:
    path = exported(family, "fp16")
    model = onnx.load(path)
    halves, singles = (
        sum(len(tensor.raw_data) for tensor in model.graph.initializer if tensor.data_type == kind)
        for kind in (onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT)
    )
    assert singles < 0.01 * halves
    assert {key for key in read_onnx_card(path).provenance if key.startswith("fp16.")} == {f"fp16.{t}" for t in TASKS}


@pytest.mark.parametrize("family", IN_HALF_PRECISION)
def test_an_export_notes_the_stages_and_nothing_of_the_machine_that_made_it(
    exported: Exported, family: str, repository: Path
) -> None:
    path = exported(family, "fp16")
    assert str(repository).encode() not in path.read_bytes()
    stages = half_precision_stages(onnx.load(path))
    assert len([stage for stage in stages if stage.startswith("model.backbone.model.")]) >= 4
    assert {"model.adapters.3", "model.heads.depth.0"} <= set(stages)


def test_all_stages_of_a_half_precision_export_can_be_kept_in_float32(exported: Exported, tmp_path: Path) -> None:
    model = onnx.load(exported("swin", "fp16"))
    kept = keep_in_float32(model, half_precision_stages(model))
    assert half_precision_stages(kept) == []
    path = tmp_path / "kept.onnx"
    onnx.save(kept, path)
    append_digest(path)
    onnx.checker.check_model(kept)
    open_engine(path).close()
