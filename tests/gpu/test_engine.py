"""Engines built, checked, run and measured on a real GPU, from the shipped demo model."""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from avtar_ros.agreement import MapComparison, describe
from avtar_ros.engines.engine import Engine, EngineError, EngineOptions
from avtar_ros.engines.open_cuda import open_cuda
from avtar_ros.engines.opening import open_engine
from avtar_ros.engines.sidecar import Gpu, read_sidecar, write_sidecar
from avtar_ros.tasks import TASKS, Maps
from engine_build.machine import Machine
from engine_build.sample_images import made_up_images
from tests.gpu.conftest import BATCH, Built, Measurements, Run

pytestmark = [pytest.mark.gpu, pytest.mark.slow, pytest.mark.timeout(1800)]


def images(engine: Engine, count: int) -> NDArray[np.uint8]:
    return np.concatenate(list(made_up_images(engine.card, count)))


def check_equal(reference: Maps, other: Maps, precision: str) -> None:
    """The same maps, as far as this precision goes: kernels may differ with the batch."""
    comparison = MapComparison(reference)
    comparison.add(reference, other)
    agreements = comparison.agreements(precision)
    assert all(agreement.holds for agreement in agreements.values()), describe(agreements)


def test_a_built_engine_gives_its_models_maps_and_says_for_which_gpu_it_is(
    built: Built, machine: Machine, gpu: Gpu
) -> None:
    sidecar = read_sidecar(built.engine)
    assert sidecar.verified
    assert set(sidecar.agreement) == set(TASKS)
    assert all(agreement.holds for agreement in sidecar.agreement.values())
    assert (sidecar.gpu, sidecar.tensorrt, sidecar.cuda) == (gpu, machine.tensorrt, machine.cuda)


def test_an_engine_for_single_images_is_built_verified_and_runs(
    built: Built, avtar_engine: Run, tmp_path: Path
) -> None:
    engine = tmp_path / "single.engine"
    assert avtar_engine("build", built.model, "--out", engine, "--level", 0)["sidecar"]["verified"] is True
    with open_engine(engine) as opened:
        given = images(opened, 3)
        assert all(len(maps) == 3 for maps in opened.infer(given).values())


def test_building_again_does_nothing(built: Built, avtar_engine: Run) -> None:
    before = built.engine.stat().st_mtime_ns
    assert avtar_engine("build", built.model, "--out", built.engine, "--batch", BATCH)["changes"] == []
    assert built.engine.stat().st_mtime_ns == before


def test_verifying_again_agrees(built: Built, avtar_engine: Run) -> None:
    assert set(avtar_engine("verify", built.engine, "--against", built.model)) == set(TASKS)


def test_a_half_precision_engine_agrees_with_the_float32_model(built: Built, avtar_engine: Run) -> None:
    single = built.model.with_name("avtar-demo.onnx")
    assert set(avtar_engine("verify", built.engine, "--against", single)) == set(TASKS)


@pytest.mark.parametrize("count", [1, BATCH, BATCH + 2])
@pytest.mark.parametrize("zero_copy", [False, True])
def test_a_batch_gives_the_maps_of_its_images(built: Built, count: int, zero_copy: bool) -> None:
    with open_engine(built.engine, EngineOptions(zero_copy=zero_copy)) as engine:
        given = images(engine, count)
        together = engine.infer(given)
        one_by_one = [engine.infer(given[i : i + 1]) for i in range(count)]
        for task in engine.card.task_records:
            assert together[task.name].shape == (count, *task.shape(engine.card.height, engine.card.width))
            assert together[task.name].dtype == task.dtype
        apart = {name: np.concatenate([maps[name] for maps in one_by_one]) for name in together}
        check_equal(apart, together, read_sidecar(built.engine).options.precision)


def test_a_stream_gives_the_maps_of_each_batch_in_order(built: Built) -> None:
    with open_engine(built.engine) as engine:
        batches = [images(engine, 8)[i : i + 1] for i in range(8)]
        expected = [engine.infer(batch) for batch in batches]
        for maps, wanted in zip(engine.infer_stream(iter(batches)), expected, strict=True):
            check_equal(wanted, maps, read_sidecar(built.engine).options.precision)


def test_a_thread_of_its_own_may_use_an_engine_that_another_opened(built: Built) -> None:
    with open_engine(built.engine) as engine, ThreadPoolExecutor(1) as thread:
        given = images(engine, 1)
        check_equal(engine.infer(given), thread.submit(engine.infer, given).result(), "fp32")


def test_a_closed_engine_gives_its_memory_back(built: Built) -> None:
    def free() -> int:
        cuda = open_cuda()
        try:
            with cuda.current():
                return cuda.free_memory()
        finally:
            cuda.close()

    open_engine(built.engine).close()  # what CUDA and TensorRT keep for good, they take now
    before = free()
    for _ in range(5):
        open_engine(built.engine).close()
    assert before - free() < 5 * built.engine.stat().st_size  # less than one engine's weights a time


def test_a_plan_that_tensorrt_does_not_take_gives_its_reason(built: Built, tmp_path: Path) -> None:
    engine = tmp_path / "broken.engine"
    plan = built.engine.read_bytes()
    engine.write_bytes(bytes(64) + plan[64:])
    digest = hashlib.sha256(engine.read_bytes()).hexdigest()
    write_sidecar(engine, read_sidecar(built.engine).replace(engine_sha256=digest))
    with pytest.raises(EngineError, match=r"TensorRT cannot load it: (?!TensorRT gave no reason)"):
        open_engine(engine)


def test_inspect_lists_the_time_of_layers(built: Built, avtar_engine: Run) -> None:
    found = avtar_engine("inspect", built.engine)
    assert found["obstacles"] == []
    assert found["unit"] == "ms"
    assert found["layers"]
    assert min(layer["amount"] for layer in found["layers"]) >= 0
    assert sum(layer["amount"] for layer in found["layers"]) > 0


def test_only_compiled_engines_run_once_they_are_verified(built: Built, avtar_engine: Run, tmp_path: Path) -> None:
    model = shutil.copy(built.model, tmp_path)
    engine = Path(model).with_suffix(".engine")
    avtar_engine("build", model, "--compile-only", "--level", 0)
    with pytest.raises(EngineError, match="avtar-engine verify"):
        open_engine(engine)
    avtar_engine("verify", engine, "--against", model)
    open_engine(engine).close()


def test_speed_is_measured(built: Built, avtar_engine: Run, measurements: Measurements) -> None:
    document = avtar_engine("bench", built.engine, "--batch", 1, BATCH, "--seconds", 10)
    (found,) = document["models"]
    for measured in found["measured"]:
        means = {name: spread["mean"] for name, spread in measured["spreads"].items()}
        assert set(means) == {"Host latency", "Latency", "H2D", "GPU compute", "D2H", "Enqueue"}
        assert np.isclose(means["Latency"], means["H2D"] + means["GPU compute"] + means["D2H"])
        assert min(means.values()) > 0
    measurements.bench[built.model.stem] = found["measured"]
