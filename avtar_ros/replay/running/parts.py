"""A run's output while it grows: in parts, so that whatever interrupts the run, finished parts are kept.

    with PartedOutput(folder, Path("output.mcap"), identity, cameras, tasks) as output:
        for perceived in output.recall(recorded_frames): ...   # what an earlier run has finished
        output.write(perceived)                                # what comes after that
    output.discard_parts()

The maps go to one file, which takes its name and gets its index when the `with` is left. `folder` says what is in it:
`identity.json`, what the run is of, and for each finished part, 000000.json, 000001.json, ..., where it ends in the
file and how long its frames took.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from mcap.reader import NonSeekingReader
from rosbags.typesys import Stores, get_typestore

from avtar_ros.bags.bag import BagError
from avtar_ros.bags.ground_truth import decode_map, encode_png, png_format
from avtar_ros.bags.mcap_stored import stored_chunks
from avtar_ros.bags.recorded_frames import RecordedCamera, RecordedFrame
from avtar_ros.bags.writing import COMPRESSED_IMAGE, IMAGE, BagWriter
from avtar_ros.disk.files import partial_name, write_text
from avtar_ros.disk.outputs import remove_made
from avtar_ros.errors import AvtarError
from avtar_ros.json_records import parse_record, read_json
from avtar_ros.replay.running.perceived import PerceivedFrame, map_topic, packed_map_topic
from avtar_ros.tasks import TASKS, Maps

PART_FRAMES = 50
"""How many frames are at most lost when the process is killed."""
REPEATING = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
NOISY = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY)
"""How PNGs are written: looking farther for what repeats in predictions takes more time, and more space for most."""
IDENTITY = "identity.json"
PART_FILES = r"(identity|[0-9]{6,})\.json(\.partial)?"


@dataclass(frozen=True)
class Part:
    """A finished part: the byte at which it ends in the file, and how long each of its frames took."""

    end: int
    latencies_ns: tuple[int, ...]


class PartedOutput(AbstractContextManager["PartedOutput"]):
    """The output of a run of the model's `tasks` over cameras, begun or continued.

    `path` is the file, beside which `folder` says what is in it. `identity` says what the run is of, all that the maps
    depend on: parts of another run are thrown away. On leaving by an error, what was written is finished as a part, but
    not when the files themselves failed, and the file stays without its name. Raises OSError, and BagError where two
    things would go to one topic.
    """

    def __init__(
        self,
        folder: Path,
        path: Path,
        identity: Mapping[str, str],
        cameras: Sequence[RecordedCamera],
        tasks: Sequence[str],
        exact: bool = True,
    ) -> None:
        self._folder = folder
        self._path = path
        self.exact = exact
        self._topic = map_topic if exact else packed_map_topic
        self._tasks_by_topic = {self._topic(c.topic, task): task for c in cameras for task in tasks}
        self._tasks = tuple(tasks)
        self._topics = self._all_topics(cameras)
        self._latencies_ns: list[int] = []
        text = json.dumps(dict(identity), indent=1) + "\n"
        if not _holds(folder / IDENTITY, text):
            remove_made(folder, PART_FILES)
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / IDENTITY, text)
        self.parts = list(_recorded_parts(folder))
        if self.parts:
            _take_name_away(path)
            ends = _ends_of_chunks(partial_name(path))
            self.parts = list(itertools.takewhile(lambda part: part.end in ends, self.parts))
        for stale in sorted(folder.glob("[0-9]*.json"))[len(self.parts) :]:
            stale.unlink()

    def __enter__(self) -> PartedOutput:
        self._bag = BagWriter(self._path, self.parts[-1].end if self.parts else 0)
        for topic, msgtype in self._topics.items():
            self._bag.declare(topic, msgtype)
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
        recorded = perceived.recorded
        frame = recorded.frame
        for topic, message in recorded.messages:
            self._bag.write_message(topic, frame.stamp_ns, self._topics[topic], message)
        for task, task_map in perceived.maps.items():
            topic = self._topic(recorded.topic, task)
            if self.exact:
                self._bag.write_image(topic, frame.stamp_ns, frame.frame_id, task_map, TASKS[task].encoding)
            else:
                stored = perceived.stored[task]
                form, png = png_format(stored), encode_png(stored, REPEATING if TASKS[task].storage.repeats else NOISY)
                self._bag.write_compressed(topic, frame.stamp_ns, frame.frame_id, form, png)
        self._latencies_ns.append(perceived.latency_ns)
        if len(self._latencies_ns) == PART_FRAMES:
            self._finish_part()

    def discard_parts(self) -> None:
        """Forget the parts; the file stays, and cannot be continued any more."""
        remove_made(self._folder, PART_FILES)

    def _all_topics(self, cameras: Sequence[RecordedCamera]) -> dict[str, str]:
        """All topics that are written with their message types, in an order of their own."""
        kind = IMAGE if self.exact else COMPRESSED_IMAGE
        pairs = [(self._topic(camera.topic, task), kind) for camera in cameras for task in self._tasks]
        for camera in cameras:
            if camera.matching.keep_messages:
                pairs += [(topic, camera.bag.topics[topic].msgtype) for topic in camera.passed_topics]
        maps = len(cameras) * len(self._tasks)
        for topic, _ in pairs[:maps]:
            if [name for name, _ in pairs].count(topic) > 1:
                raise BagError(
                    f"{cameras[0].bag.path}: two things would be written to {topic}. Replay one camera at a time, and "
                    "without the input topics."
                )
        return dict(pairs)

    def _finish_part(self) -> None:
        part = Part(self._bag.flush(), tuple(self._latencies_ns))
        write_text(_part_path(self._folder, len(self.parts)), json.dumps(asdict(part)) + "\n")
        self.parts.append(part)
        self._latencies_ns.clear()

    def _stored_maps(self) -> Iterator[Maps]:
        types = get_typestore(Stores.LATEST)
        maps: Maps = {}
        with partial_name(self._path).open("rb") as file:
            for _, channel, stored in NonSeekingReader(file).iter_messages(log_time_order=False):
                if channel.topic not in self._tasks_by_topic:
                    continue
                task = TASKS[self._tasks_by_topic[channel.topic]]
                message: Any = types.deserialize_cdr(stored.data, self._topics[channel.topic])
                if self.exact:
                    shape = task.shape(message.height, message.width)
                    maps[task.name] = np.frombuffer(message.data, task.dtype).reshape(shape)
                else:
                    maps[task.name] = decode_map(task.name, message)
                if len(maps) == len(self._tasks):
                    yield maps
                    maps = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._latencies_ns and not isinstance(error, OSError):
                self._finish_part()
            if error is None:
                self._bag.close()
        finally:
            self._bag.abandon()


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text() == text
    except (OSError, UnicodeDecodeError):
        return False


def _recorded_parts(folder: Path) -> Iterator[Part]:
    """The parts from the first on, up to one that is missing."""
    for index in itertools.count():
        part = _recorded_part(_part_path(folder, index))
        if part is None:
            return
        yield part


def _recorded_part(path: Path) -> Part | None:
    try:
        return parse_record(Part, read_json(path.read_text(), path.name), path.name)
    except (OSError, UnicodeDecodeError, AvtarError):
        return None


def _part_path(folder: Path, index: int) -> Path:
    return folder / f"{index:06}.json"


def _take_name_away(path: Path) -> None:
    """Make a run's file, where it was completed when the run was interrupted, one that is being written again."""
    if not partial_name(path).exists() and path.exists():
        path.replace(partial_name(path))


def _ends_of_chunks(path: Path) -> set[int]:
    """The bytes at which complete chunks end."""
    try:
        with path.open("rb") as file:
            return {chunk.end for chunk in stored_chunks(file)}
    except FileNotFoundError:
        return set()
