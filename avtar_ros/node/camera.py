"""What comes from one camera: its images and its CameraInfo."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from avtar_ros.geometry.lens import Lens, is_rectified, own_lens, read_lens
from avtar_ros.ros.events import passing_group, subscription_events
from avtar_ros.ros.local_topics import LocalSubscription, LocalTopics
from avtar_ros.ros.names import COMPRESSED, beside, check_topic
from avtar_ros.ros.qos import overrides_reliability, subscription_overrides

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode
    from rclpy.node import Node

    from avtar_ros.node.outputs import CameraOutputs

IMAGES = 5
"""Images that may wait for the executor. It takes all at once; the newest is used, and the others are counted."""


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
        return cls(image, info or beside(image, "camera_info"), transport, reliability)

    def check(self, node: Node) -> None:
        """Raise AvtarError for names that ROS forbids."""
        for topic in (*dict(self.sources), self.camera_info_topic):
            check_topic(node, topic)

    @property
    def sources(self) -> list[tuple[str, Any]]:
        """(topic, message type) pairs that may carry the images, the preferred first."""
        raw = (self.image_topic, Image)
        compressed = (self.image_topic.removesuffix(COMPRESSED) + COMPRESSED, CompressedImage)
        if self.transport == "auto":
            return [raw, compressed, (self.image_topic, CompressedImage)]
        return [raw if self.transport == "raw" else compressed]


class NodeCamera:
    """One camera of the node: its images come in while somebody subscribes to its maps, which `outputs` takes.

    Where images come from is found out by looking, time and again: a camera may come late, go, and return as another.
    What is published in this process comes through `local`.
    """

    def __init__(
        self, node: LifecycleNode, name: str, source: CameraInput, outputs: CameraOutputs, local: LocalTopics
    ) -> None:
        self.name = name
        self.source = source
        self.outputs = outputs
        self.info: CameraInfo | None = None
        """The newest."""
        self.wanted_since_ns = 0
        """Since when images are asked for, on the monotonic clock; 0 while they are not."""
        self._node = node
        self._local = local
        self._on_image: Callable[[Any], None] | None = None
        self._info_subscriptions: list[Any] = []
        self._image_source: tuple[str, Any] | None = None
        self._image_subscriptions: list[Any] = []
        self._lens: tuple[tuple[int, int, int, bool], CameraInfo, Lens] | None = None
        """What was read last, of which CameraInfo and for which images."""

    def start(self, on_image: Callable[[str, Any], None]) -> None:
        """Call `on_image(name, message)` for each image from now on, while maps are wanted."""
        self._on_image = lambda message: on_image(self.name, message)
        topic = self.source.camera_info_topic
        # Here before the image that it belongs to, and from whoever else publishes it.
        self._info_subscriptions = self._subscribe_here(topic, self._keep_info)
        self._info_subscriptions.append(self._subscribe(CameraInfo, topic, self._keep_info))
        self.adapt()

    def adapt(self) -> None:
        """Subscribe to where images are published now, or to nothing if nobody wants maps.

        Cheap, to be called often: a few times a second, and whenever a subscriber of maps comes or goes.
        """
        if self._on_image is None:
            return
        wanted = bool(self.outputs.wanted())
        if wanted != bool(self.wanted_since_ns):
            self.wanted_since_ns = time.monotonic_ns() if wanted else 0
        source = self._find_source() if wanted else None
        if source == self._image_source:
            return
        self._unsubscribe_images()
        if source is not None:
            topic, message_type = source
            here = self._subscribe_here(topic, self._on_image)
            self._image_subscriptions = here or [self._subscribe(message_type, topic, self._on_image)]
            self._image_source = source

    def stop(self) -> None:
        """Let go of all that comes in."""
        self._unsubscribe_images()
        self._unsubscribe(self._info_subscriptions)
        self._on_image = self.info = None
        self.wanted_since_ns = 0

    def destroy(self) -> None:
        """Remove the publishers."""
        self.outputs.destroy()

    def lens(self, width: int, height: int, rectified: bool) -> Lens:
        """The lens of images of this size, by the newest CameraInfo; none while that has not come."""
        info = self.info
        if info is None:
            return Lens(None)
        rectified = rectified or is_rectified(self.source.image_topic)
        asked = (id(info), width, height, rectified)
        if self._lens is None or self._lens[0] != asked or self._lens[1] is not info:
            self._lens = asked, info, read_lens(info, width, height, rectified)
        return self._lens[2]

    @property
    def info_fault(self) -> str | None:
        """Why the newest CameraInfo is not used: for images of its own size, until one has come since."""
        info, read = self.info, self._lens
        if info is None:
            return None
        of_image = read is not None and read[1] is info
        lens = read[2] if read is not None and of_image else own_lens(info, is_rectified(self.source.image_topic))
        return None if lens.model is not None else " ".join(lens.notes) or None

    def _find_source(self) -> tuple[str, Any] | None:
        """The source now used while it is published; else the first that is, or would be if there is but one."""
        sources = self.source.sources
        if len(sources) == 1:
            return sources[0]
        if self._image_source and self._is_published(*self._image_source):
            return self._image_source
        return next((source for source in sources if self._is_published(*source)), self._image_source)

    def _is_published(self, topic: str, message_type: Any) -> bool:
        kind = f"sensor_msgs/msg/{message_type.__name__}"
        # By the name as it is before remapping: rclpy remaps it, and would a resolved one once more.
        return any(info.topic_type == kind for info in self._node.get_publishers_info_by_topic(topic))

    def _unsubscribe_images(self) -> None:
        self._unsubscribe(self._image_subscriptions)
        self._image_source = None

    def _unsubscribe(self, subscriptions: list[Any]) -> None:
        while subscriptions:
            subscription = subscriptions.pop()
            if isinstance(subscription, LocalSubscription):
                self._local.unsubscribe(subscription)
            else:
                self._node.destroy_subscription(subscription)

    def _subscribe_here(self, topic: str, callback: Callable[[Any], None]) -> list[LocalSubscription]:
        """One subscription where the topic is published in this process, else none."""
        resolved = self._node.resolve_topic_name(topic)
        return [self._local.subscribe(resolved, callback)] if self._local.offers(resolved) else []

    def _subscribe(self, message_type: Any, topic: str, callback: Callable[[Any], None]) -> Any:
        qos = QoSProfile(depth=IMAGES, reliability=ReliabilityPolicy[self.source.reliability.upper()])
        resolved = self._node.resolve_topic_name(topic)
        overridden = overrides_reliability(self._node, resolved)
        parameters = {} if overridden else {"RELIABILITY": "reliability"}
        return self._node.create_subscription(
            message_type,
            topic,
            callback,
            qos,
            qos_overriding_options=subscription_overrides(overridden),
            event_callbacks=subscription_events(self._node.get_logger(), resolved, parameters),
            callback_group=passing_group(),
        )

    def _keep_info(self, message: CameraInfo) -> None:
        self.info = message
