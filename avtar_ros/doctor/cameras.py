"""The cameras that ROS sees: type, quality of service, rate, and whether there is a CameraInfo that fits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from avtar_ros.doctor.finding import Finding, Level
from avtar_ros.errors import AvtarError
from avtar_ros.geometry.lens import is_calibrated, is_rectified, read_lens
from avtar_ros.imaging.images import to_rgb
from avtar_ros.node.outputs import frame_outputs
from avtar_ros.ros.names import COMPRESSED, beside
from avtar_ros.tasks import TASKS

KINDS = {f"sensor_msgs/msg/{kind.__name__}": kind for kind in (Image, CompressedImage)}
DISCOVERY_S = 1.5
"""How long it may take until all topics are known."""
OWN = tuple(f"/{output.topic}" for encoding in ("32FC1", "16UC1") for output in frame_outputs(list(TASKS), encoding))
"""Ends of the topics that a node of ours publishes itself."""
POLL_S = 0.02


def middleware() -> str:
    """The name of the middleware in use."""
    return str(get_rmw_implementation_identifier())


def cameras(seconds: float) -> list[Finding]:
    """Look and listen for so long. Starts ROS and ends it; raises AvtarError if that cannot be."""
    context = rclpy.Context()
    try:
        rclpy.init(context=context)
    except RuntimeError as error:
        raise AvtarError(f"ROS cannot be started: {error}") from error
    node = Node("avtar_doctor", context=context, enable_rosout=False, start_parameter_services=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        _spin(executor, DISCOVERY_S)
        heard = {topic: Topic(node, topic, kind) for topic, kind in _image_topics(node)}
        infos = {info: Topic(node, info, CameraInfo) for info in {beside(topic, "camera_info") for topic in heard}}
        _spin(executor, seconds)
        if not heard:
            mend = "start the camera's driver, or: ros2 run avtar_ros camera_source --ros-args -p source:=BAG"
            return [Finding("cameras", Level.WARN, "no image topic is published in this domain", mend)]
        return [
            finding
            for topic in heard.values()
            for finding in topic.findings(seconds, infos[beside(topic.name, "camera_info")])
        ]
    finally:
        executor.shutdown(timeout_sec=0)
        node.destroy_node()
        rclpy.shutdown(context=context)


@dataclass
class Topic:
    """A topic that is listened to with best effort, as the node does it."""

    node: Node
    name: str
    kind: Any
    count: int = 0
    newest: Any = None
    first_s: float = 0.0
    newest_s: float = 0.0
    qos: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        profile = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.node.create_subscription(self.kind, self.name, self._hear, profile)

    def _hear(self, message: Any) -> None:
        self.count += 1
        self.newest, self.newest_s = message, time.monotonic()
        self.first_s = self.first_s or self.newest_s

    def findings(self, seconds: float, info: Topic) -> Iterator[Finding]:
        """What is to be said of these images and their CameraInfo."""
        publishers = self.node.get_publishers_info_by_topic(self.name)
        offered = ", ".join(sorted({p.qos_profile.reliability.name.lower() for p in publishers})) or "gone"
        about = f"{self.name} ({self.kind.__name__}, {offered})"
        if self.newest is None:
            text = f"{about}: published, but nothing came in {seconds:g} s"
            mend = "see `profile` above: the same one for the driver and for this shell; or the driver sends nothing"
            yield Finding("camera", Level.ERROR, text, mend)
            return
        try:
            height, width = to_rgb(self.newest).shape[:2]
        except AvtarError as error:
            yield Finding("camera", Level.ERROR, f"{about}: {error}", "set another encoding in the driver")
            return
        span_s = self.newest_s - self.first_s
        rate = f"{(self.count - 1) / span_s:.1f} a second" if span_s else "one image"
        encoding = self.newest.format if self.kind is CompressedImage else self.newest.encoding
        several = len(publishers) > 1
        yield Finding(
            "camera",
            Level.WARN if several else Level.OK,
            f"{about}: {width} x {height} {encoding}, {rate}" + f", from {len(publishers)} publishers" * several,
            "give each publisher a topic of its own" if several else "",
        )
        yield info.as_camera_info(width, height, is_rectified(self.name))

    def as_camera_info(self, width: int, height: int, rectified: bool) -> Finding:
        """What is to be said of this CameraInfo beside images of that size."""
        subject, uncalibrated = "CameraInfo", "depth is metric only for the focal length that the model was trained for"
        if self.newest is None:
            mend = "publish it beside the images, or start the node with camera_info_topic"
            return Finding(subject, Level.WARN, f"none on {self.name}: {uncalibrated}", mend)
        if not is_calibrated(self.newest):
            mend = "calibrate: ros2 run camera_calibration cameracalibrator"
            return Finding(subject, Level.WARN, f"{self.name} is not calibrated: {uncalibrated}", mend)
        lens = read_lens(self.newest, width, height, rectified)
        notes = " ".join(lens.notes)
        if lens.model is None or notes:
            return Finding(subject, Level.WARN, f"{self.name}: {notes or 'cannot be used'}", "mend it in the driver")
        kind = self.newest.distortion_model or "no distortion"
        return Finding(subject, Level.OK, f"{self.name}: fx {lens.focal_px:.1f} px, {kind}")


def _image_topics(node: Node) -> list[tuple[str, Any]]:
    """(name, message type) of all images published but the node's own maps; of the same images, raw ones alone."""
    found = [
        (name, KINDS[kind])
        for name, kinds in node.get_topic_names_and_types()
        for kind in kinds
        if kind in KINDS and not name.endswith(OWN) and node.count_publishers(name)
    ]
    raw = {name for name, kind in found if kind is Image}
    return [(name, kind) for name, kind in found if name in raw or name.removesuffix(COMPRESSED) not in raw]


def _spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        executor.spin_once(min(left, POLL_S))
