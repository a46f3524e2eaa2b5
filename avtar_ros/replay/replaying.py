"""Running a model over a recorded camera: read, infer, then write and judge, each stage ahead of the next."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

from avtar_ros.perception import Perception
from avtar_ros.replay.bag_writer import BagWriter
from avtar_ros.replay.judge import Judge
from avtar_ros.replay.prefetch import prefetch
from avtar_ros.replay.recorded_frames import RecordedCamera, RecordedFrame
from avtar_ros.tasks import TASKS, Maps


@dataclass(frozen=True)
class PerceivedFrame:
    """A recorded frame with its maps and how long they took, from the decoded image on."""

    recorded: RecordedFrame
    maps: Maps
    latency_ns: int


def replay(
    camera: RecordedCamera, perception: Perception, output: BagWriter, judge: Judge, every: int = 1
) -> Iterator[PerceivedFrame]:
    """Perceive every `every`-th frame, write its maps under the original stamp, judge them, and yield it.

    Raises EngineError; what was done before stays written and judged.
    """
    for perceived in prefetch(perceive(perception, prefetch(_frames(camera, every)))):
        frame = perceived.recorded.frame
        for task, task_map in perceived.maps.items():
            topic = map_topic(camera.topic, task)
            output.write_image(topic, frame.stamp_ns, frame.frame_id, task_map, TASKS[task].encoding)
        judge.add(frame, perceived.maps, perceived.recorded.truth, perceived.latency_ns)
        yield perceived


def perceive(
    perception: Perception, frames: Iterable[RecordedFrame]
) -> Generator[PerceivedFrame, None, None]:
    for recorded in frames:
        begin_ns = time.perf_counter_ns()
        (maps,) = perception([recorded.frame])
        yield PerceivedFrame(recorded, maps, time.perf_counter_ns() - begin_ns)


def map_topic(camera_topic: str, task: str) -> str:
    """Where a camera's maps go: /camera/color/image_raw/compressed to /camera/color/depth/image."""
    namespace = camera_topic.removesuffix("/compressed").rpartition("/")[0]
    return f"{namespace}/{task}/image"


def _frames(camera: RecordedCamera, every: int) -> Generator[RecordedFrame, None, None]:
    yield from camera.frames(every)
