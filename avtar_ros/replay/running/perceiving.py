"""Running a model over recorded cameras: reading, inference, finishing, writing and judging overlap."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.recorded_frames import RecordedFrame
from avtar_ros.perception import Perception
from avtar_ros.replay.judging.judge import Judge
from avtar_ros.replay.running.parts import PartedOutput
from avtar_ros.replay.running.perceived import PerceivedFrame
from avtar_ros.replay.running.prefetch import prefetch
from avtar_ros.tasks import Maps


def replay(
    frames: Generator[RecordedFrame, None, None], perception: Perception, output: PartedOutput, judge: Judge
) -> Iterator[PerceivedFrame]:
    """Perceive frames, write their maps under the original stamps, judge them, and yield them.

    Of frames that `output` has from an earlier run, the maps are taken from there. Raises EngineError and
    OSError; what was done before stays written.
    """
    recorded = prefetch(frames)
    for perceived in output.recall(itertools.islice(recorded, output.frames)):
        _judge(judge, perceived)
        yield perceived
    with ThreadPoolExecutor(1) as writer:
        fresh = perceive(perception, recorded)
        for perceived in prefetch(fresh if output.exact else _quantised(fresh), depth=2):
            writing = writer.submit(output.write, perceived)
            try:
                _judge(judge, perceived)
            finally:
                writing.result()
            yield perceived


def perceive(
    perception: Perception, frames: Iterable[RecordedFrame]
) -> Generator[PerceivedFrame, None, None]:
    """The maps of each frame. While the engine is at one, the next is scaled for it, and the last one's maps back."""
    for inferred in prefetch(_infer(perception, prefetch(_prepare(perception, frames), depth=2)), depth=2):
        begin_ns = time.perf_counter_ns()
        maps = perception.finish(inferred.recorded.frame, inferred.outputs)
        latency_ns = inferred.latency_ns + time.perf_counter_ns() - begin_ns
        yield PerceivedFrame(inferred.recorded, maps, latency_ns)


def _quantised(frames: Iterable[PerceivedFrame]) -> Generator[PerceivedFrame, None, None]:
    for perceived in prefetch(_generated(frames), depth=2):
        yield perceived.quantised()


def _generated(frames: Iterable[PerceivedFrame]) -> Generator[PerceivedFrame, None, None]:
    yield from frames


@dataclass(frozen=True)
class _PreparedFrame:
    """A frame with the engine's input (1, H, W, 3), and how long scaling took."""

    recorded: RecordedFrame
    images: NDArray[np.uint8]
    latency_ns: int


@dataclass(frozen=True)
class _InferredFrame:
    """A frame with what the engine gave for it, and how long scaling the image and inference took."""

    recorded: RecordedFrame
    outputs: Maps
    latency_ns: int


def _prepare(perception: Perception, frames: Iterable[RecordedFrame]) -> Generator[_PreparedFrame, None, None]:
    for recorded in frames:
        begin_ns = time.perf_counter_ns()
        images = perception.prepare([recorded.frame])
        yield _PreparedFrame(recorded, images, time.perf_counter_ns() - begin_ns)


def _infer(perception: Perception, frames: Iterable[_PreparedFrame]) -> Generator[_InferredFrame, None, None]:
    for prepared in frames:
        begin_ns = time.perf_counter_ns()
        outputs = perception.engine.infer(prepared.images)
        latency_ns = prepared.latency_ns + time.perf_counter_ns() - begin_ns
        yield _InferredFrame(prepared.recorded, {task: outputs[task][0] for task in perception.tasks}, latency_ns)


def _judge(judge: Judge, perceived: PerceivedFrame) -> None:
    recorded = perceived.recorded
    judge.add(recorded.frame, perceived.maps, recorded.truth, perceived.latency_ns, recorded.topic)
