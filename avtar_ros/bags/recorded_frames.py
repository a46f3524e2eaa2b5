"""Cameras' frames out of a bag, each with the ground truth recorded at the same time."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from avtar_ros.bags.bag import Bag, BagError, BagMessage
from avtar_ros.bags.class_names import recorded_classes
from avtar_ros.bags.ground_truth import decode_map
from avtar_ros.bags.images import decoded, frame_id, has_possible_stamp, stamp_ns
from avtar_ros.bags.interpolation import Between, interpolated
from avtar_ros.bags.lenses import Lenses
from avtar_ros.bags.matching import NONE, Matcher, Times, times_of
from avtar_ros.bags.topics import Topics
from avtar_ros.bags.video import codec_of
from avtar_ros.geometry.lens import Lens, is_rectified
from avtar_ros.imaging.images import ImageError
from avtar_ros.meaning import UNLABELLED
from avtar_ros.perception import Frame
from avtar_ros.tasks import DEPTH, SEGMENTATION, Maps, TaskMap

T = TypeVar("T")

_ONE_STAMP = "All messages of {} have one stamp; the times they were recorded at are taken instead."

MAX_TOLERANCE_NS = 50_000_000
LATE_NS = 60_000_000_000
"""How much later or earlier than an image its true map may be recorded, where only a part of a bag is read."""
PREROLL_NS = 10_000_000_000
"""How much before a part of a bag a video is decoded from, to have come upon a key frame."""
MOST_KEPT = 64
"""True maps that may wait for their image, where the order of the stamps is not that of recording."""
INTERVALS = 50
"""Images from which a camera's interval is taken."""
TOO_FAR_M = 200.0
"""Few cameras measure half of their images farther: where one seems to, the unit is likely another."""
SPARSE = 8
"""Of a map's rows and columns, each so many is looked at for that."""
INFO = "camera_info"
"""What CameraInfo is called among the messages that belong to a frame."""


