"""avtar-engine build with NVIDIA's own parser and builder, on models that training's own code has exported."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import onnx
import pytest

from avtar_ros.engines import EngineError, open_engine
from avtar_ros.engines.sidecar import interface, read_plan, read_sidecar, sidecar_path
from avtar_ros.model_card import read_onnx_card
from tests.engine_build.conftest import AvtarEngine
from training.models.backbone import FAMILIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Every family, precision and batch, and every pair of them.
KINDS = [("pvt_v2", "fp32", 1), ("pvt_v2", "fp16", 4), ("swin", "fp32", 4), ("swin", "fp16", 1)]


def test_every_family_of_backbones_is_compiled() -> None:
    assert {family for family, _, _ in KINDS} == set(FAMILIES)


@pytest.mark.parametrize(("family", "precision", "batch"), KINDS)
def test_nvidia_compiles_what_training_exports(
    nvidia: AvtarEngine,
    exported: dict[tuple[str, str], Path],
    tmp_path: Path,
    family: str,
    precision: str,
    batch: int,
) -> None:
    model, engine = exported[family, precision], tmp_path / "model.engine"
    options = ("--batch", str(batch), "--precision", precision, "--workspace", "512")
    run = nvidia("build", model, "--out", engine, *options, "--compile-only", "--json")
    assert run.returncode == 0, run.stderr
    check_engine(engine, model, precision, batch)
    assert json.loads(run.stdout)["sidecar"]["engine_sha256"] == read_sidecar(engine).engine_sha256


def check_engine(engine: Path, model: Path, precision: str, batch: int) -> None:
    """The plan is there, whole, and its sidecar says all that is known of it."""
    sidecar = read_sidecar(engine)
    assert read_plan(engine, sidecar)
    assert sidecar.card == read_onnx_card(model)
    assert sidecar.tensors == interface(sidecar.card)
    assert sidecar.tensorrt == "11.4.0.106"
    assert (sidecar.options.precision, sidecar.options.batch, sidecar.options.level) == (precision, batch, 3)
    assert sidecar.workspace_mb > 0
    assert sidecar.gpu is None
    assert not sidecar.verified
    assert sidecar.build_seconds > 0
    with pytest.raises(EngineError, match="avtar-engine verify"):
        open_engine(engine)


@pytest.mark.parametrize("name", ["avtar-demo", "avtar-demo-fp16"])
def test_nvidia_compiles_the_demo_model(nvidia: AvtarEngine, repository: Path, tmp_path: Path, name: str) -> None:
    if not (model := repository / "models" / f"{name}.onnx").is_file():
        pytest.skip(f"{model.relative_to(repository)} is not there")
    engine = tmp_path / "model.engine"
    run = nvidia("build", model, "--out", engine, "--compile-only")
    assert run.returncode == 0, run.stderr
    check_engine(engine, model, "fp16" if name.endswith("fp16") else "fp32", 1)


def test_a_half_precision_export_is_half_and_tells_nothing_of_the_machine_that_made_it(
    exported: dict[tuple[str, str], Path], repository: Path
) -> None:
    for family in FAMILIES:
        single, half = (onnx.load(exported[family, precision]) for precision in ("fp32", "fp16"))
        assert weights_of_type(single, onnx.TensorProto.FLOAT16) == 0
        assert weights_of_type(half, onnx.TensorProto.FLOAT) < 0.01 * weights_of_type(half, onnx.TensorProto.FLOAT16)
        assert str(repository).encode() not in half.SerializeToString()
        rounding = read_onnx_card(exported[family, "fp16"]).provenance
        assert {key for key in rounding if key.startswith("fp16.")} == {
            "fp16.segmentation", "fp16.depth", "fp16.normals", "fp16.edges",
        }  # fmt: skip


def weights_of_type(model: onnx.ModelProto, kind: int) -> int:
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer if tensor.data_type == kind)


@pytest.fixture(scope="module")
def built(
    nvidia: AvtarEngine, exported: dict[tuple[str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A model and the engine built from it beside it."""
    model = tmp_path_factory.mktemp("built") / "model.onnx"
    model.write_bytes(exported["pvt_v2", "fp16"].read_bytes())
    run = nvidia("build", model, "--compile-only", "--level", "0")
    assert run.returncode == 0, run.stderr
    return model, model.with_suffix(".engine")


def test_building_again_does_nothing_and_says_why(nvidia: AvtarEngine, built: tuple[Path, Path]) -> None:
    model, engine = built
    before = engine.stat()
    run = nvidia("build", model, "--compile-only", "--level", "0")
    assert run.returncode == 0, run.stderr
    assert "up to date" in run.stdout
    assert engine.stat() == before


def test_the_timings_are_kept_for_the_tensorrt_that_measured_them(
    nvidia: AvtarEngine, built: tuple[Path, Path]
) -> None:
    caches = [path for path in nvidia.timings.iterdir() if path.suffix == ".cache"]
    assert [path.name for path in caches] == ["tensorrt-11.4.0.106-no-gpu.cache"]
    assert caches[0].stat().st_size > 0


def test_damaged_timings_cost_time_but_no_engine(nvidia: AvtarEngine, built: tuple[Path, Path]) -> None:
    model, _ = built
    (cache,) = nvidia.timings.glob("*.cache")
    cache.write_bytes(b"no timings")
    run = nvidia("build", model, "--compile-only", "--level", "0", "--batch", "2", "--out", model.parent / "b.engine")
    assert run.returncode == 0, run.stderr
    assert "not a timing cache" in run.stderr
    assert cache.read_bytes() != b"no timings"


def test_ctrl_c_ends_a_build_and_leaves_nothing(nvidia: AvtarEngine, built: tuple[Path, Path], tmp_path: Path) -> None:
    model, _ = built
    terminal, shown = pty.openpty()
    command = nvidia.command("build", model, "--compile-only", "--out", tmp_path / "model.engine")
    with subprocess.Popen(command, env=nvidia.environment, stderr=shown, stdout=subprocess.DEVNULL) as process:
        os.close(shown)
        seen = b""
        while b"%" not in seen.rpartition(b"building")[2]:  # the bar, and so the builder, has begun
            seen += os.read(terminal, 1024)
        process.send_signal(signal.SIGINT)
        while chunk := read_all(terminal):
            seen += chunk
        assert process.wait() == 130, seen.decode()
    os.close(terminal)
    assert b"interrupted" in seen
    assert list(tmp_path.iterdir()) == []


def read_all(terminal: int) -> bytes:
    """The next of what a process writes to its terminal; nothing once it has closed it."""
    try:
        return os.read(terminal, 1024)
    except OSError:
        return b""


def test_a_change_is_named_and_builds_again(nvidia: AvtarEngine, built: tuple[Path, Path]) -> None:
    model, engine = built
    before = read_sidecar(engine)
    run = nvidia("build", model, "--compile-only", "--level", "1")
    assert run.returncode == 0, run.stderr
    assert "level: 0 → 1" in run.stdout
    assert read_sidecar(engine).options.level == 1 != before.options.level
    assert sidecar_path(engine).is_file()
