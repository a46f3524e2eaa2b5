"""Where camera images can be had from when there is no camera driver: bags, videos, pictures, webcams, streams. No ROS.

    with open_source("recording.mcap") as source:
        for due_ns, frame in schedule(source):
            ...
"""

from __future__ import annotations

import heapq
import itertools
import re
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.bag import BagMessage
from avtar_ros.disk.files import expanded
from avtar_ros.errors import AvtarError, ImageError
from avtar_ros.geometry.camera_model import CameraModel
from avtar_ros.geometry.lens import Lens, is_calibrated, is_rectified, read_lens
from avtar_ros.imaging.decoding import check_pixels, decode_picture
from avtar_ros.imaging.images import DEPTH_LAYOUTS, to_message_fields, to_rgb
from avtar_ros.imaging.pictures import in_order
from avtar_ros.source.pace import Pace
from avtar_ros.terminal.extras import install_line

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
VIDEOS = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v")
STREAM = re.compile(r"(rtsps?|rtmps?|https?|udp|tcp)://", re.IGNORECASE)
"""How the address of a camera or video in the network begins."""
STREAM_TIMEOUT_MS = 10_000
FOLDER_RATE = 10.0
LOOK = 20
"""Images among which one is looked for that can be decoded."""


class SourceError(AvtarError):
    """A source that gives no images."""


@dataclass(frozen=True)
class SourceFrame:
    """An image and when it was taken; `image` has the fields of sensor_msgs/Image or CompressedImage."""

    stamp_ns: int
    frame_id: str
    image: Any
    camera: int = 0
    """Which of the source's cameras took it."""
    log_ns: int | None = None
    """When it was recorded, where that is known."""
    info: Any = None
    """The CameraInfo in force, where there is one."""


class FrameSource(AbstractContextManager["FrameSource"]):
    """Something that gives images of one camera or, a bag, of several; read it from one thread at a time."""

    description: str
    """What is played, in words."""
    live: bool = False
    """Whether images come at their own time rather than when asked for."""
    rate_hz: float | None = None
    """Frames per second, where known."""
    count: int | None = None
    """About how many frames there are of all cameras together, where known."""
    models: Sequence[CameraModel | None] = (None,)
    """The lens of each camera, where the source knows."""
    damage: str | None = None
    """What was found to be damaged, so that the frames ended early."""

    @abstractmethod
    def frames(self) -> Iterator[SourceFrame]:
        """All frames from the beginning. Raises SourceError."""

    def lens(self, frame: SourceFrame, width: int, height: int) -> Lens:
        """The lens of a frame's image, which has this size."""
        return Lens(None)

    def first(self) -> list[SourceFrame]:
        """The first frame of each camera. Raises SourceError if there is none."""
        return [_first(self)]

    def close(self) -> None:
        """Let go of files and devices."""

    def __exit__(self, *_: object) -> None:
        self.close()


def open_source(source: str, topics: Sequence[str] = ("",)) -> FrameSource:
    """Open a bag, a video, a picture or a folder of them, a webcam by number or /dev/video path, or a stream's address.

    `topics` are image topics of a bag, one for each camera, empty for the colour camera found. Raises AvtarError
    (SourceError, BagError) where there are no images, saying what there is.
    """
    if not source:
        raise SourceError(
            "no source given. Give a bag, a video, a picture, a folder of pictures, a webcam's number, or a stream's "
            "address (rtsp://... or http://...)."
        )
    opened = _open(source, topics)
    if len(topics) > len(opened.models):
        opened.close()
        raise SourceError(f"{source}: only bags have several cameras. Play one.")
    return opened


def _open(source: str, topics: Sequence[str]) -> FrameSource:
    if source.isdigit() or source.startswith("/dev/video"):
        return WebcamSource(source)
    if STREAM.match(source):
        return StreamSource(source)
    path = expanded(source)
    if not path.exists():
        raise SourceError(f"{path}: no such bag, video or folder of pictures, nor a picture.")
    if path.suffix.lower() in PICTURES:
        return FolderSource(path, [path])
    if path.suffix.lower() in VIDEOS:
        return VideoSource(path)
    if path.is_dir() and (pictures := _pictures(path)):
        return FolderSource(path, pictures)
    return BagSource(path, topics)


