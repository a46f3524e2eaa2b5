"""What the TensorRT engine does around a GPU, with recording stand-ins for CUDA and TensorRT. The rest: tests/gpu."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avtar_ros.engines.cuda import PyCuda
from avtar_ros.engines.engine import UNDER_WAY, EngineError, EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.engines.sidecar import (
    BuildOptions,
    Gpu,
    TensorInfo,
    interface,
    read_sidecar,
    sidecar_path,
    write_sidecar,
)
from avtar_ros.engines.tensorrt import TensorRTEngine, load_tensorrt, wheels_cuda
from tests.avtar_ros.engines.engine_files import BATCH, CARD, sidecar, write_engine
from tests.avtar_ros.engines.recording import ORIN, RecordingCuda, RecordingTensorRT, expected_map


@pytest.fixture
def engine_file(tmp_path: Path) -> Path:
    """An engine as avtar-engine build leaves it on an Orin, but with a plan that only the stand-in takes."""
    return write_engine(tmp_path / "model.engine")


class Opened:
    """An engine with the stand-ins under it."""

    def __init__(self, path: Path, options: EngineOptions | None = None, **changes: Any) -> None:
        self.cuda = RecordingCuda(
            changes.get("gpu", ORIN), changes.get("integrated", True), changes.get("graphs", False)
        )
        tensors = changes.get("tensors", interface(CARD))
        self.trt = RecordingTensorRT(self.cuda, tensors, changes.get("version", "10.3.0.30"))
        for name in ("failing", "refusing", "starting_fails"):
            setattr(self.trt, name, changes.get(name, False))
        self.engine = TensorRTEngine(path, options or EngineOptions(), trt=self.trt, cuda=self.cuda)


def images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, CARD.height, CARD.width, 3), np.uint8)


def check(maps: dict[str, NDArray[Any]], given: NDArray[np.uint8]) -> None:
    for name, tensor in interface(CARD).items():
        if name != "image":
            np.testing.assert_array_equal(maps[name], expected_map(given, tensor))


@pytest.mark.parametrize("count", [1, BATCH, BATCH + 1, 3 * BATCH + 1])
@pytest.mark.parametrize("zero_copy", [False, True])
@pytest.mark.parametrize("graphs", [False, True])
def test_every_image_gets_its_own_maps_whatever_the_batch(
    engine_file: Path, count: int, zero_copy: bool, graphs: bool
) -> None:
    with Opened(engine_file, EngineOptions(zero_copy=zero_copy), graphs=graphs).engine as engine:
        for seed in range(6):
            given = images(count, seed)
            maps = engine.infer(given)
            check(maps, given)
            assert all(values.shape[0] == count for values in maps.values())


def test_a_stream_of_batches_keeps_their_order_while_two_are_under_way(engine_file: Path) -> None:
    opened = Opened(engine_file)
    batches = [images(1 + seed % BATCH, seed) for seed in range(7)]
    for given, maps in zip(batches, opened.engine.infer_stream(iter(batches)), strict=True):
        check(maps, given)


def test_a_batch_is_taken_up_before_the_maps_of_the_one_before_are_given(engine_file: Path) -> None:
    taken: list[int] = []

    def batches() -> Any:
        for index in range(4):
            taken.append(index)
            yield images(1, index)

    next(Opened(engine_file).engine.infer_stream(batches()))
    assert taken == list(range(UNDER_WAY + 1))


def test_a_stream_that_was_left_does_not_disturb_what_follows(engine_file: Path) -> None:
    engine = Opened(engine_file).engine
    next(engine.infer_stream(images(1, seed) for seed in range(5)))
    check(engine.infer(given := images(2, 9)), given)


def test_maps_that_were_not_collected_in_time_are_never_those_of_another_batch(engine_file: Path) -> None:
    engine = Opened(engine_file).engine
    late, *in_time = (engine.begin(images(1, seed)) for seed in range(UNDER_WAY + 1))
    with pytest.raises(EngineError, match="not collected before 2 more were begun"):
        late()
    for seed, pending in enumerate(in_time, 1):
        check(pending(), images(1, seed))


def test_a_batch_that_cannot_be_begun_takes_no_other_with_it(engine_file: Path) -> None:
    opened = Opened(engine_file)
    before = opened.engine.begin(images(1, 1))
    opened.trt.failing = True
    with pytest.raises(EngineError, match="on fire"):
        opened.engine.begin(images(1, 2))
    opened.trt.failing = False
    after = opened.engine.begin(images(1, 3))
    check(before(), images(1, 1))
    check(after(), images(1, 3))


def test_the_maps_belong_to_the_caller(engine_file: Path) -> None:
    engine = Opened(engine_file).engine
    maps = engine.infer(given := images(1))
    engine.infer(images(1, seed=1))
    engine.close()
    check(maps, given)


def test_each_batch_under_way_has_a_context_and_buffers_for_the_largest_batch(engine_file: Path) -> None:
    opened = Opened(engine_file)
    pixels = BATCH * CARD.height * CARD.width
    sizes = [3 * pixels, pixels, 4 * pixels, 12 * pixels, 4 * pixels]
    assert [buffer.host.size for buffer in opened.cuda.buffers] == UNDER_WAY * sizes
    opened.engine.infer(images(7))
    assert len(opened.cuda.buffers) == UNDER_WAY * len(sizes)
    assert opened.trt.contexts == UNDER_WAY


def test_addresses_are_set_once_for_frames_of_one_camera(engine_file: Path) -> None:
    opened = Opened(engine_file)
    for seed in range(5):
        opened.engine.infer(images(1, seed))
    assert sum("address" in call for call in opened.cuda.calls) == UNDER_WAY * len(interface(CARD))
    assert opened.trt.shapes == UNDER_WAY * [(1, CARD.height, CARD.width, 3)]
    opened.engine.infer(images(2))
    assert opened.trt.shapes[UNDER_WAY:] == [(2, CARD.height, CARD.width, 3)]
    assert sum("address" in call for call in opened.cuda.calls) == UNDER_WAY * len(interface(CARD))


def test_what_was_launched_once_is_recorded_and_from_then_on_one_graph(engine_file: Path) -> None:
    opened = Opened(engine_file, graphs=True)
    for seed in range(10):
        check(opened.engine.infer(given := images(2, seed)), given)
    executions, launched = opened.trt.executions, opened.cuda.launched
    for seed in range(5):
        check(opened.engine.infer(given := images(2, seed)), given)
    assert opened.trt.executions == executions
    assert opened.cuda.launched == launched + 5


def test_graphs_are_of_one_size_of_batch(engine_file: Path) -> None:
    opened = Opened(engine_file, graphs=True)
    for seed in range(24):
        check(opened.engine.infer(given := images(1 + seed // 4 % 2, seed)), given)
    assert opened.cuda.launched > 6


def test_what_cannot_be_recorded_is_launched_as_before_and_not_tried_again(engine_file: Path) -> None:
    opened = Opened(engine_file)
    for seed in range(9):
        check(opened.engine.infer(given := images(1, seed)), given)
    assert opened.cuda.calls.count("record") == UNDER_WAY
    assert opened.trt.executions == 10  # with the warm-up


def test_an_inference_that_fails_while_it_is_recorded_is_an_error(engine_file: Path) -> None:
    opened = Opened(engine_file, graphs=True)
    opened.engine.infer(images(1))
    opened.trt.failing = True
    with pytest.raises(EngineError, match="on fire"):
        opened.engine.infer(images(1))
    opened.trt.failing = False
    for seed in range(4):
        check(opened.engine.infer(given := images(1, seed)), given)


def test_a_stream_refuses_a_batch_that_its_buffers_cannot_hold(engine_file: Path) -> None:
    engine = Opened(engine_file).engine
    with pytest.raises(EngineError, match=rf"{BATCH + 1} images in one batch.*up to {BATCH}.*--batch {BATCH + 1}"):
        next(engine.infer_stream([images(BATCH + 1)]))
    check(engine.infer(given := images(1)), given)


@pytest.mark.parametrize("graphs", [False, True])
def test_the_time_of_each_layer_is_a_mean_over_runs(engine_file: Path, graphs: bool) -> None:
    engine = Opened(engine_file, graphs=graphs).engine
    for _ in range(4):
        engine.infer(images(1))
    assert engine.layer_times(images(1), runs=4) == {"the whole of it": 1.0}


@pytest.mark.parametrize(
    ("asked", "integrated", "zero_copy"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_memory_is_shared_only_where_asked_for_and_there_is_one(
    engine_file: Path, asked: bool, integrated: bool, zero_copy: bool
) -> None:
    opened = Opened(engine_file, EngineOptions(zero_copy=asked), integrated=integrated)
    assert {buffer.zero_copy for buffer in opened.cuda.buffers} == {zero_copy}


def test_times_are_of_the_stages_in_their_order(engine_file: Path) -> None:
    engine = Opened(engine_file).engine
    engine.infer(images(1))
    times = engine.times
    assert min(times.h2d, times.compute, times.d2h) > 0
    assert times.latency == times.h2d + times.compute + times.d2h


def test_everything_is_freed_in_the_order_in_which_it_hangs_together(engine_file: Path) -> None:
    opened = Opened(engine_file)
    opened.cuda.calls.clear()
    opened.engine.close()
    buffers = ["free buffer"] * len(opened.cuda.buffers)
    assert opened.cuda.calls == [*["free context"] * UNDER_WAY, "free engine", "free runtime", *buffers, "close GPU"]
    opened.engine.close()
    assert opened.cuda.calls[-1] == "close GPU"
    assert opened.cuda.calls.count("close GPU") == 1


def test_a_closed_engine_says_so(engine_file: Path) -> None:
    engine = Opened(engine_file).engine
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(images(1))


def test_closing_after_a_fault_of_the_gpu_raises_nothing_and_lets_go_of_it(
    engine_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened = Opened(engine_file)
    opened.cuda.broken = True
    opened.engine.close()
    assert opened.cuda.calls[-1] == "close GPU"
    assert "unspecified launch failure" in caplog.text


def test_a_failed_inference_gives_tensorrts_reason_and_the_engine_goes_on(engine_file: Path) -> None:
    opened = Opened(engine_file)
    opened.trt.failing = True
    with pytest.raises(EngineError, match="the machine is on fire"):
        opened.engine.infer(images(1))
    opened.trt.failing = False
    check(opened.engine.infer(given := images(1, 5)), given)


def test_images_of_another_size_are_refused(engine_file: Path) -> None:
    with pytest.raises(EngineError, match="takes uint8"):
        Opened(engine_file).engine.infer(np.zeros((1, 9, 9, 3), np.uint8))


def change_a_byte(path: Path) -> None:
    path.write_bytes(b"A plan")


def edit(**changes: Any) -> Callable[[Path], None]:
    return lambda path: write_sidecar(path, read_sidecar(path).replace(**changes))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (change_a_byte, r"sha256 [0-9a-f]{12}… found, [0-9a-f]{12}… wanted.*avtar-engine build"),
        (lambda path: sidecar_path(path).unlink(), r"sidecar model\.engine\.json is missing.*avtar-engine build"),
        (lambda path: sidecar_path(path).write_text("{"), "not JSON"),
        (lambda path: sidecar_path(path).write_text("[]"), "must be an object"),
        (lambda path: sidecar_path(path).write_text('{"format": 2}'), "format 2 found, 1 wanted"),
        (lambda path: sidecar_path(path).write_text('{"format": 1}'), "lacks.*card"),
        (edit(verified=False), r"avtar-engine verify .*model\.engine --against"),
        (edit(tensorrt="10.13.0.35"), r"TensorRT 10\.3\.0\.30 found, 10\.13\.0\.35 wanted.*avtar-engine build"),
        (edit(gpu=Gpu("Orin", "8.7", 16)), r"8 SMs\) found, Orin \(compute capability 8\.7, 16 SMs\) wanted"),
        (edit(gpu=Gpu("Thor", "11.0", 8)), r"wanted.*avtar-engine build"),
    ],
)
def test_an_engine_that_is_not_for_this_machine_is_refused_before_it_is_loaded(
    engine_file: Path, damage: Callable[[Path], object], reason: str
) -> None:
    damage(engine_file)
    cuda = RecordingCuda()
    trt = RecordingTensorRT(cuda, interface(CARD))
    with pytest.raises(EngineError, match=reason):
        TensorRTEngine(engine_file, EngineOptions(), trt=trt, cuda=cuda)
    assert not hasattr(trt, "logger")  # no runtime was made
    assert cuda.calls in ([], ["close GPU"])


def test_who_verifies_may_load_an_engine_that_is_not_verified(engine_file: Path) -> None:
    write_sidecar(engine_file, sidecar(verified=False, gpu=None))
    cuda = RecordingCuda()
    trt = RecordingTensorRT(cuda, interface(CARD))
    TensorRTEngine(engine_file, EngineOptions(), unverified=True, trt=trt, cuda=cuda).close()


def test_a_plan_that_tensorrt_refuses_gives_its_reason_and_holds_nothing(engine_file: Path) -> None:
    with pytest.raises(EngineError, match=r"the plan is from another world.*avtar-engine build"):
        Opened(engine_file, refusing=True)


def of_single_images() -> dict[str, TensorInfo]:
    """What TensorRT reports of an engine whose least, best and largest batch are all 1."""
    return {name: TensorInfo(info.dtype, (1, *info.shape[1:])) for name, info in interface(CARD).items()}


@pytest.mark.parametrize("tensors", [of_single_images(), interface(CARD)], ids=["1", "-1"])
def test_an_engine_for_single_images_may_say_1_for_its_batch(
    engine_file: Path, tensors: dict[str, TensorInfo]
) -> None:
    write_sidecar(engine_file, sidecar(options=BuildOptions("fp16", 1)))
    with Opened(engine_file, tensors=tensors).engine as engine:
        given = images(3)
        check(engine.infer(given), given)


def test_an_engine_whose_batch_cannot_vary_as_its_sidecar_says_is_refused(engine_file: Path) -> None:
    with pytest.raises(EngineError, match="card promises"):
        Opened(engine_file, tensors=of_single_images())


def test_a_shape_that_tensorrt_refuses_is_an_error_with_its_reason(engine_file: Path) -> None:
    opened = Opened(engine_file)
    opened.trt.tensors = {name: TensorInfo(info.dtype, (1, *info.shape[1:])) for name, info in interface(CARD).items()}
    with pytest.raises(EngineError, match=r"inference failed: the shape is not one of the engine's"):
        opened.engine.infer(images(BATCH))
    check(opened.engine.infer(given := images(1)), given)


def test_a_tensorrt_that_cannot_start_gives_the_reason_and_both_versions_of_cuda(
    engine_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("avtar_ros.engines.tensorrt.wheels_cuda", lambda: "13")
    said = r"cannot start: CUDA initialization failure with error: 35\. It is for CUDA 13; .* has CUDA 12\.6"
    with pytest.raises(EngineError, match=said):
        Opened(engine_file, starting_fails=True)


def test_the_cuda_of_a_wheel_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def install(*names: str) -> None:
        found = [types.SimpleNamespace(metadata={"Name": name}) for name in names]
        monkeypatch.setattr("avtar_ros.engines.tensorrt.distributions", lambda: found)

    install("numpy", "tensorrt", "tensorrt_cu12_bindings", "tensorrt-cu12")
    assert wheels_cuda() == "12"
    install("numpy", "tensorrt")
    assert wheels_cuda() == ""


@pytest.mark.parametrize(
    "tensors",
    [
        {name: info for name, info in interface(CARD).items() if name != "edges"},
        interface(CARD) | {"depth": TensorInfo("float16", (-1, 4, 6))},
        interface(CARD) | {"depth": TensorInfo("float32", (-1, 6, 4))},
    ],
)
def test_an_engine_with_other_tensors_than_its_card_promises_is_refused(
    engine_file: Path, tensors: dict[str, TensorInfo]
) -> None:
    with pytest.raises(EngineError, match="card promises"):
        Opened(engine_file, tensors=tensors)


def test_an_engine_that_cannot_be_opened_lets_go_of_the_gpu(engine_file: Path) -> None:
    cuda = RecordingCuda()
    trt = RecordingTensorRT(cuda, interface(CARD))
    trt.failing = True  # at the warm-up
    with pytest.raises(EngineError, match="on fire"):
        TensorRTEngine(engine_file, EngineOptions(), trt=trt, cuda=cuda)
    assert cuda.calls[-1] == "close GPU"
    assert cuda.calls.count("free buffer") == len(cuda.buffers)


@pytest.mark.parametrize(("version", "fine"), [("8.6.1", False), ("10.2.0", False), ("10.3.0", True), ("11.0.0", True)])
def test_tensorrt_must_be_new_enough(monkeypatch: pytest.MonkeyPatch, version: str, fine: bool) -> None:
    module = types.ModuleType("tensorrt")
    module.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    if fine:
        assert load_tensorrt() is module
    else:
        with pytest.raises(EngineError, match=rf"TensorRT {version} found, 10\.3 or later wanted.*JetPack 6\.1"):
            load_tensorrt()


def test_without_tensorrt_the_message_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch, engine_file: Path) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineError, match=r"TensorRT is not installed.*JetPack"):
        open_engine(engine_file)


def test_without_pycuda_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(EngineError, match=r"pycuda is not installed.*avtar_ros\[tensorrt\]"):
        PyCuda()
