"""A camera without a camera: plays a bag, a video, a folder of pictures or a webcam as camera topics.

    python -m avtar_ros.camera_source --ros-args -p source:=recording.mcap -p wait_for_subscriber:=10.0
"""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from avtar_ros.camera_model import CameraModel
from avtar_ros.errors import AvtarError
from avtar_ros.frame_sources import FrameSource, SourceFrame, open_source, schedule
from avtar_ros.images import ImageFields, is_compressed, to_message_fields, to_rgb
from avtar_ros.node_messages import data_array
from avtar_ros.node_names import COMPRESSED, check_topic
from avtar_ros.node_parameters import declare_parameters, parameter, read_parameters
from avtar_ros.node_process import run

LogStamps = Callable[[int, int], None]

QUEUE = 5
POLL_S = 0.02


@dataclass(frozen=True)
class SourceParameters:
    """The parameters of the camera source, all read at its start."""

    source: str = parameter("", "What to play: a bag, a video, a folder of pictures, or a webcam's number.")
    topic: str = parameter("", "Image topic of the bag to play; empty for the colour camera found in it.")
    camera: str = parameter("camera", "Name of the camera: the namespace of the topics published.")
    rate: float = parameter(
        0.0, "Frames per second; 0 for the recording's own timing.", limits=(0.0, 1000.0)
    )
    loop: bool = parameter(False, "Begin again at the end.")
    stamp: str = parameter(
        "now",
        "Stamp of the images: now, when they are published, or original, as recorded.",
        choices=("now", "original"),
    )
    stamp_log: str = parameter(
        "",
        'File to write one line {"published_ns": ..., "original_ns": ...} to for each frame: the stamp it was '
        "published under and the one it was recorded with.",
    )
    wait_for_subscriber: float = parameter(
        0.0,
        "Seconds to wait for a subscriber before the first frame; it is an error if none comes. 0: do not wait.",
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
        <camera>/camera_info (sensor_msgs/CameraInfo) under the same stamps: the bag's first, or from focal_px
    """

    def __init__(self) -> None:
        super().__init__("camera_source")
        declare_parameters(self, SourceParameters)
        self._settings = read_parameters(self, SourceParameters)
        self._stopping = threading.Event()
        self._player: threading.Thread | None = None

    def start(self, end: Callable[[int], None]) -> None:
        """Open the source and begin to play; raises AvtarError."""
        check_topic(self, f"{self._settings.camera}/image_raw")
        source = open_source(self._settings.source, self._settings.topic)
        self._player = threading.Thread(target=self._run, args=(source, end), name="player")
        self._player.start()

    def close(self) -> None:
        self._stopping.set()
        if self._player is not None:
            self._player.join()

    def _run(self, source: FrameSource, end: Callable[[int], None]) -> None:
        try:
            with source, open_stamp_log(self._settings.stamp_log) as log_stamps:
                self._play(source, log_stamps)
        except AvtarError as error:
            self.get_logger().fatal(str(error))
            end(1)
        except Exception:  # noqa: BLE001, the thread's edge: the process must not live on without it
            self.get_logger().fatal(f"playing went wrong:\n{traceback.format_exc()}")
            end(1)
        else:
            end(0)

    def _play(self, source: FrameSource, log_stamps: LogStamps) -> None:
        logger = self.get_logger()
        output: CameraOutput | None = None
        start_ns = count = 0
        for due_ns, frame in schedule(source, self._settings.rate, self._settings.loop):
            if output is None:
                output = CameraOutput(self, self._settings, source.model, frame)
                self._await_subscriber(output)
                logger.info(f"playing {source.description} on {output.topic}")
                start_ns = time.monotonic_ns()
            message = output.message(frame)
            if not source.live:
                self._stopping.wait(max(0, start_ns + due_ns - time.monotonic_ns()) / 1e9)
            if self._stopping.is_set():
                break
            now = self._settings.stamp == "now"
            stamp_ns = self.get_clock().now().nanoseconds if now else frame.stamp_ns
            output.publish(message, stamp_ns)
            log_stamps(stamp_ns, frame.stamp_ns)
            count += 1
        if source.damage:
            logger.warning(source.damage)
        if output is not None:
            output.flush()
        logger.info(f"played {count} frames")

    def _await_subscriber(self, output: CameraOutput) -> None:
        seconds = self._settings.wait_for_subscriber
        deadline = time.monotonic() + seconds
        while seconds and not output.subscribers() and not self._stopping.wait(POLL_S):
            if time.monotonic() > deadline:
                raise AvtarError(f"nobody subscribed to {output.topic} within {seconds} s. Start the node first.")


class CameraOutput:
    """The topics that a camera source publishes, made to fit its first frame."""

    def __init__(
        self, node: Node, settings: SourceParameters, model: CameraModel | None, first: SourceFrame
    ) -> None:
        qos = QoSProfile(depth=QUEUE, reliability=ReliabilityPolicy.RELIABLE)
        self._settings = settings
        self._compressed = is_compressed(first.image) and not settings.decode
        name = f"{settings.camera}/image_raw{COMPRESSED if self._compressed else ''}"
        kind = CompressedImage if self._compressed else Image
        options = QoSOverridingOptions.with_default_policies()
        self._images = node.create_publisher(kind, name, qos, qos_overriding_options=options)
        self._infos = node.create_publisher(
            CameraInfo, f"{settings.camera}/camera_info", qos, qos_overriding_options=options
        )
        if model is None and settings.focal_px:
            height, width = to_rgb(first.image).shape[:2]
            model = CameraModel.pinhole(width, height, settings.focal_px)
        self._model = model
        self.topic: str = node.resolve_topic_name(name)

    def subscribers(self) -> int:
        return int(self._images.get_subscription_count())

    def message(self, frame: SourceFrame) -> Any:
        """The message for a frame, but for its stamp."""
        if self._compressed:
            message = CompressedImage(format=frame.image.format)
            message.data = data_array(frame.image.data)
        else:
            message = _raw_message(self._decoded(frame.image))
        message.header.frame_id = self._settings.frame_id or frame.frame_id
        return message

    def publish(self, message: Any, stamp_ns: int) -> None:
        """Publish the image and its CameraInfo."""
        message.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
        if self._model is not None:
            self._infos.publish(_info_message(self._model, message.header))
        self._images.publish(message)

    def flush(self) -> None:
        """Wait, not for ever, until subscribers that want every frame have the last."""
        self._images.wait_for_all_acked(Duration(seconds=1))

    def _decoded(self, image: Any) -> Any:
        return to_message_fields(to_rgb(image), "rgb8") if is_compressed(image) else image


@contextmanager
def open_stamp_log(path: str) -> Iterator[LogStamps]:
    """A function that writes (published, original) to the file of `stamp_log`; to none where the path is empty.

    The file takes its name at the end. Raises AvtarError where it cannot be written.
    """
    if not path:
        yield lambda published_ns, original_ns: None
        return
    partial = Path(f"{path}.partial")
    try:
        file = partial.open("w", encoding="utf-8")
    except OSError as error:
        raise AvtarError(f"parameter stamp_log: {error}") from error

    def write(published_ns: int, original_ns: int) -> None:
        file.write(json.dumps({"published_ns": published_ns, "original_ns": original_ns}) + "\n")

    try:
        yield write
    finally:
        file.close()
        partial.replace(path)


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
