"""Which topics of a bag belong together: a camera, its CameraInfo, its depth, and what is true of its images.

Decided by evidence, in this order: the same frame of reference and size, the same intrinsics, a name that begins the
same, and last the words in it. Where two topics remain, which was taken is noted, and how to choose the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from avtar_ros.bags.bag import Bag, BagError
from avtar_ros.bags.images import IMAGE_TYPES
from avtar_ros.bags.streams import CAMERAS, InfoStream, Kind, Stream, image_streams, info_streams, look_at, why_no_depth
from avtar_ros.bags.topic_words import COLOUR, DEPTH, TRANSPORTS, TRUTH, parts, says_registered, shared, words
from avtar_ros.bags.writing import CAMERA_INFO
from avtar_ros.tasks import DEPTH as DEPTH_TASK

SAME_FOCAL = 0.02
"""By how much two focal lengths may differ and still be of one camera."""
DECISIVE = 4
"""How many of the first numbers of a fit are evidence; those behind are of names."""
DEPTH_OPTION, INFO_OPTION, TOPIC_OPTION = "depth topic", "info topic", "topic"


@dataclass(frozen=True)
class Choice:
    """A topic that was chosen, and what there is to say of that: whether another would have done as well."""

    topic: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Truth:
    """By task, the topic of its true maps.

    `registered` is whether true depth is aligned to the camera's images; None where nothing says so or the contrary.
    """

    topics: dict[str, str] = field(default_factory=dict)
    registered: bool | None = True
    notes: tuple[str, ...] = ()


class Topics:
    """The image and CameraInfo topics of a bag. Their first messages are read when they are first asked for."""

    def __init__(self, bag: Bag) -> None:
        self.bag = bag

    @cached_property
    def images(self) -> dict[str, Stream]:
        return image_streams(self.bag)

    @cached_property
    def infos(self) -> dict[str, InfoStream]:
        return info_streams(self.bag)

    def camera(self, topic: str | None = None) -> str:
        """The topic of a camera's images: `topic` if given, else the likeliest by content and name.

        Raises BagError if there is none, listing what there is and why it is none.
        """
        if topic is not None:
            self._check(topic, IMAGE_TYPES, "holds no images")
            return topic
        found = [stream for stream in self.images.values() if stream.kind in CAMERAS]
        if found:
            return min(found, key=_unlikeliness).topic
        reasons = [f"  {s.topic}: {s.reason}" for s in self.images.values() if s.kind is Kind.UNREADABLE]
        why = "\nOf these images not one could be decoded:\n" + "\n".join(reasons) if reasons else ""
        raise BagError(
            f"{self.bag.path}: no topic with colour images found. Name one, or record again with the camera running. "
            f"There are:\n{self.bag.describe_topics()}{why}"
        )

    def cameras(self) -> list[Stream]:
        """All topics of photographs, the likeliest first."""
        return sorted((stream for stream in self.images.values() if stream.kind in CAMERAS), key=_unlikeliness)

    def info(self, camera: str, topic: str | None = None) -> Choice:
        """The CameraInfo topic of an image topic: `topic` if given, else by evidence. Raises BagError."""
        if topic is not None:
            self._check(topic, (CAMERA_INFO,), "holds no CameraInfo")
            return Choice(topic)
        stream = self.stream(camera)
        fitting = {name: self._fit_of_info(stream, info) for name, info in self.infos.items()}
        possible = {name: fit for name, fit in fitting.items() if fit is not None}
        return _best(possible, f"CameraInfo of {camera}", INFO_OPTION)

    def truth(self, camera: str, tasks: Sequence[str], depth_topic: str | None = None) -> Truth:
        """What is true of a camera's images: of ground-truth topics, and for depth, failing that, a depth camera's.

        Depth of another camera is not taken, unless `depth_topic` names it. Raises BagError.
        """
        stream, topics, notes = self.stream(camera), {}, list[str]()
        for task in tasks:
            named = {n: self._fit(stream, s) for n, s in self.images.items() if {TRUTH, task} <= set(n.split("/"))}
            choice = _best(named, f"ground truth of {task} for {camera}", TOPIC_OPTION)
            if choice.topic is not None:
                topics[task] = choice.topic
                notes += choice.notes
        if DEPTH_TASK.name not in tasks:
            return Truth(topics, True, tuple(notes))
        if depth_topic is not None:
            self._check(depth_topic, IMAGE_TYPES, "holds no images")
            topics[DEPTH_TASK.name] = depth_topic
        elif DEPTH_TASK.name not in topics:
            choice = self._depth(stream)
            notes += choice.notes
            if choice.topic is not None:
                topics[DEPTH_TASK.name] = choice.topic
        depth = topics.get(DEPTH_TASK.name)
        registered = True if depth is None else self.registration(camera, depth)
        return Truth({task: topics[task] for task in tasks if task in topics}, registered, tuple(notes))

    def registration(self, camera: str, depth: str) -> bool | None:
        """Whether depth is seen from the camera: in its frame of reference, with its intrinsics, or so named.

        None where nothing tells.
        """
        image, measured = self.stream(camera), self.stream(depth)
        if image.frame_id and measured.frame_id:
            if image.frame_id != measured.frame_id:
                return False
            return self._same_intrinsics(image, measured) is not False and _same_shape(image, measured) is not False
        return True if says_registered(depth) or TRUTH in parts(depth) else None

    def _depth(self, camera: Stream) -> Choice:
        """The depth topic that is the camera's own."""
        depths = {name: stream for name, stream in self.images.items() if stream.kind is Kind.DEPTH}
        fits = {name: self._fit(camera, stream) for name, stream in depths.items()}
        foreign = {name: owner for name, stream in depths.items() if (owner := self._owner(camera, stream)) is not None}
        own = {name: fit for name, fit in fits.items() if name not in foreign}
        choice = _best(own, f"depth of {camera.topic}", DEPTH_OPTION)
        if choice.topic is None and foreign:
            name, owner_topic = next(iter(foreign.items()))
            note = (
                f"{name} is not compared with {camera.topic}: it belongs to {owner_topic}, by its frame of reference "
                f"{depths[name].frame_id!r} and name. Give it as the {DEPTH_OPTION} to compare it all the same."
            )
            return Choice(None, (note,))
        return choice if choice.topic is not None else Choice(None, tuple(self._lost_depth()))

    def _lost_depth(self) -> Iterator[str]:
        """Of each topic that is called depth and cannot be used as such, why not."""
        for name, stream in self.images.items():
            if words(name) & DEPTH and TRUTH not in parts(name) and stream.kind in (Kind.UNREADABLE, Kind.OTHER):
                yield f"{name} is called depth, but no metres can be read there: {why_no_depth(stream)}"

    def _owner(self, camera: Stream, depth: Stream) -> str | None:
        """Another camera that a depth image is of, rather than of this one, by its frame of reference, then its name.

        Infrared cameras do not count, for depth cameras have their own.
        """

        def belonging(stream: Stream) -> tuple[int, int]:
            return _same(stream.frame_id, depth.frame_id), shared(stream.topic, depth.topic)

        others = [s for s in self.cameras() if s.kind is not Kind.INFRARED and parts(s.topic) != parts(camera.topic)]
        best = max(others, key=belonging, default=None)
        return best.topic if best is not None and belonging(best) > belonging(camera) else None

    def _fit(self, camera: Stream, other: Stream) -> tuple[float, ...]:
        """How well another image topic fits a camera's: the larger, the better, the first number before the next."""
        frame = _same(camera.frame_id, other.frame_id)
        intrinsics = self._same_intrinsics(camera, other)
        said = words(other.topic) & words(camera.topic) - DEPTH - COLOUR
        return (
            frame,
            {True: 2, None: 1, False: 0}[_same_shape(camera, other)],
            {True: 2, None: 1, False: 0}[intrinsics],
            shared(camera.topic, other.topic),
            says_registered(other.topic),
            len(said),
            other.size == camera.size,
            parts(other.topic) == [p for p in other.topic.split("/") if p],  # raw, without loss
            min(other.count, camera.count),
        )

    def _fit_of_info(self, image: Stream, info: InfoStream) -> tuple[float, ...] | None:
        """How well a CameraInfo fits an image topic; None where it is another camera's."""
        frame = _same(image.frame_id, info.frame_id)
        size = bool(image.width) and info.fits(*image.size)
        namespace = info.topic.rpartition("/")[0] + "/"
        beside = image.topic.startswith(namespace)
        depth = shared(image.topic, info.topic)
        if not beside and (frame == 0 or not size or (not depth and frame < 2)):
            return None
        said = words(info.topic) & words(image.topic)
        return frame, size, depth, beside, len(said), -len(words(info.topic) - {"camera", "info"} - words(image.topic))

    def _same_intrinsics(self, first: Stream, second: Stream) -> bool | None:
        """Whether two topics are seen through one lens; None where that is not known of both."""
        focal = []
        for stream in (first, second):
            topic = self.info(stream.topic).topic
            if topic is None or not stream.width:
                return None
            focal_px = self.infos[topic].lens(*stream.size).focal_px
            if focal_px is None:
                return None
            focal.append((topic, focal_px / stream.width))
        (one, a), (other, b) = focal
        return one == other or math.isclose(a, b, rel_tol=SAME_FOCAL)

    def stream(self, topic: str) -> Stream:
        """What an image topic holds."""
        return self.images.get(topic) or look_at(self.bag, topic)

    def _check(self, topic: str, types: Sequence[str], otherwise: str) -> None:
        if topic not in self.bag.topics:
            raise BagError(f"{self.bag.path}: no topic {topic}. There are:\n{self.bag.describe_topics()}")
        if self.bag.topics[topic].msgtype not in types:
            raise BagError(f"{self.bag.path}: {topic} {otherwise}. Topics there are:\n{self.bag.describe_topics()}")


