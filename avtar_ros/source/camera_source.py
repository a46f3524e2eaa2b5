"""A camera without a camera: plays a bag, a video, a folder of pictures or a webcam as camera topics.

    camera_source --ros-args -p source:=recording.mcap -p wait_for_subscriber:=10.0
    camera_source --ros-args -p source:=bag -p topics:="[/left/image, /right/image]" -p cameras:="[left, right]"
"""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest

from avtar_ros.disk.outputs import check_file
from avtar_ros.errors import AvtarError
from avtar_ros.geometry.camera_model import CameraModel
from avtar_ros.imaging.images import ImageError, ImageFields, is_compressed, to_message_fields, to_rgb
from avtar_ros.ros.edges import Edge
from avtar_ros.ros.local_topics import LocalTopics
from avtar_ros.ros.messages import data_array
from avtar_ros.ros.names import COMPRESSED, check_topic
from avtar_ros.ros.parameters import declare_parameters, parameter, read_parameters, serve_set_parameters
from avtar_ros.ros.process import run
from avtar_ros.ros.qos import publisher_overrides, reliable
from avtar_ros.source.frame_sources import FrameSource, SourceFrame, open_source, schedule
from avtar_ros.source.pace import JUMP_NS
from avtar_ros.terminal.names import printable_lines

LogStamps = Callable[[str, int, int], None]

QUEUE = 5
POLL_S = 0.02
SETTLE_S = 0.3
"""After the last subscriber was found: until it, and those that it works for, have found their publishers, too."""
CLOCK_PERIOD_S = 0.01


@dataclass(frozen=True)
class SourceParameters:
    """The parameters of the camera source, all read at its start."""

    source: str = parameter(
        "",
        "What to play: a bag, a video, a picture, a folder of pictures, a webcam's number, or the address of a stream "
        "(rtsp://... or http://...).",
        number_as_text=True,
    )
    topics: tuple[str, ...] = parameter(
        ("",), "Image topics of the bag to play, one for each camera; empty for the colour camera found in it."
    )
    cameras: tuple[str, ...] = parameter(
        ("camera",), "Names of the cameras: the namespaces of the topics published."
    )
    rate: float = parameter(
        0.0, "Frames per second, of all cameras together; 0 for the recording's own timing.", limits=(0.0, 1000.0)
    )
    max_gap: float = parameter(
        10.0, "Seconds to wait for the next frame at most; longer gaps of a recording are shortened. 0: any.",
        limits=(0.0, 86400.0),
    )
    loop: bool = parameter(False, "Begin again at the end.")
    stamp: str = parameter(
        "now",
        "Stamp of the images: now, the time of the first and the recorded distances from there, or original.",
        choices=("now", "original"),
    )
    clock: bool = parameter(
        False, "Publish the recorded time on /clock, for nodes with use_sim_time, and images under original stamps."
    )
    stamp_log: str = parameter(
        "",
        'File to write one line {"camera": ..., "published_ns": ..., "original_ns": ...} to for each frame: the '
        "stamp it was published under and the one it was recorded with.",
    )
    wait_for_subscriber: float = parameter(
        0.0,
        "Seconds to wait for a subscriber of each camera before the first frame; it is an error if none comes. "
        "0: do not wait.",
        limits=(0.0, 3600.0),
    )
    decode: bool = parameter(False, "Publish a bag's compressed images as raw rgb8 ones.")
    focal_px: float = parameter(
        0.0, "Focal length (fx) for CameraInfo in pixels where the source knows none.", limits=(0.0, 1e6)
    )
    frame_id: str = parameter("", "frame_id of the headers; empty for the recorded one.")


