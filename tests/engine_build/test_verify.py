"""Only engines that give their model's maps are kept and run. The GPU is a stand-in; the comparison is the real one."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from avtar_ros.engines.engine import EngineError
from avtar_ros.engines.opening import open_engine
from avtar_ros.engines.sidecar import read_sidecar, sidecar_path
from tests.avtar_ros.engines.recording import ORIN
from tests.engine_build.conftest import Command
from tests.engine_build.faulty_models import OVERFLOWING, half_precision
from tests.engine_build.standing_in import StandIn
from tests.tiny_bags import image, write_truth_bag
from tests.tiny_models import CLASSES, write_tiny_model

TASKS = {"segmentation", "depth", "normals", "edges"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.fixture
def compiled(orin: StandIn, command: Command, model: Path) -> Path:
    """An engine that nobody has verified yet."""
    assert command("build", model, "--compile-only").code == 0
    return model.with_suffix(".engine")


def test_an_engine_that_agrees_gets_its_name_and_its_figures(orin: StandIn, command: Command, model: Path) -> None:
    ran = command("build", model, "--json")
    assert ran.code == 0, ran.err
    engine = model.with_suffix(".engine")
    sidecar = read_sidecar(engine)
    assert sidecar.verified
    assert set(sidecar.agreement) == TASKS
    assert all(agreement.value <= 1e-4 for agreement in sidecar.agreement.values())
    assert (sidecar.gpu, sidecar.device, sidecar.tensorrt, sidecar.cuda) == (ORIN, "orin-nano-8", "10.3.0.30", "12.6")
    assert json.loads(ran.out)["sidecar"]["verified"] is True
    assert names(model.parent) == {"model.onnx", "model.engine", "model.engine.json"}
    open_engine(engine).close()


@pytest.mark.parametrize("before", [False, True], ids=["no engine before", "an engine before"])
def test_an_engine_that_differs_is_not_kept(orin: StandIn, command: Command, model: Path, before: bool) -> None:
    if before:
        assert command("build", model).code == 0
    there = {path.name: path.read_bytes() for path in model.parent.iterdir()}
    orin.scale["depth"] = 1.05
    ran = command("build", model, "--force")
    assert ran.code == 3
    assert "differs from its model in depth" in ran.err
    assert "depth         FAILED mean relative difference 5 %, allowed 0.1 %" in ran.err
    assert "edges         ok" in ran.err
    assert "--keep-fp32 auto" in ran.err
    assert {path.name: path.read_bytes() for path in model.parent.iterdir()} == there


def test_verify_lets_a_compiled_engine_in(command: Command, compiled: Path, model: Path) -> None:
    with pytest.raises(EngineError, match="avtar-engine verify"):
        open_engine(compiled)
    ran = command("verify", compiled, "--against", model, "--json")
    assert ran.code == 0, ran.err
    assert set(json.loads(ran.out)) == TASKS
    open_engine(compiled).close()


def test_verify_shuts_out_an_engine_that_differs(orin: StandIn, command: Command, compiled: Path, model: Path) -> None:
    assert command("verify", compiled, "--against", model).code == 0
    orin.scale["edges"] = 0.9
    ran = command("verify", compiled, "--against", model)
    assert ran.code == 3
    assert "differs from its model in edges" in ran.err
    assert not read_sidecar(compiled).verified
    assert not read_sidecar(compiled).agreement["edges"].holds
    with pytest.raises(EngineError, match="avtar-engine verify"):
        open_engine(compiled)


def test_building_again_verifies_an_engine_that_was_only_compiled(
    orin: StandIn, command: Command, compiled: Path, model: Path
) -> None:
    ran = command("build", model)
    assert ran.code == 0, ran.err
    assert "up to date" in ran.out
    assert read_sidecar(compiled).verified
    assert orin.built == 1


def test_an_engine_is_compared_with_its_own_model_alone(command: Command, compiled: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    write_tiny_model(other, classes=CLASSES[:2])
    before = sidecar_path(compiled).read_bytes()
    ran = command("verify", compiled, "--against", other)
    assert ran.code == 1
    assert "not the same model: classes is" in ran.err
    assert sidecar_path(compiled).read_bytes() == before


def test_given_pictures_and_bags_are_compared_on_too(
    orin: StandIn, command: Command, compiled: Path, model: Path
) -> None:
    pictures = model.parent / "pictures"
    pictures.mkdir()
    for i in range(3):
        cv2.imwrite(str(pictures / f"{i}.png"), image(i, 100, 80))
    bag = write_truth_bag(model.parent / "bag.mcap", frames=4)
    orin.scale["edges"] = 1.001  # so that the mean difference depends on the images
    figures = []
    for images in ((), ("--images", pictures), ("--images", bag), ("--images", bag, "--every", 2)):
        ran = command("verify", compiled, "--against", model, "--json", *images)
        assert ran.code == 0, ran.err
        figures.append(json.loads(ran.out)["edges"]["value"])
    assert len(set(figures)) == len(figures)


def test_images_that_are_none_are_refused(command: Command, compiled: Path, model: Path) -> None:
    for nothing in ("nowhere", model):
        ran = command("verify", compiled, "--against", model, "--images", nothing)
        assert ran.code == 1
        assert str(nothing) in ran.err
    assert not read_sidecar(compiled).verified


def test_what_must_stay_in_float32_is_found(orin: StandIn, command: Command, tmp_path: Path) -> None:
    model = half_precision(tmp_path / "model.onnx", overflowing=True)
    assert command("build", model).code == 3
    ran = command("build", model, "--keep-fp32", "auto")
    assert ran.code == 0, ran.err
    assert read_sidecar(model.with_suffix(".engine")).options.keep_fp32 == (OVERFLOWING,)
    assert f"trying float32 in: {OVERFLOWING}" in ran.err
    built = orin.built
    assert "up to date" in command("build", model, "--keep-fp32", "auto").out
    assert "up to date" in command("build", model, "--keep-fp32", OVERFLOWING).out
    assert orin.built == built


def test_a_model_that_fits_half_precision_keeps_nothing_in_float32(
    orin: StandIn, command: Command, tmp_path: Path
) -> None:
    model = half_precision(tmp_path / "model.onnx", overflowing=False)
    assert command("build", model, "--keep-fp32", "auto").code == 0
    sidecar = read_sidecar(model.with_suffix(".engine"))
    assert sidecar.options.keep_fp32 == ()
    assert all(0 <= agreement.value < agreement.limit for agreement in sidecar.agreement.values())
    assert sidecar.agreement["depth"].value > 1e-6  # rounding shows


def test_where_rounding_is_not_the_cause_the_search_says_so(orin: StandIn, command: Command, tmp_path: Path) -> None:
    model = half_precision(tmp_path / "model.onnx", overflowing=False)
    orin.scale["edges"] = 0.5
    ran = command("build", model, "--keep-fp32", "auto")
    assert ran.code == 3
    assert "rounding is not the cause" in ran.err
    assert names(tmp_path) == {"model.onnx"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--keep-fp32", "model.layers.9"), "no half-precision stage model.layers.9. It has: model.layers.0"),
        (("--keep-fp32", "auto", "--compile-only"), "Leave out --compile-only"),
        (("--precision", "fp32"), "avtar-train export CHECKPOINT --precision fp32"),
        (("--device", "thor-t5000"), "must be built on one; this is NVIDIA Jetson Orin Nano"),
        (("--device", "toaster"), "no device 'toaster' is known. Known: agx-orin-64"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_with_a_half_precision_model_is_refused(
    orin: StandIn, command: Command, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    model = half_precision(tmp_path / "model.onnx", overflowing=False)
    ran = command("build", model, *options)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert names(tmp_path) == {"model.onnx"}
    assert orin.built == 0


def test_a_float32_model_has_nothing_to_keep_in_float32(orin: StandIn, command: Command, model: Path) -> None:
    ran = command("build", model, "--keep-fp32", "auto")
    assert ran.code == 1
    assert "nothing to keep in float32" in ran.err
