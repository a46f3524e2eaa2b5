"""The topics of one camera: its image and CameraInfo in, its maps out."""

from __future__ import annotations

import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock
from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from avtar_ros.errors import AvtarError
from avtar_ros.images import to_message_fields

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rclpy.lifecycle import LifecycleNode
    from rclpy.node import Node

COMPRESSED = "/compressed"
"""What image_transport adds to the name of an image topic."""
MAP_DEPTH = 2
"""Maps that may wait for a slow subscriber. More would only be older, and fill the shared-memory segment."""
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
    """One camera of the node: `subscribe` delivers its image messages, `publish` sends its maps.

    Maps are published reliably, so that recorders and RViz get all of them; who subscribes with best effort
    gets that. Only the last few are kept for slow subscribers: nobody holds the node up.
    """

    def __init__(self, node: LifecycleNode, name: str, source: CameraInput, topics: Sequence[str]) -> None:
        """`topics`: what to publish below the camera's name. Raises AvtarError for names that ROS forbids."""
        for topic in (*dict(source.sources), source.camera_info_topic):
            check_topic(node, topic)
        self.name = name
        self.source = source
        self._node = node
        self._info: CameraInfo | None = None
        self._subscriptions: list[Any] = []
        self._search: Any = None
        qos = QoSProfile(depth=MAP_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        options = QoSOverridingOptions.with_default_policies()
        self._publishers = {
            topic: node.create_lifecycle_publisher(Image, f"{name}/{topic}", qos, qos_overriding_options=options)
            for topic in topics
        }

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
        self._info = None

    def destroy(self) -> None:
        """Remove the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def wanted(self) -> set[str]:
        """The topics that somebody subscribes to."""
        return {topic for topic, p in self._publishers.items() if p.get_subscription_count()}

    def focal_px(self, width: int) -> float | None:
        """fx in pixels of an image `width` wide, from the newest CameraInfo; None while that is not known."""
        info = self._info
        if info is None or not info.k[0] > 0:
            return None
        return float(info.k[0]) * width / (info.width or width)

    def publish(self, topic: str, header: Any, pixels: NDArray[Any], encoding: str) -> None:
        """Publish an image (H, W[, channels]) under the header of the camera's own, untouched."""
        fields = to_message_fields(pixels, encoding)
        message = Image(header=header, height=fields.height, width=fields.width, encoding=encoding,
                        is_bigendian=fields.is_bigendian, step=fields.step)
        message.data = data_array(fields.data)
        self._publishers[topic].publish(message)

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
        self._info = message


def check_topic(node: Node, topic: str) -> None:
    """Raise AvtarError where ROS forbids the name."""
    try:
        expand_topic_name(topic, node.get_name(), node.get_namespace())
    except (NameValidationException, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise AvtarError(f"{topic!r} cannot be a topic ({reason}). Change the parameter that names it.") from error


def data_array(data: NDArray[Any]) -> array.array[int]:
    """Bytes as what rclpy puts into a message unchecked; anything else it would check one by one."""
    result = array.array("B")
    result.frombytes(data.data)
    return result
