"""What comes from one camera: its images and its CameraInfo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from avtar_ros.node_names import COMPRESSED, check_topic

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode

    from avtar_ros.node_outputs import CameraOutputs

SEARCH_PERIOD_S = 0.1


@dataclass(frozen=True)
class CameraInput:
    """Where a camera's images come from; `transport` is raw, compressed, or auto: whichever is published."""

    image_topic: str
    camera_info_topic: str
    transport: str
    reliability: str

    @classmethod
    def of(
        cls, camera: str, image_topic: str, camera_info_topic: str, transport: str, reliability: str
    ) -> CameraInput:
        """`{camera}` in topics stands for the camera's name; empty CameraInfo topic: beside the image's."""
        image = image_topic.replace("{camera}", camera)
        info = camera_info_topic.replace("{camera}", camera)
        namespace, slash, _ = image.removesuffix(COMPRESSED).rpartition("/")
        return cls(image, info or f"{namespace}{slash}camera_info", transport, reliability)

    @property
    def sources(self) -> list[tuple[str, Any]]:
        """(topic, message type) pairs that may carry the images, the preferred first."""
        raw = (self.image_topic, Image)
        compressed = (self.image_topic.removesuffix(COMPRESSED) + COMPRESSED, CompressedImage)
        if self.transport == "auto":
            return [raw, compressed, (self.image_topic, CompressedImage)]
        return [raw if self.transport == "raw" else compressed]


class NodeCamera:
    """One camera of the node: `subscribe` delivers its image messages, `outputs` takes its maps."""

    def __init__(self, node: LifecycleNode, name: str, source: CameraInput, outputs: CameraOutputs) -> None:
        """Raises AvtarError for names that ROS forbids."""
        for topic in (*dict(source.sources), source.camera_info_topic):
            check_topic(node, topic)
        self.name = name
        self.source = source
        self._node = node
        self.info: CameraInfo | None = None
        """The newest CameraInfo."""
        self._subscriptions: list[Any] = []
        self._search: Any = None
        self.outputs = outputs

    def subscribe(self, on_image: Callable[[str, Any], None]) -> None:
        """Call `on_image(name, message)` for each image from now on."""
        self._on_image = lambda message: on_image(self.name, message)
        self._listen(CameraInfo, self.source.camera_info_topic, self._on_info)
        if len(self.source.sources) == 1:
            ((topic, message_type),) = self.source.sources
            self._listen(message_type, topic, self._on_image)
        else:
            # By the system clock: with use_sim_time the node's stands still until someone publishes /clock.
            self._search = self._node.create_timer(SEARCH_PERIOD_S, self._find_source, clock=Clock())
            self._find_source()

    def unsubscribe(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._stop_search()
        self.info = None

    def destroy(self) -> None:
        """Remove the publishers."""
        self.outputs.destroy()

    def focal_px(self, width: int) -> float | None:
        """fx in pixels of an image `width` wide, from the newest CameraInfo; None while that is not known."""
        info = self.info
        if info is None or not info.k[0] > 0:
            return None
        return float(info.k[0]) * width / (info.width or width)

    def _find_source(self) -> None:
        """Subscribe to the first of the sources that has a publisher."""
        for topic, message_type in self.source.sources:
            kind = f"sensor_msgs/msg/{message_type.__name__}"
            resolved = self._node.resolve_topic_name(topic)
            if any(info.topic_type == kind for info in self._node.get_publishers_info_by_topic(resolved)):
                self._stop_search()
                self._listen(message_type, topic, self._on_image)
                return

    def _stop_search(self) -> None:
        if self._search is not None:
            self._node.destroy_timer(self._search)
            self._search = None

    def _listen(self, message_type: Any, topic: str, callback: Callable[[Any], None]) -> None:
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[self.source.reliability.upper()])
        # Reliability is a parameter of the node; as an override it would be fixed once and for all.
        options = QoSOverridingOptions([QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.DURABILITY])
        self._subscriptions.append(
            self._node.create_subscription(message_type, topic, callback, qos, qos_overriding_options=options)
        )

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message