class CameraSource(Node):
    """Node that publishes images from a file or device as a camera would, and ends when they do.

    Parameters: see SourceParameters; `ros2 param describe` shows them with type and range.

    Publishers, reliable (subscribers with best effort receive too):
        <camera>/image_raw (sensor_msgs/Image), or where the source is compressed
        <camera>/image_raw/compressed (sensor_msgs/CompressedImage)
        <camera>/camera_info (sensor_msgs/CameraInfo) under the same stamps: the newest of the bag, or from focal_px
        /clock (rosgraph_msgs/Clock) if asked for: the recorded time, which goes on between frames

    Nodes of this process that share `local` are given the messages themselves.
    """

    def __init__(self, local: LocalTopics | None = None) -> None:
        super().__init__("camera_source")
        self.local = local or LocalTopics()
        self.edge = Edge(self.get_logger())
        declare_parameters(self, SourceParameters)
        serve_set_parameters(self, self.edge)
        self.edge.guard_services(self)
        self._settings = read_parameters(self, SourceParameters)
        self._stopping = threading.Event()
        self._player: threading.Thread | None = None
        for camera in self._settings.cameras:
            check_topic(self, f"{camera}/image_raw")
            for name in ("image_raw", f"image_raw{COMPRESSED}", "camera_info"):
                self.local.offer(self.resolve_topic_name(f"{camera}/{name}"))

    def start(self, end: Callable[[int], None]) -> None:
        """Open the source and begin to play; raises AvtarError."""
        p = self._settings
        if len(p.topics) != len(p.cameras):
            raise AvtarError(
                f"parameters topics and cameras: {len(p.topics)} and {len(p.cameras)} are given. Name each camera."
            )
        source = open_source(p.source, p.topics)
        self._player = threading.Thread(target=self._run, args=(source, end), name="player")
        self._player.start()

    def close(self) -> None:
        self._stopping.set()
        if self._player is not None:
            self._player.join()

    def _run(self, source: FrameSource, end: Callable[[int], None]) -> None:
        try:
            inputs = [Path(self._settings.source)]
            with source, open_stamp_log(self._settings.stamp_log, inputs) as log_stamps:
                self._play(source, log_stamps)
        except AvtarError as error:
            self.get_logger().fatal(printable_lines(str(error)))
            end(1)
        except Exception:  # noqa: BLE001, the thread's edge: the process must not live on without it
            self.get_logger().fatal(f"playing went wrong:\n{traceback.format_exc()}")
            end(1)
        else:
            end(0)

    def _play(self, source: FrameSource, log_stamps: LogStamps) -> None:
        p, logger = self._settings, self.get_logger()
        cameras = zip(p.cameras, source.models, source.first(), strict=True)
        outputs = [CameraOutput(self, p, *camera) for camera in cameras]
        self._await_subscribers(outputs)
        clock = RecordedClock(self) if p.clock else None
        logger.info(f"playing {source.description} on {', '.join(output.topic for output in outputs)}")
        start_ns = begin_ns = count = 0
        broken = Counter[str]()
        for due_ns, frame in schedule(source, p.rate, p.loop, p.max_gap, logger.warning):
            try:
                message = outputs[frame.camera].message(frame)
            except ImageError as error:
                broken[str(error)] += 1
                continue
            if not count or source.live:
                # In this order, so that no image comes before the time of its stamp.
                begin_ns = self.get_clock().now().nanoseconds - due_ns
                start_ns = time.monotonic_ns() - due_ns
            self._wait_until(start_ns + due_ns, frame, clock)
            if self._stopping.is_set():
                break
            stamp_ns = frame.stamp_ns if clock or p.stamp == "original" else begin_ns + due_ns
            outputs[frame.camera].publish(message, stamp_ns, frame.info)
            log_stamps(p.cameras[frame.camera], stamp_ns, frame.stamp_ns)
            count += 1
        if source.damage:
            logger.warning(printable_lines(source.damage))
        if broken:
            reason, _ = broken.most_common(1)[0]
            told = f"{broken.total()} images could not be decoded and were left out. Most often: {reason}"
            logger.warning(printable_lines(told))
        for output in outputs:
            output.flush()
        logger.info(f"played {count} frames")

    def _wait_until(self, due_ns: int, frame: SourceFrame, clock: RecordedClock | None) -> None:
        """Wait for a moment of the monotonic clock, which is that of a frame in the recording."""
        while (left_ns := due_ns - time.monotonic_ns()) > 0 and not self._stopping.is_set():
            if clock:
                clock.tick(frame.stamp_ns - left_ns)
            self._stopping.wait(min(left_ns / 1e9, CLOCK_PERIOD_S) if clock else left_ns / 1e9)
        if clock:
            clock.arrive(frame.stamp_ns, frame.camera)

    def _await_subscribers(self, outputs: Sequence[CameraOutput]) -> None:
        seconds = self._settings.wait_for_subscriber
        if not seconds:
            return
        deadline = time.monotonic() + seconds
        while lonely := [output.topic for output in outputs if not output.subscribers()]:
            if self._stopping.wait(POLL_S):
                return
            if time.monotonic() > deadline:
                raise AvtarError(
                    f"nobody subscribed to {', '.join(lonely)} within {seconds} s. Start the node first, and "
                    "something that subscribes to its maps."
                )
        self._stopping.wait(SETTLE_S)


class RecordedClock:
    """Tells the recorded time on /clock. It goes back where the recording begins again or its clock was set back.

    That is, where a camera's stamps go back by more than JUMP_NS. Cameras of one recording may be a little out of
    order, or stamp by clocks of their own: then it is the time of the one that is ahead.
    """

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(Clock, "/clock", QoSProfile(depth=1))
        self._first_ns: int | None = None
        self._newest_ns = 0
        self._last_ns: dict[int, int] = {}

    def arrive(self, stamp_ns: int, camera: int) -> None:
        """Tell the time of a frame of a camera."""
        if self._first_ns is None:
            self._first_ns = stamp_ns
        if stamp_ns == self._first_ns or stamp_ns < self._last_ns.get(camera, 0) - JUMP_NS:
            self._newest_ns = stamp_ns
        self._last_ns[camera] = stamp_ns
        self.tick(stamp_ns)

    def tick(self, stamp_ns: int) -> None:
        """Tell a time, or that told last where it is earlier."""
        self._newest_ns = max(self._newest_ns, stamp_ns)
        self._publisher.publish(Clock(clock=Time(nanoseconds=self._newest_ns).to_msg()))


