"""Cameras' frames out of a bag, each with the ground truth recorded at the same time."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from avtar_ros.bags.bag import Bag, BagError
from avtar_ros.bags.ground_truth import decode_map
from avtar_ros.bags.interpolation import Between, around, interpolated
from avtar_ros.bags.topics import find_camera, find_camera_info, find_truth, is_registered
from avtar_ros.geometry.camera_model import CameraModel
from avtar_ros.images import ImageError, to_rgb
from avtar_ros.perception import Frame
from avtar_ros.tasks import DEPTH, Maps, TaskMap

T = TypeVar("T")

MAX_TOLERANCE_NS = 50_000_000
WAIT = 10
"""Frames that may wait for their ground truth to come; more would be memory for nothing."""
INFO = "camera_info"
"""What CameraInfo is called among the messages that belong to a frame."""


@dataclass(frozen=True)
class Selection:
    """Which frames of a bag: every `every`-th of those recorded from `start_s` after its start, for `duration_s`."""

    every: int = 1
    start_s: float = 0.0
    duration_s: float | None = None

    def window_ns(self, bag: Bag) -> tuple[int, int]:
        """From when and before when on the bag's clock; raises BagError where that is after its end."""
        start_ns = bag.start_ns + round(self.start_s * 1e9)
        if start_ns > bag.end_ns:
            raise BagError(
                f"{bag.path}: is {(bag.end_ns - bag.start_ns) / 1e9:.1f} s long, so nothing is left from "
                f"{self.start_s:g} s on. Start earlier."
            )
        if self.duration_s is None:
            return start_ns, bag.end_ns + 1
        return start_ns, min(start_ns + round(self.duration_s * 1e9), bag.end_ns + 1)


@dataclass(frozen=True)
class RecordedFrame:
    """A frame, the topic it came on, and the maps known to be true for it, each at its own size.

    `messages` are those it was made of, with their topics, where the camera was told to keep them.
    """

    frame: Frame
    truth: Maps
    topic: str = ""
    messages: tuple[tuple[str, Any], ...] = ()