def _best(fits: dict[str, tuple[float, ...]], what: str, option: str) -> Choice:
    """The topic that fits best; where another fits as well but for its name, that is said."""
    if not fits:
        return Choice(None)
    ordered = sorted(fits, key=lambda name: (tuple(-number for number in fits[name]), name))
    best, *others = ordered
    equal = [n for n in others if fits[n][:DECISIVE] == fits[best][:DECISIVE] and parts(n) != parts(best)]
    if not equal:
        return Choice(best)
    note = f"For {what}, {best} was taken; {', '.join(equal)} would fit as well. Name the {option} to choose."
    return Choice(best, (note,))


def _same(first: str, second: str) -> int:
    """2 for the same frame of reference, 1 where one is not known, 0 for another."""
    return (2 if first == second else 0) if first and second else 1


def _same_shape(first: Stream, second: Stream) -> bool | None:
    """Whether images have sides of one ratio, so that one may be the other at another size; None if not known."""
    if not (first.width and second.width):
        return None
    return math.isclose(first.width / first.height, second.width / second.height, rel_tol=0.02)


def _unlikeliness(stream: Stream) -> tuple[object, ...]:
    name, said = stream.topic, words(stream.topic)
    return (
        stream.kind is Kind.INFRARED,
        bool(said & DEPTH),
        not said & COLOUR,
        "image" not in name.lower(),
        stream.kind is Kind.GREY,
        name.rpartition("/")[2] in TRANSPORTS,
        name,
    )


def find_camera(bag: Bag, topic: str | None = None) -> str:
    """See Topics.camera."""
    return Topics(bag).camera(topic)


def find_camera_info(bag: Bag, camera: str) -> str | None:
    """See Topics.info."""
    return Topics(bag).info(camera).topic


def find_truth(bag: Bag, tasks: Sequence[str], camera: str | None = None) -> dict[str, str]:
    """See Topics.truth; of the likeliest camera where none is given."""
    topics = Topics(bag)
    return topics.truth(topics.camera(camera), tasks).topics


def is_registered(bag: Bag, camera: str, depth: str) -> bool:
    """See Topics.registration."""
    return Topics(bag).registration(camera, depth) is True
