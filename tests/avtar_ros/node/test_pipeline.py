"""Frames on their way through the pipeline: what is in work beside what, what waits for what, what becomes of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avtar_ros.engines.engine import UNDER_WAY, Engine, EngineError, EngineOptions, Pending
from avtar_ros.engines.opening import open_engine
from avtar_ros.engines.sidecar import interface
from avtar_ros.engines.tensorrt import TensorRTEngine
from avtar_ros.geometry.lens import Lens
from avtar_ros.node.frame_maps import FrameMaps
from avtar_ros.node.parameters import NodeParameters
from avtar_ros.node.pipeline import Arrival, Pipeline
from avtar_ros.node.statistics import NodeStatistics
from avtar_ros.perception import Perception
from avtar_ros.resources import DEMO_MODEL, find_resource
from avtar_ros.tasks import Maps
from tests.avtar_ros.engines.engine_files import CARD, write_engine
from tests.avtar_ros.engines.recording import RecordingCuda, RecordingTensorRT
from tests.node_client import image

PATIENCE_S = 20.0
"""How long a test waits for what must come before it fails."""


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.001)


@dataclass
class Camera:
    """A camera and its outputs in one: keeps the number and the mean depth of each frame that is published."""

    name: str = "camera"
    numbers: list[int] = field(default_factory=list)
    depths: list[float] = field(default_factory=list)
    source: Any = field(default_factory=lambda: SimpleNamespace(camera_info_topic="info"))

    @property
    def outputs(self) -> Camera:
        return self

    def announce(self, _card: object) -> None: ...

    def wanted(self) -> set[str]:
        return {"depth/image"}

    def lens(self, *_: object) -> Lens:
        return Lens(None)

    def publish(self, _wanted: object, maps: FrameMaps, header: Any, _contained: object) -> bool:
        self.depths.append(float(maps.map("depth").mean()))
        self.numbers.append(header.stamp.nanosec)
        return True


@dataclass
class Logger:
    said: list[str] = field(default_factory=list)

    def error(self, text: str, **_: object) -> None:
        self.said.append(text)

    warning = error


class Watched(Engine):
    """Another engine, with a list of what was begun and what was done, in the order in which that was.

    A batch of the numbers in `held` is not done before `release`, nor is one begun or collected in `failing`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self.card, self.description = engine, engine.card, engine.description
        self.largest_batch = engine.largest_batch
        self.events: list[tuple[str, int]] = []
        self.begun = self.closed = 0
        self.held: set[int] = set()
        self.failing: dict[int, str] = {}
        self.release = threading.Event()

    def infer(self, images: NDArray[np.uint8]) -> Maps:
        return self.begin(images)()

    def begin(self, images: NDArray[np.uint8]) -> Pending:
        number, self.begun = self.begun, self.begun + 1
        self.events.append(("begun", number))
        if self.failing.get(number) == "begun":
            raise EngineError("the GPU is gone")
        pending = self._engine.begin(images)

        def collect() -> Maps:
            if number in self.held:
                assert self.release.wait(PATIENCE_S)
            maps = pending()
            self.events.append(("done", number))
            if self.failing.get(number) == "done":
                raise EngineError("the GPU is gone")
            return maps

        return collect

    def overlaps(self) -> int:
        """How many batches were begun while the one before was not done."""
        return sum(
            self.events.index(("begun", number)) < self.events.index(("done", number - 1))
            for number in range(1, self.begun)
        )

    def close(self) -> None:
        self.closed += 1
        self._engine.close()


