"""A run's output while it grows: in parts, so that whatever interrupts the run, finished parts are kept.

    with PartedOutput(folder, identity, cameras, tasks) as output:
        for perceived in output.recall(recorded_frames): ...   # what an earlier run has finished
        output.write(perceived)                                # what comes after that
    output.join(Path("output.mcap"))
    output.discard()

`folder` holds `identity.json`, what the run is of, and the parts 000000.mcap, 000001.mcap, ... Each is a
complete MCAP file, which takes its name when it is finished. While the next part grows, finished ones are copied to
what will be the output, so that at the end nothing is left to copy but the last.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from mcap.exceptions import McapError
from mcap.reader import make_reader
from rosbags.typesys import Stores, get_typestore

from avtar_ros.files import write_text
from avtar_ros.replay.bag_reader import BagError
from avtar_ros.replay.bag_writer import IMAGE, BagWriter
from avtar_ros.replay.joined_mcap import JoinedMcap
from avtar_ros.replay.perceived import PerceivedFrame, map_topic
from avtar_ros.replay.recorded_frames import RecordedCamera, RecordedFrame
from avtar_ros.tasks import TASKS, Maps

PART_FRAMES = 50
"""How many frames are at most lost when the process is killed."""
IDENTITY = "identity.json"
JOINED = "joined.mcap"
METADATA = "avtar_replay"


@dataclass(frozen=True)
class Part:
    """A finished part and how long each of its frames took."""

    path: Path
    latencies_ns: tuple[int, ...]


class PartedOutput(AbstractContextManager["PartedOutput"]):
    """The output of a run of the model's `tasks` over cameras, begun or continued.

    `identity` says what the run is of, all that the maps depend on: parts of another run are thrown away. On
    leaving, also by an error, what was written is finished as a part; but not when the files themselves failed.
    Raises OSError, and BagError where two things would go to one topic.
    """

    def __init__(
        self, folder: Path, identity: Mapping[str, str], cameras: Sequence[RecordedCamera], tasks: Sequence[str]
    ) -> None:
        self._folder = folder
        self._tasks_by_topic = {map_topic(c.topic, task): task for c in cameras for task in tasks}
        self._tasks = tuple(tasks)
        self._topics = _topics(cameras, tasks)
        self._bag: BagWriter | None = None
        self._latencies_ns: list[int] = []
        text = json.dumps(dict(identity), indent=1) + "\n"
        if not _holds(folder / IDENTITY, text):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_text(folder / IDENTITY, text)
        self.parts = list(_finished_parts(folder))
        self._joined = JoinedMcap(folder / JOINED)

    def __enter__(self) -> PartedOutput:
        self._joined.begin()
        for part in self.parts:
            self._joined.add(part.path)
        return self

    @property
    def frames(self) -> int:
        """How many frames there are in finished parts."""
        return sum(len(part.latencies_ns) for part in self.parts)

    def recall(self, frames: Iterable[RecordedFrame]) -> Iterator[PerceivedFrame]:
        """The frames with their maps out of the finished parts; `frames` are those of the earlier run, in order."""
        latencies = (latency_ns for part in self.parts for latency_ns in part.latencies_ns)
        for recorded, maps, latency_ns in zip(frames, self._stored_maps(), latencies, strict=False):
            yield PerceivedFrame(recorded, maps, latency_ns)

    def write(self, perceived: PerceivedFrame) -> None:
        """Write a frame's maps, and the messages it was made of where it has them."""
        if self._bag is None:
            self._bag = BagWriter(self._folder / f"{len(self.parts):06}.mcap")
            # In every part the same, so that parts can be joined as they are.
            for topic, msgtype in self._topics.items():
                self._bag.declare(topic, msgtype)
        recorded = perceived.recorded
        frame = recorded.frame
        for topic, message in recorded.messages:
            self._bag.write_message(topic, frame.stamp_ns, self._topics[topic], message)
        for task, task_map in perceived.maps.items():
            topic = map_topic(recorded.topic, task)
            self._bag.write_image(topic, frame.stamp_ns, frame.frame_id, task_map, TASKS[task].encoding)
        self._latencies_ns.append(perceived.latency_ns)
        if len(self._latencies_ns) == PART_FRAMES:
            self._finish_part()

    def join(self, path: Path) -> None:
        """Put the one file of all parts to where it belongs, once the `with` is left; the parts stay as they are."""
        (self._folder / JOINED).replace(path)

    def discard(self) -> None:
        """Remove the parts."""
        shutil.rmtree(self._folder)

    def _finish_part(self) -> None:
        assert self._bag is not None
        bag, self._bag = self._bag, None
        bag.add_metadata(METADATA, {"latencies_ns": " ".join(map(str, self._latencies_ns))})
        bag.close()
        self.parts.append(Part(bag.path, tuple(self._latencies_ns)))
        self._joined.add(bag.path)
        self._latencies_ns.clear()

    def _stored_maps(self) -> Iterator[Maps]:
        types = get_typestore(Stores.LATEST)
        maps: Maps = {}
        for part in self.parts:
            with part.path.open("rb") as file:
                for _, channel, stored in make_reader(file).iter_messages(log_time_order=False):
                    if channel.topic not in self._tasks_by_topic:
                        continue
                    task = TASKS[self._tasks_by_topic[channel.topic]]
                    message: Any = types.deserialize_cdr(stored.data, IMAGE)
                    shape = task.shape(message.height, message.width)
                    maps[task.name] = np.frombuffer(message.data, task.dtype).reshape(shape)
                    if len(maps) == len(self._tasks):
                        yield maps
                        maps = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with closing(self._joined):
            if self._bag is not None and isinstance(error, OSError):
                self._bag.abandon()
            elif self._bag is not None:
                self._finish_part()
            if error is None:
                self._joined.finish()


def _topics(cameras: Sequence[RecordedCamera], tasks: Sequence[str]) -> dict[str, str]:
    """All topics that are written with their message types, in an order of their own."""
    pairs = [(map_topic(camera.topic, task), IMAGE) for camera in cameras for task in tasks]
    for camera in cameras:
        if camera.keep_messages:
            pairs += [(topic, camera.bag.topics[topic].msgtype) for topic in camera.passed_topics]
    maps = len(cameras) * len(tasks)
    for topic, _ in pairs[:maps]:
        if [name for name, _ in pairs].count(topic) > 1:
            raise BagError(
                f"{cameras[0].bag.path}: two things would be written to {topic}. Replay one camera at a time, and "
                "without the input topics."
            )
    return dict(pairs)


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text() == text
    except (OSError, UnicodeDecodeError):
        return False


def _finished_parts(folder: Path) -> Iterator[Part]:
    """The parts from the first on, up to one that is missing or damaged."""
    for index in itertools.count():
        path = folder / f"{index:06}.mcap"
        try:
            with path.open("rb") as file:
                metadata = next(record for record in make_reader(file).iter_metadata() if record.name == METADATA)
        except (OSError, McapError, StopIteration):
            return
        yield Part(path, tuple(map(int, metadata.metadata["latencies_ns"].split())))