def schedule(
    source: FrameSource,
    rate: float = 0.0,
    loop: bool = False,
    max_gap_s: float = 0.0,
    say: Callable[[str], object] = lambda note: None,
) -> Iterator[tuple[int, SourceFrame]]:
    """Pairs (due, frame): when to show each frame, in ns after the first.

    The recorded distances are kept exactly, unless `rate` (frames per second) is given, as long as stamps go on as time
    does; what is not waited for, is said. A loop begins again one mean distance after its last frame. Raises
    SourceError where there is no frame.
    """
    begin = 0
    while True:
        due, index, pace = begin, -1, Pace(round(max_gap_s * 1e9))
        for index, frame in enumerate(source.frames()):
            log_ns = frame.stamp_ns if frame.log_ns is None else frame.log_ns
            paced = pace.due(frame.stamp_ns, log_ns, frame.camera)
            due = begin + (round(index * 1e9 / rate) if rate else paced)
            while pace.notes and not rate:
                say(pace.notes.pop())
            yield due, frame
        if index < 0:
            raise _no_images(source)
        if not loop:
            return
        begin = due + (round(1e9 / rate) if rate else (due - begin) // max(index, 1))


class BagSource(FrameSource):
    """One or more cameras of a bag, in the order recorded.

    Messages pass untouched, whether their images can be decoded or not; packets of video are decoded to rgb8.
    """

    def __init__(self, path: Path, topics: Sequence[str]) -> None:
        try:
            from avtar_ros.bags.reading import open_bag
            from avtar_ros.bags.topics import Topics
        except ImportError as error:
            raise SourceError(f"{path}: bags are read with rosbags. Run: {install_line(None)}") from error

        self._bag = open_bag(path)
        self._undecoded: list[str] = []
        try:
            found = Topics(self._bag)
            self._topics = [found.camera(topic or None) for topic in topics]
            if len(set(self._topics)) < len(topics):
                raise SourceError(f"{path}: topics {self._topics}: each can be of one camera only. Name others.")
            self._infos = [found.infos.get(found.info(topic).topic or "") for topic in self._topics]
            self.models = [CameraModel.of_message(info.message) if info else None for info in self._infos]
        except AvtarError:
            self._bag.close()
            raise
        self.description = f"{path}, topic {', '.join(self._topics)}"
        self.count = sum(self._bag.topics[topic].count for topic in self._topics)
        seconds = (self._bag.end_ns - self._bag.start_ns) / 1e9
        self.rate_hz = (self.count - 1) / seconds if seconds > 0 and self.count > 1 else None

    def frames(self) -> Iterator[SourceFrame]:
        cameras = [self._frames(camera) for camera in range(len(self._topics))]
        yield from heapq.merge(*cameras, key=lambda frame: frame.log_ns or 0)
        self.damage = "\n".join([*self._bag.told(), *self._undecoded]) or None

    def first(self) -> list[SourceFrame]:
        firsts = [self._first(camera) for camera in range(len(self._topics))]
        if None in firsts:
            raise _no_images(self)
        return [frame for frame in firsts if frame]

    def _first(self, camera: int) -> SourceFrame | None:
        """The first frame that can be decoded among the first, for cameras often begin with broken ones."""
        looked_at = list(itertools.islice(self._frames(camera), LOOK))
        return next((frame for frame in looked_at if _is_sound(frame.image)), looked_at[0] if looked_at else None)

    def lens(self, frame: SourceFrame, width: int, height: int) -> Lens:
        if frame.info is None:
            return Lens(None)
        return read_lens(frame.info, width, height, is_rectified(self._topics[frame.camera]))

    def _frames(self, camera: int) -> Iterator[SourceFrame]:
        """The frames of one camera, each with the newest calibrated CameraInfo, at first the first."""
        from avtar_ros.bags.images import decoded, frame_id, is_standard, stamp_ns

        topic, infos = self._topics[camera], self._infos[camera]
        newest = [infos.message if infos else None]

        def images() -> Iterator[BagMessage]:
            for message in self._bag.messages([topic, infos.topic] if infos else [topic]):
                if message.topic == topic:
                    yield message
                elif is_calibrated(message.message) or not is_calibrated(newest[0]):
                    newest[0] = message.message

        def frame(message: BagMessage, image: Any) -> SourceFrame:
            stamp = stamp_ns(message.message, message.log_ns)
            return SourceFrame(stamp, frame_id(message.message), image, camera, message.log_ns, newest[0])

        if is_standard(self._bag, topic):
            yield from (frame(message, message.message) for message in images())
            return
        failed = []
        for found in decoded(images()):
            if found.image is None:
                failed.append(found.reason)
            else:
                yield frame(found.message, to_message_fields(found.image, "rgb8"))
        if failed:
            self._undecoded = [f"{len(failed)} messages of {topic} could not be decoded. The first: {failed[0]}"]

    def close(self) -> None:
        self._bag.close()


class FolderSource(FrameSource):
    """Pictures in the order of their names, FOLDER_RATE a second, upright as their EXIF data say."""

    def __init__(self, path: Path, pictures: list[Path]) -> None:
        self.description = f"{path}, {len(pictures)} pictures" if path.is_dir() else str(path)
        self._pictures = pictures
        self.rate_hz, self.count = FOLDER_RATE, len(pictures)

    def frames(self) -> Iterator[SourceFrame]:
        index, damaged, reasons = 0, list[Path](), dict[Path, str]()
        for path in self._pictures:
            try:
                picture = decode_picture(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
            except (ImageError, OSError) as error:
                picture, reasons[path] = None, str(error)
            if picture is None:
                damaged.append(path)
                continue
            yield _frame(round(index * 1e9 / FOLDER_RATE), picture)
            index += 1
        if damaged:
            reason = reasons.get(damaged[0], "not a picture, or a damaged one. Remove it from the folder.")
            first = f"{damaged[0]}: {reason}"
            self.damage = first if len(damaged) == 1 else f"{len(damaged)} pictures were left out. The first, {first}"
            if not index:
                raise SourceError(self.damage)


class VideoSource(FrameSource):
    """A video file at its own frame rate."""

    def __init__(self, path: Path) -> None:
        self._path = path
        capture = self._open()
        self.rate_hz = self._rate = capture.get(cv2.CAP_PROP_FPS) or 30.0
        self.count = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))) or None
        capture.release()
        self.description = f"{path}, {self._rate:.4g} frames/s"

    def frames(self) -> Iterator[SourceFrame]:
        capture = self._open()
        try:
            index = 0
            while (read := capture.read())[0]:
                yield _frame(round(index * 1e9 / self._rate), read[1])
                index += 1
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise SourceError(f"{self._path}: OpenCV cannot read this video. Convert it, for example to .mp4.")
        _check_size(capture, str(self._path))
        return capture