@dataclass(frozen=True)
class Selection:
    """Which frames of a bag: every `every`-th of those recorded from `start_s` after its start, for `duration_s`."""

    every: int = 1
    start_s: float = 0.0
    duration_s: float | None = None

    def window_ns(self, bag: Bag) -> tuple[int, int]:
        """From when and before when on the bag's clock; raises BagError if that is after its end."""
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

    `lens` is that of the image. `messages` are those it was made of, with their topics, where the camera was told to
    keep them.
    """

    frame: Frame
    truth: Maps
    topic: str = ""
    messages: tuple[tuple[str, Any], ...] = ()
    lens: Lens = field(default_factory=lambda: Lens(None))


class Fault(NamedTuple):
    """A message that could not be decoded: when it was recorded, and why."""

    log_ns: int
    reason: str


@dataclass(frozen=True)
class Matching:
    """How frames are put together: `tolerance_ns` is how far apart the stamps of an image and its truth may be, None
    for half the camera's interval, MAX_TOLERANCE_NS at most; `interpolate` makes true depth that of a frame's very
    stamp, between the images around it; `keep_messages` makes frames bring theirs."""

    tolerance_ns: int | None = None
    interpolate: bool = False
    keep_messages: bool = False


@dataclass(frozen=True)
class TopicOptions:
    """Which topics to take where evidence would take others; `rectified` images or not, None: as their topic says.

    `classes` are the names that class ids are brought to where the recording names its own; without any, and of a
    recording that does not, they stay as they are.
    """

    depth_topic: str | None = None
    info_topic: str | None = None
    rectified: bool | None = None
    classes: tuple[str, ...] = ()


@dataclass
class RecordedCamera:
    """One camera of a bag with its ground truth.

    `registered` says whether true depth is aligned to the camera's images, None if nothing tells; it is taken as if it
    were, anyway.
    `tolerance_ns` is how far apart the stamps of an image and its truth may be; of `matching`, which may leave it open,
    it is the answer. `faults` has, for each topic
    with messages that could not be decoded, what was wrong with each. `notes` say what was assumed, which topics would
    have done as well, and what was not matched.
    """

    bag: Bag
    topic: str
    truth_topics: Mapping[str, str]
    first_lens: Lens
    """That of the first image that could be decoded."""
    tolerance_ns: int
    info_topic: str | None = None
    first_info: Any = None
    """The first CameraInfo that is calibrated, else the first."""
    matching: Matching = Matching()
    registered: bool | None = True
    rectified: bool = False
    class_lookup: NDArray[np.uint8] | None = None
    """For each class id (256,) as recorded that which is wanted; None where they are taken as they are."""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def find(
        cls,
        bag: Bag,
        tasks: Sequence[str],
        topic: str | None = None,
        options: TopicOptions = TopicOptions(),
        matching: Matching = Matching(),
    ) -> RecordedCamera:
        """The camera on `topic`, or the likeliest one, with truth for `tasks`; raises BagError without a camera."""
        topics = Topics(bag)
        camera = topics.camera(topic)
        info, truth = topics.info(camera, options.info_topic), topics.truth(camera, tasks, options.depth_topic)
        rectified = is_rectified(camera) if options.rectified is None else options.rectified
        first, infos = topics.stream(camera), topics.infos.get(info.topic or "")
        lens = infos.lens(*first.size, rectified) if infos is not None and first.width else Lens(None)
        tolerance_ns = _tolerance_ns(bag, camera) if matching.tolerance_ns is None else matching.tolerance_ns
        lookup, said = _class_lookup(bag, truth.topics, options.classes)
        return cls(
            bag, camera, truth.topics, lens, tolerance_ns, info.topic, infos and infos.message, matching,
            registered=truth.registered, rectified=rectified, class_lookup=lookup,
            notes=[*info.notes, *truth.notes, *said],
        )

    def focal_px(self, width: int) -> float | None:
        """fx in pixels of an image `width` wide; None where the bag does not say."""
        model = self.first_lens.model
        return model.k[0] * width / model.width if model is not None else None

    @property
    def passed_topics(self) -> list[str]:
        """The topics of a frame's messages."""
        return [self.topic, *self._companions.values()]

    def frames(
        self, every: int = 1, window_ns: tuple[int | None, int | None] = (None, None)
    ) -> Iterator[RecordedFrame]:
        """Every `every`-th frame, in the order recorded. Those that cannot be decoded are noted and left out.

        `window_ns` is the time from which and before which they were recorded. All stamps are read in advance.
        """
        plan = self._plan(every, window_ns)
        messages = self.bag.messages([self.topic], plan.begin_ns, window_ns[1])
        for found in decoded(messages, plan.wanted.__contains__):
            number, message, image = found.number, found.message, found.image
            others = {name: other for name in plan.companions if (other := plan.found(name, number)) is not None}
            if image is None:
                self._note_fault(self.topic, message.log_ns, found.reason)
                continue
            stamp = int(plan.times.stamp_ns[number])
            height, width = image.shape[:2]
            lens = plan.lenses.lens(stamp, width, height, self.rectified)
            self._note(*lens.notes)
            frame = Frame(image, stamp, frame_id(message.message), lens.focal_px)
            truth = {
                task: self._true_map(task, topic, others[task])
                for task, topic in self.truth_topics.items()
                if task in others
            }
            known = {task: task_map for task, task_map in truth.items() if task_map is not None}
            yield RecordedFrame(frame, known, self.topic, self._kept(plan, message, others), lens)

    @property
    def _companions(self) -> dict[str, str]:
        """What belongs to a frame beside its image: {task, or INFO: topic}."""
        return {**self.truth_topics, **({INFO: self.info_topic} if self.info_topic else {})}

    def _plan(self, every: int, window_ns: tuple[int | None, int | None]) -> _Plan:
        """Which frames are wanted, and what belongs to each."""
        start_ns, stop_ns = window_ns
        begin_ns = start_ns
        if start_ns is not None and self._is_video():
            begin_ns = start_ns - PREROLL_NS
        early_ns = None if start_ns is None else start_ns - LATE_NS
        late_ns = None if stop_ns is None else stop_ns + LATE_NS
        companions = self._companions if self.matching.keep_messages else dict(self.truth_topics)
        lenses = Lenses()
        all_times = self._read_times({self.topic, *companions.values()}, early_ns, late_ns, lenses)
        times = all_times[self.topic].between(begin_ns, stop_ns)
        first = int(np.count_nonzero(times.log_ns < start_ns)) if start_ns is not None else 0
        plan = _Plan(begin_ns, times, range(first, times.log_ns.size, every), companions, lenses)
        if times.constant:
            self._note(_ONE_STAMP.format(self.topic))
        for companion, topic in companions.items():
            if all_times[topic].constant:
                self._note(_ONE_STAMP.format(topic))
            matcher = Matcher(times, all_times[topic], self.tolerance_ns)
            between = companion == DEPTH.name and self.matching.interpolate
            plan.add(companion, matcher, between, self.bag.messages([topic], early_ns, late_ns))
            self._note_unmatched(companion, topic, plan)
        return plan

    def _read_times(
        self, topics: Collection[str], start_ns: int | None, stop_ns: int | None, lenses: Lenses
    ) -> dict[str, Times]:
        """The times of all messages of topics; what CameraInfo says is taken in on the way."""
        stamped: dict[str, list[tuple[int, int]]] = {topic: [] for topic in topics}
        odd: Counter[str] = Counter()
        wanted = {*topics, self.info_topic} if self.info_topic else set(topics)
        total = sum(self.bag.topics[topic].count for topic in wanted)
        messages = self.bag.messages(wanted, start_ns, stop_ns)
        for topic, log_ns, message in tqdm(messages, "reading stamps", total, leave=False, disable=None, delay=2):
            stamp = stamp_ns(message, log_ns)
            odd[topic] += not has_possible_stamp(message)
            if topic in stamped:
                stamped[topic].append((log_ns, stamp))
            if topic == self.info_topic:
                lenses.add(stamp, message)
        for topic, count in odd.items():
            if count:
                what = "have stamps that no clock gives; the time of recording was taken"
                self._note(f"{count} messages of {topic} {what}.")
        if not lenses.changes and self.first_info is not None:
            lenses.add(0, self.first_info)
        return {topic: times_of(pairs) for topic, pairs in stamped.items()}

    def _is_video(self) -> bool:
        first = next(self.bag.messages([self.topic]), None)
        return first is not None and codec_of(first.message) is not None

    def _note_unmatched(self, companion: str, topic: str, plan: _Plan) -> None:
        unmatched = sum(not numbers for numbers in plan.numbers[companion].values())
        if unmatched and companion in self.truth_topics:
            self._note(
                f"{unmatched} of {len(plan.wanted)} images have no message of {topic} within "
                f"{self.tolerance_ns / 1e6:.1f} ms of their stamp, and were not compared with one."
            )

    def _kept(self, plan: _Plan, message: BagMessage, others: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        """A frame's messages with their topics, where they are asked for."""
        if not self.matching.keep_messages:
            return ()
        return (self.topic, message.message), *((plan.companions[name], _nearest(o)) for name, o in others.items())

    def _true_map(self, task: str, topic: str, found: Any) -> TaskMap | None:
        """The map of a message, or that between two; None where one cannot be decoded, which is noted."""
        if not isinstance(found, Between):
            decoded_map = self._decoded(topic, partial(decode_map, task), found)
            if task == DEPTH.name and decoded_map is not None:
                self._note(*_doubts(topic, decoded_map))
            if task == SEGMENTATION.name and decoded_map is not None and self.class_lookup is not None:
                return self.class_lookup[decoded_map]
            return decoded_map
        before, after = (self._decoded(topic, partial(decode_map, task), m) for m in (found.before, found.after))
        return None if before is None or after is None else interpolated(before, after, found.share)

    def _decoded(self, topic: str, decode: Callable[[Any], T], message: BagMessage) -> T | None:
        """What `decode` makes of a message; None where that fails, which is noted."""
        try:
            return decode(message.message)
        except ImageError as error:
            self._note_fault(topic, message.log_ns, str(error))
            return None

    def _note_fault(self, topic: str, log_ns: int, reason: str) -> None:
        self.faults.setdefault(topic, []).append(Fault(log_ns, reason))

    def _note(self, *notes: str) -> None:
        self.notes += [note for note in notes if note not in self.notes]


def _doubts(topic: str, depth: TaskMap) -> Iterator[str]:
    """What is odd about a true depth map (H, W) in metres."""
    seen = depth[::SPARSE, ::SPARSE]
    known = seen[np.isfinite(seen)]
    if known.size and np.median(known) > TOO_FAR_M:
        yield (
            f"Half of what {topic} measures is farther than {TOO_FAR_M:.0f} m. Real numbers (32FC1) are metres; "
            "were millimetres recorded?"
        )


def _class_lookup(
    bag: Bag, topics: Mapping[str, str], classes: Sequence[str]
) -> tuple[NDArray[np.uint8] | None, list[str]]:
    """What brings recorded class ids to `classes`, and what there is to say of that."""
    topic = topics.get(SEGMENTATION.name)
    recorded = recorded_classes(bag, topic) if topic is not None and classes else None
    if recorded is None:
        return None, []
    lookup = recorded.among(classes)
    lost = [name for number, name in recorded.names.items() if lookup[number] == UNLABELLED]
    without = f"; not among them, so unlabelled: {', '.join(lost)}" if lost else ""
    return lookup, [f"Class ids of {topic} are those of {recorded.topic}, brought to the model's by name{without}."]


class _Plan:
    """Which images are wanted, by their numbers, and the numbers of what belongs to each, by its name."""

    def __init__(
        self, begin_ns: int | None, times: Times, wanted: range, companions: Mapping[str, str], lenses: Lenses
    ) -> None:
        self.begin_ns, self.times, self.wanted = begin_ns, times, wanted
        self.companions, self.lenses = companions, lenses
        self.numbers: dict[str, dict[int, tuple[int, ...]]] = {}
        self._others: dict[str, Times] = {}
        self._cursors: dict[str, _Cursor] = {}

    def add(self, name: str, matcher: Matcher, between: bool, messages: Iterator[BagMessage]) -> None:
        """Match the companion `name` with the wanted frames; `messages` are its own."""
        found: dict[int, tuple[int, ...]] = {}
        for number in self.wanted:
            numbers = matcher.around(number) if between else (matcher.nearest(number),)
            found[number] = () if NONE in numbers else numbers
        self.numbers[name] = found
        self._others[name] = matcher.truth
        uses = Counter(number for numbers in found.values() for number in set(numbers))
        self._cursors[name] = _Cursor(messages, uses)

    def found(self, name: str, number: int) -> Any | None:
        """The message, or those before and after as `Between`, that belong to an image. To be asked for once."""
        numbers = self.numbers[name].get(number, ())
        messages = {n: self._cursors[name].take(n) for n in dict.fromkeys(numbers)}
        if not numbers or None in messages.values():
            return None
        if len(numbers) == 1:
            return messages[numbers[0]]
        before, after = numbers
        stamps, stamp = self._others[name].stamp_ns, int(self.times.stamp_ns[number])
        gap = int(stamps[after] - stamps[before])
        return Between(messages[before], messages[after], (stamp - int(stamps[before])) / gap if gap else 0.0)


class _Cursor:
    """Goes once through the messages of a topic, and keeps those that are still to be used."""

    def __init__(self, messages: Iterator[BagMessage], uses: Counter[int]) -> None:
        self._messages, self._uses = enumerate(messages), uses
        self._kept: dict[int, BagMessage] = {}

    def take(self, number: int) -> BagMessage | None:
        """The message of a number, for one of its uses; None where it has gone."""
        while number not in self._kept:
            at, message = next(self._messages, (None, None))
            if at is None or message is None or at > number:
                return None
            if self._uses[at]:
                self._kept[at] = message
            if len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        self._uses[number] -= 1
        return self._kept[number] if self._uses[number] else self._kept.pop(number)


def frames_of(cameras: Sequence[RecordedCamera], selection: Selection) -> Iterator[RecordedFrame]:
    """The frames selected of all cameras, in the order of their stamps."""
    frames = [camera.frames(selection.every, selection.window_ns(camera.bag)) for camera in cameras]
    return heapq.merge(*frames, key=lambda r: r.frame.stamp_ns)


def _tolerance_ns(bag: Bag, topic: str) -> int:
    """Half the camera's interval, MAX_TOLERANCE_NS at most."""
    first = itertools.islice(bag.messages([topic]), INTERVALS)
    stamps = np.array([stamp_ns(message, log_ns) for _, log_ns, message in first], np.int64)
    steps = np.diff(stamps)
    steps = steps[steps > 0]
    mean_ns = (bag.end_ns - bag.start_ns) // max(1, bag.topics[topic].count)
    return min((int(np.median(steps)) if steps.size else mean_ns) // 2, MAX_TOLERANCE_NS)


def _nearest(found: Any) -> Any:
    return (found.nearest if isinstance(found, Between) else found).message