class CameraOutput:
    """The topics of one camera that a camera source publishes, made to fit its first frame."""

    def __init__(
        self, node: CameraSource, settings: SourceParameters, camera: str, model: CameraModel | None, first: SourceFrame
    ) -> None:
        self._settings = settings
        self._compressed = is_compressed(first.image) and not settings.decode
        name = f"{camera}/image_raw{COMPRESSED if self._compressed else ''}"
        kind = CompressedImage if self._compressed else Image
        self._images, self._infos = (
            node.create_publisher(
                message_type, topic, reliable(QUEUE), qos_overriding_options=publisher_overrides()
            )
            for message_type, topic in ((kind, name), (CameraInfo, f"{camera}/camera_info"))
        )
        if model is None and settings.focal_px:
            height, width = to_rgb(first.image).shape[:2]
            model = CameraModel.pinhole(width, height, settings.focal_px)
        self._model = model
        self._local = node.local
        self.topic: str = node.resolve_topic_name(name)
        self._info_topic: str = node.resolve_topic_name(f"{camera}/camera_info")

    def subscribers(self) -> int:
        return int(self._images.get_subscription_count()) + self._local.subscribers(self.topic)

    def message(self, frame: SourceFrame) -> Any:
        """The message for a frame, but for its stamp."""
        if self._compressed:
            message = CompressedImage(format=frame.image.format)
            message.data = data_array(frame.image.data)
        else:
            message = _raw_message(self._decoded(frame.image))
        message.header.frame_id = self._settings.frame_id or frame.frame_id
        return message

    def publish(self, message: Any, stamp_ns: int, info: Any = None) -> None:
        """Publish the image and its CameraInfo: `info` as it was recorded, or of the focal length that was given."""
        message.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
        if info is not None:
            self._give(self._infos, self._info_topic, _recorded_info(info, message.header))
        elif self._model is not None:
            self._give(self._infos, self._info_topic, _info_message(self._model, message.header))
        self._give(self._images, self.topic, message)

    def _give(self, publisher: Any, topic: str, message: Any) -> None:
        """Publish a message, first to this process, and to the middleware unless nobody is there who wants it."""
        self._local.give(topic, message)
        if publisher.get_subscription_count() or not self._local.subscribers(topic):
            publisher.publish(message)

    def flush(self) -> None:
        """Wait, not for ever, until subscribers that want every frame have the last, and its CameraInfo."""
        for publisher in (self._images, self._infos):
            publisher.wait_for_all_acked(Duration(seconds=1))

    def _decoded(self, image: Any) -> Any:
        return to_message_fields(to_rgb(image), "rgb8") if is_compressed(image) else image


_LONGEST_LINE = 2**12


@contextmanager
def open_stamp_log(path: str, inputs: Sequence[Path]) -> Iterator[LogStamps]:
    """A function that writes (camera, published, original) to the file of `stamp_log`; to none where that is empty.

    The file takes its name at the end. Raises AvtarError if it cannot be written, or another's is there.
    """
    if not path:
        yield lambda camera, published_ns, original_ns: None
        return
    partial = Path(f"{path}.partial")
    try:
        check_file(Path(path), inputs, _is_stamp_log)
        file = partial.open("w", encoding="utf-8")
    except (OSError, AvtarError) as error:
        raise AvtarError(f"parameter stamp_log: {error}") from error

    def write(camera: str, published_ns: int, original_ns: int) -> None:
        line = {"camera": camera, "published_ns": published_ns, "original_ns": original_ns}
        file.write(json.dumps(line) + "\n")

    try:
        yield write
    finally:
        file.close()
        partial.replace(path)


def _is_stamp_log(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline(_LONGEST_LINE).startswith('{"camera": ')


def _raw_message(image: ImageFields | Any) -> Image:
    message = Image(
        height=image.height,
        width=image.width,
        encoding=image.encoding,
        is_bigendian=image.is_bigendian,
        step=image.step,
    )
    message.data = data_array(image.data)
    return message


def _recorded_info(info: Any, header: Any) -> CameraInfo:
    """A CameraInfo out of a bag, of ROS 2 or ROS 1, with all that it says: the region and binning too."""
    model, roi = CameraModel.of_message(info), info.roi
    message = _info_message(model, header)
    message.binning_x, message.binning_y = int(info.binning_x), int(info.binning_y)
    message.roi = RegionOfInterest(
        x_offset=int(roi.x_offset), y_offset=int(roi.y_offset), height=int(roi.height), width=int(roi.width),
        do_rectify=bool(roi.do_rectify),
    )
    return message


def _info_message(model: CameraModel, header: Any) -> CameraInfo:
    return CameraInfo(
        header=header,
        width=model.width,
        height=model.height,
        distortion_model=model.distortion_model,
        d=model.d,
        k=model.k,
        r=model.r,
        p=model.p,
    )


def main() -> None:
    sys.exit(run(CameraSource))


if __name__ == "__main__":
    main()
