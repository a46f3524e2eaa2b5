"""Only engines that give their model's maps are kept and run. The GPU is a stand-in; the comparison is the real one."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from avtar_ros.engines.engine import Engine, EngineError, EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.engines.sidecar import read_sidecar, sidecar_path
from avtar_ros.model_card import read_onnx_card
from avtar_ros.tasks import Maps
from engine_build.reference import open_reference
from engine_build.sample_images import made_up_images
from tests.avtar_ros.engines.proving import proving
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


@pytest.mark.parametrize(
    ("mixes", "wrong"), [([0, 1, 0], "image 3 of 3"), ([1, 1, 2], "image 1 of 3"), ([0, 2, 2], "image 2 of 3")]
)
def test_an_engine_that_mixes_up_the_images_of_a_batch_is_not_kept(
    orin: StandIn, command: Command, model: Path, mixes: list[int], wrong: str
) -> None:
    orin.mixes = mixes
    ran = command("build", model, "--batch", 3)
    assert ran.code == 3, ran.out
    assert f"mean relative difference, {wrong} " in ran.err
    assert names(model.parent) == {"model.onnx"}
    assert command("build", model, "--batch", 1).code == 0


def test_full_batches_and_every_place_in_them_are_compared(
    orin: StandIn, command: Command, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[np.ndarray] = []
    compute = orin.maps
    monkeypatch.setattr(orin, "maps", lambda image: (given.append(image.copy()), compute(image))[1])
    assert command("build", model, "--batch", 4).code == 0
    full = [batch for batch in given if len(batch) == 4]
    distinct = [len({image.tobytes() for image in batch}) for batch in full]
    assert distinct.count(4) == 16 // 4
    odd = [batch for batch, images in zip(full, distinct, strict=True) if images == 2]
    alone = {
        next(i for i in range(4) if sum(np.array_equal(batch[i], other) for other in batch) == 1) for batch in odd
    }
    assert alone == {0, 1, 2, 3}
    assert max(map(len, given)) == 4


class InTypesOfTheGraph(Engine):
    """ONNX Runtime as it is on ARM: what is in half precision is computed in half precision."""

    description = "a stand-in"

    def __init__(self, path: Path, *_: object) -> None:
        self.card = read_onnx_card(path)
        self._evaluator = ReferenceEvaluator(onnx.load(path))

    def infer(self, images: np.ndarray) -> Maps:
        return dict(zip(self.card.tasks, self._evaluator.run(list(self.card.tasks), {"image": images}), strict=True))

    def close(self) -> None:
        pass


def test_rounding_shows_also_where_onnx_runtime_computes_in_half_precision(
    orin: StandIn, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = half_precision(tmp_path / "model.onnx", overflowing=False)
    image = next(made_up_images(read_onnx_card(model), 1))
    with open_engine(model) as here:
        exact = here.infer(image)["depth"]
    assert np.abs(InTypesOfTheGraph(model).infer(image)["depth"] - exact).max() > 1e-4, "the stand-in rounds"

    monkeypatch.setattr("engine_build.reference.open_engine", InTypesOfTheGraph)
    assert command("build", model).code == 0
    assert read_sidecar(model.with_suffix(".engine")).agreement["depth"].value > 1e-6
    with open_reference(model) as reference:
        np.testing.assert_allclose(reference.infer(image)["depth"], exact, rtol=1e-5)


def test_an_engine_of_tensorrt_has_them_in_its_sidecar_and_proves_itself_at_every_start(
    orin: StandIn, command: Command, tmp_path: Path
) -> None:
    assert command("build", proving(tmp_path / "model.onnx")).code == 0
    engine = tmp_path / "model.engine"
    assert read_sidecar(engine).golden is not None
    with open_engine(engine) as opened:
        assert opened.self_tested.startswith("passed: ")
    orin.scale["depth"] = 1.01  # as after an update of the driver
    with pytest.raises(EngineError, match=r"TensorRT 10.3.0.30 fp32, Orin.* In depth it is too far"):
        open_engine(engine)
    open_engine(engine, EngineOptions(self_test=False)).close()