class Running:
    """A pipeline, and what belongs to it. The pixels of an image tell its number."""

    def __init__(self, engine: Engine, cameras: tuple[str, ...] = ("camera",)) -> None:
        self.engine = Watched(engine)
        self.cameras = {name: Camera(name) for name in cameras}
        self.statistics = NodeStatistics(cameras)
        self.logger = Logger()
        settings = NodeParameters(cameras=cameras, map_size="model")
        perception = Perception(self.engine, map_size="model")
        self.pipeline = Pipeline(perception, self.cameras, self.statistics, settings, self.logger)  # type: ignore[arg-type]

    def put(self, number: int, camera: str = "camera") -> None:
        pixels = np.full((self.engine.card.height, self.engine.card.width, 3), number % 200, np.uint8)
        self.pipeline.put(camera, Arrival(image(pixels, number), 0, time.monotonic_ns()))

    def await_frame(self, number: int, camera: str = "camera") -> None:
        until(lambda: number in self.cameras[camera].numbers, f"maps of frame {number}")

    def check_all_are_accounted_for(self) -> None:
        for name, counts in self.statistics.counts.items():
            ends = vars(counts) | {"received": 0}
            assert counts.received == sum(ends.values())
            assert counts.published == len(self.cameras[name].numbers)


@contextmanager
def running(engine: Engine, *cameras: str) -> Iterator[Running]:
    run = Running(engine, cameras or ("camera",))
    run.pipeline.start()
    try:
        yield run
    finally:
        run.engine.release.set()
        run.pipeline.stop()
        run.engine.close()


@pytest.fixture
def gpu(tmp_path: Path) -> TensorRTEngine:
    """A TensorRT engine with stand-ins for TensorRT and CUDA."""
    cuda = RecordingCuda()
    path = write_engine(tmp_path / "model.engine")
    return TensorRTEngine(path, EngineOptions(), trt=RecordingTensorRT(cuda, interface(CARD)), cuda=cuda)


@pytest.fixture(params=["onnxruntime", "tensorrt"])
def engine(request: pytest.FixtureRequest, tiny_model: Path) -> Engine:
    if request.param == "tensorrt":
        found: Engine = request.getfixturevalue("gpu")
        return found
    return open_engine(tiny_model, EngineOptions(threads=1))


def test_no_frame_waits_for_the_next_one(engine: Engine) -> None:
    with running(engine) as run:
        for number in range(1, 6):
            run.put(number)
            run.await_frame(number)
        assert run.engine.overlaps() == 0


def test_the_next_frame_is_begun_while_one_is_inferred(engine: Engine) -> None:
    with running(engine) as run:
        run.engine.held = {0}
        run.put(1)
        until(lambda: run.engine.begun == 1, "inference")
        run.put(2)
        until(lambda: run.engine.begun == 2, "second inference beside the first")
        run.engine.release.set()
        run.await_frame(2)
        assert run.cameras["camera"].numbers == [1, 2]
        assert run.engine.overlaps() == 1


def test_while_as_many_as_may_be_are_under_way_only_the_newest_frame_waits(engine: Engine) -> None:
    with running(engine) as run:
        run.engine.held = {0}
        for number in range(1, UNDER_WAY + 1):
            run.put(number)
            until(lambda: run.engine.begun == number, "inference")  # noqa: B023
        for number in range(3, 9):
            run.put(number)
        time.sleep(0.05)
        assert run.engine.begun == UNDER_WAY
        run.engine.release.set()
        run.await_frame(8)
        assert run.cameras["camera"].numbers == [1, 2, 8]
        assert run.statistics.counts["camera"].dropped == 5


def test_under_a_flood_every_frame_is_accounted_for_in_order_and_has_its_own_maps(engine: Engine) -> None:
    names = ("left", "right")
    with running(engine, *names) as run:
        for number in range(1, 200):
            for name in names:
                run.put(number + (1000 if name == "right" else 0), name)
            time.sleep(0.0005 * (number % 4))
        run.await_frame(199, "left")
        run.await_frame(1199, "right")
    run.check_all_are_accounted_for()
    for camera in run.cameras.values():
        assert camera.numbers == sorted(set(camera.numbers))
        levels = [number % 200 for number in camera.numbers]
        expected = levels if isinstance(engine, TensorRTEngine) else [0.5 + 9.5 * level / 255 for level in levels]
        np.testing.assert_allclose(camera.depths, expected, rtol=1e-5)