class WebcamSource(FrameSource):
    """A camera that the operating system knows, by number or path; it ends when the camera does."""

    live = True

    def __init__(self, device: str) -> None:
        self._capture = cv2.VideoCapture(int(device) if device.isdigit() else device)
        if not self._capture.isOpened():
            raise SourceError(f"webcam {device}: cannot be opened. Is it plugged in, free, and yours to read?")
        self.description = f"webcam {device}"

    def frames(self) -> Iterator[SourceFrame]:
        while (read := self._capture.read())[0]:
            yield _frame(time.time_ns(), read[1])
        raise SourceError(f"{self.description}: gives no more images. Is it still plugged in?")

    def close(self) -> None:
        self._capture.release()


class StreamSource(FrameSource):
    """A camera or a video in the network, by its address; a camera's stream ends by an error when the camera does."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.description = without_password(address)
        self._capture = self._open()
        self.count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))) or None
        self.live = self.count is None
        self.rate_hz = self._capture.get(cv2.CAP_PROP_FPS) or None

    def frames(self) -> Iterator[SourceFrame]:
        if not self.live:  # it begins anew
            self._capture.release()
            self._capture = self._open()
        index = 0
        while (read := self._capture.read())[0]:
            yield _frame(time.time_ns() if self.live else round(index * 1e9 / (self.rate_hz or 30.0)), read[1])
            index += 1
        if self.live:
            raise SourceError(f"{self.description}: gives no more images. Is the camera still there?")

    def _open(self) -> cv2.VideoCapture:
        timeouts = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
        settings = [value for name in timeouts for value in (name, STREAM_TIMEOUT_MS)]
        capture = cv2.VideoCapture(self._address, cv2.CAP_FFMPEG, settings)
        if not capture.isOpened():
            raise SourceError(
                f"{self.description}: no video there within {STREAM_TIMEOUT_MS // 1000} s. Are the address and the "
                "password right, and is the camera reached from here?"
            )
        _check_size(capture, self.description)
        return capture

    def close(self) -> None:
        self._capture.release()


def _check_size(capture: cv2.VideoCapture, what: str) -> None:
    """Raise SourceError for a video of more pixels than are allowed, before any of its frames is asked for."""
    try:
        check_pixels(int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    except ImageError as error:
        capture.release()
        raise SourceError(f"{what}: {error}") from error


def without_password(address: str) -> str:
    """The address of a stream, fit to be shown and written down."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:…@", address)


def _is_sound(image: Any) -> bool:
    """Whether an image message has pixels that can be decoded."""
    try:
        return to_rgb(image).size > 0
    except ImageError:
        return getattr(image, "encoding", "") in DEPTH_LAYOUTS


def _first(source: FrameSource) -> SourceFrame:
    for frame in source.frames():
        return frame
    raise _no_images(source)


def _no_images(source: FrameSource) -> SourceError:
    return SourceError(source.damage or f"{source.description}: there are no images.")


def _pictures(folder: Path) -> list[Path]:
    return in_order(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def _frame(stamp_ns: int, bgr: NDArray[Any]) -> SourceFrame:
    rgb = cv2.cvtColor(np.asarray(bgr, np.uint8), cv2.COLOR_BGR2RGB)
    return SourceFrame(stamp_ns, "", to_message_fields(rgb, "rgb8"))