@dataclass
class RecordedCamera:
    """One camera of a bag with its ground truth.

    `registered` says whether true depth is aligned to the camera's images; it is taken as if it were, anyway.
    `tolerance_ns` is how far apart the stamps of an image and its truth may be. `faults` has, for each topic
    with messages that could not be decoded, what was wrong with each. `keep_messages` makes frames bring theirs;
    `interpolate` makes true depth that of a frame's very stamp, between the images around it.
    """

    bag: Bag
    topic: str
    truth_topics: Mapping[str, str]
    model: CameraModel | None
    tolerance_ns: int
    info_topic: str | None = None
    keep_messages: bool = False
    interpolate: bool = False
    registered: bool = True
    faults: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def find(cls, bag: Bag, tasks: Sequence[str], topic: str | None = None) -> RecordedCamera:
        """The camera on `topic`, or the likeliest one, with truth for `tasks`; raises BagError without a camera."""
        camera = find_camera(bag, topic)
        info_topic = find_camera_info(bag, camera)
        infos = bag.messages([info_topic] if info_topic else [])
        model = next((CameraModel.of_message(info) for _, _, info in infos), None)
        interval_ns = (bag.end_ns - bag.start_ns) // max(1, bag.topics[camera].count)
        tolerance_ns = min(interval_ns // 2, MAX_TOLERANCE_NS)
        truth = find_truth(bag, tasks)
        registered = DEPTH.name not in truth or is_registered(bag, camera, truth[DEPTH.name])
        return cls(bag, camera, truth, model, tolerance_ns, info_topic, registered=registered)

    def focal_px(self, width: int) -> float | None:
        """fx in pixels of an image `width` wide; None where the bag does not say."""
        if self.model is None or not 0 < self.model.k[0] < math.inf:
            return None
        return self.model.k[0] * width / (self.model.width or width)

    @property
    def passed_topics(self) -> list[str]:
        """The topics of a frame's messages."""
        return [self.topic, *self._companions.values()]

    def frames(
        self, every: int = 1, window_ns: tuple[int | None, int | None] = (None, None)
    ) -> Iterator[RecordedFrame]:
        """Every `every`-th frame, in the order recorded. Those that cannot be decoded are noted and left out.

        `window_ns` is the time from which and before which they were recorded.
        """
        companions = self._companions if self.keep_messages else self.truth_topics
        for stamp_ns, message, others in match_truth(
            self._stamped_messages(every, window_ns, companions),
            companions,
            self.tolerance_ns,
            {DEPTH.name} if self.interpolate else frozenset(),
        ):
            image = self._decoded(self.topic, to_rgb, message)
            if image is None:
                continue
            frame = Frame(image, stamp_ns, message.header.frame_id, self.focal_px(image.shape[1]))
            truth = {
                task: self._true_map(task, topic, others[task])
                for task, topic in self.truth_topics.items()
                if task in others
            }
            known = {task: task_map for task, task_map in truth.items() if task_map is not None}
            kept = [(self.topic, message), *((companions[name], _nearest(other)) for name, other in others.items())]
            yield RecordedFrame(frame, known, self.topic, tuple(kept) if self.keep_messages else ())

    @property
    def _companions(self) -> dict[str, str]:
        """What belongs to a frame beside its image: {task, or INFO: topic}."""
        return {**self.truth_topics, **({INFO: self.info_topic} if self.info_topic else {})}

    def _stamped_messages(
        self, every: int, window_ns: tuple[int | None, int | None], companions: Mapping[str, str]
    ) -> Iterator[tuple[str | None, int, Any]]:
        """(name of the companion, or None for the camera; stamp; message) in the order recorded."""
        names = {topic: name for name, topic in companions.items()}
        count = itertools.count()
        for topic, log_ns, message in self.bag.messages([self.topic, *names], *window_ns):
            if topic != self.topic or next(count) % every == 0:
                yield names.get(topic), stamp_ns(message, log_ns), message

    def _true_map(self, task: str, topic: str, found: Any) -> TaskMap | None:
        """The map of a message, or that between two; None where one cannot be decoded, which is noted."""
        if not isinstance(found, Between):
            return self._decoded(topic, partial(decode_map, task), found)
        before, after = (self._decoded(topic, partial(decode_map, task), m) for m in (found.before, found.after))
        return None if before is None or after is None else interpolated(before, after, found.share)

    def _decoded(self, topic: str, decode: Callable[[Any], T], message: Any) -> T | None:
        """What `decode` makes of a message; None where that fails, which is noted."""
        try:
            return decode(message)
        except ImageError as error:
            self.faults.setdefault(topic, []).append(str(error))
            return None


def frames_of(cameras: Sequence[RecordedCamera], selection: Selection) -> Iterator[RecordedFrame]:
    """The frames selected of all cameras, in the order of their stamps."""
    frames = [camera.frames(selection.every, selection.window_ns(camera.bag)) for camera in cameras]
    return heapq.merge(*frames, key=lambda r: r.frame.stamp_ns)


def stamp_ns(message: Any, log_ns: int) -> int:
    """The stamp in a message's header, or when it was recorded if there is none."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec) or log_ns


def _nearest(found: Any) -> Any:
    return found.nearest if isinstance(found, Between) else found


def match_truth(
    messages: Iterator[tuple[str | None, int, Any]],
    tasks: Mapping[str, Any],
    tolerance_ns: int,
    interpolate: Collection[str] = (),
) -> Iterator[tuple[int, Any, dict[str, Any]]]:
    """From one stream of messages, each camera message with the nearest truth of each task, {task: message}.

    The stream is (task, or None for the camera; stamp; message) in any mixture, each topic in order of time.
    A camera message comes out as soon as no better truth can come, in order, and at most WAIT are held back. For tasks
    in `interpolate` it gets the truth on both sides, as `Between`, or none.
    """
    waiting: deque[tuple[int, Any]] = deque()
    truths: dict[str, deque[tuple[int, Any]]] = {task: deque(maxlen=WAIT + 1) for task in tasks}

    def settled(stamp: int) -> bool:
        return all(t and (t[-1][0] > stamp + tolerance_ns or stamp in dict(t)) for t in truths.values())

    def release() -> tuple[int, Any, dict[str, Any]]:
        stamp, message = waiting.popleft()
        nearest = {task: min(t, key=lambda item: abs(item[0] - stamp)) for task, t in truths.items() if t}
        found = {k: m for k, (at, m) in nearest.items() if abs(at - stamp) <= tolerance_ns}
        pairs = {task: around(truths[task], stamp, tolerance_ns) for task in found if task in interpolate}
        return stamp, message, {k: m for k, m in (found | pairs).items() if m is not None}

    for task, stamp, message in messages:
        (waiting if task is None else truths[task]).append((stamp, message))
        while waiting and (settled(waiting[0][0]) or len(waiting) > WAIT):
            yield release()
    while waiting:
        yield release()