@pytest.mark.parametrize("when", ["begun", "done"])
def test_a_batch_that_fails_is_counted_and_takes_no_other_with_it(engine: Engine, when: str) -> None:
    with running(engine) as run:
        run.engine.failing = {1: when}
        for number in range(1, 5):
            run.put(number)
            until(lambda: run.engine.begun == number, "inference")  # noqa: B023
        run.await_frame(4)
        assert run.cameras["camera"].numbers == [1, 3, 4]
        assert run.statistics.counts["camera"].failed == 1
        assert "the GPU is gone" in run.logger.said[0]
    run.check_all_are_accounted_for()


def test_a_model_is_replaced_when_nothing_is_in_work_and_no_frame_is_lost(tiny_model: Path) -> None:
    with running(open_engine(tiny_model, EngineOptions(threads=1))) as run:
        old, new = run.engine, Watched(open_engine(tiny_model, EngineOptions(threads=1)))
        old.held = {0}
        for number in (1, 2):
            run.put(number)
            until(lambda: old.begun == number, "inference")  # noqa: B023
        threading.Timer(0.05, old.release.set).start()
        with run.pipeline.between_frames():
            assert run.cameras["camera"].numbers == [1, 2]
            run.put(3)
            run.pipeline.perception = Perception(new, map_size="model")
            old.close()
        run.await_frame(3)
        assert new.events == [("begun", 0), ("done", 0)]
    run.check_all_are_accounted_for()
    new.close()


def test_stopping_finishes_what_is_in_work_and_drops_what_waits(engine: Engine) -> None:
    run = Running(engine)
    run.engine.held = {0}
    run.pipeline.start()
    for number in range(1, UNDER_WAY + 1):
        run.put(number)
        until(lambda: run.engine.begun == number, "inference")  # noqa: B023
    run.put(3)
    threading.Timer(0.05, run.engine.release.set).start()
    run.pipeline.stop()
    run.engine.close()
    assert run.cameras["camera"].numbers == [1, 2]
    assert run.statistics.counts["camera"].dropped == 1
    run.check_all_are_accounted_for()


def test_the_steps_of_a_frame_add_up_also_where_frames_overlap(engine: Engine) -> None:
    with running(engine) as run:
        run.engine.held = {0}
        for number in (1, 2):
            run.put(number)
            until(lambda: run.engine.begun == number, "inference")  # noqa: B023
        run.engine.release.set()
        run.await_frame(2)
    for times in run.statistics._times:
        assert times.wait + times.preprocess + times.engine + times.publish == times.node
        assert times.transport + times.node == times.total
        assert min(times.wait, times.preprocess, times.engine, times.publish) >= 0


def test_copies_to_the_gpu_and_the_next_computation_are_asked_for_before_the_last_is_done(gpu: TensorRTEngine) -> None:
    """The stand-in computes only when it is waited for, so its calls are the timeline: two frames, then their maps."""
    with running(gpu) as run:
        run.engine.held = {0}
        for number in (1, 2):
            run.put(number)
            until(lambda: run.engine.begun == number, "inference")  # noqa: B023
        until(lambda: all(stream._work for stream in gpu._cuda.streams.values()), "two batches in the GPU's queues")  # type: ignore[union-attr]
        run.engine.release.set()
        run.await_frame(2)


@pytest.mark.slow
def test_frames_of_a_real_model_overlap_under_load(repository: Path) -> None:
    with running(open_engine(find_resource(DEMO_MODEL), EngineOptions(threads=1))) as run:
        number = 0
        while run.engine.begun < 13:
            number += 1
            run.put(number)
            time.sleep(0.002)
        numbers = run.cameras["camera"].numbers
        until(lambda: number in numbers, "maps of the last frame")
        assert run.engine.overlaps() >= 6  # half: on a busy machine times vary
        assert numbers == sorted(numbers)
    run.check_all_are_accounted_for()
