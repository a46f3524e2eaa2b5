"""The maps of one camera as topics."""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image

from avtar_ros.images import to_message_fields

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rclpy.lifecycle import LifecycleNode

MAP_DEPTH = 2
"""Maps that may wait for a slow subscriber. More would only be older, and fill the shared-memory segment."""


class CameraOutputs:
    """The publishers of one camera's maps.

    Maps are published reliably, so that recorders and RViz get all of them; who subscribes with best effort
    gets that. Only the last few are kept for slow subscribers: nobody holds the node up.
    """

    def __init__(self, node: LifecycleNode, camera: str, topics: Sequence[str]) -> None:
        """`topics`: what to publish below the camera's name."""
        self._node = node
        qos = QoSProfile(depth=MAP_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        options = QoSOverridingOptions.with_default_policies()
        self._publishers = {
            topic: node.create_lifecycle_publisher(Image, f"{camera}/{topic}", qos, qos_overriding_options=options)
            for topic in topics
        }

    def destroy(self) -> None:
        """Remove the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def wanted(self) -> set[str]:
        """The topics that somebody subscribes to."""
        return {topic for topic, p in self._publishers.items() if p.get_subscription_count()}

    def publish(self, topic: str, header: Any, pixels: NDArray[Any], encoding: str) -> None:
        """Publish an image (H, W[, channels]) under the header of the camera's own, untouched."""
        fields = to_message_fields(pixels, encoding)
        message = Image(header=header, height=fields.height, width=fields.width, encoding=encoding,
                        is_bigendian=fields.is_bigendian, step=fields.step)
        message.data = data_array(fields.data)
        self._publishers[topic].publish(message)


def data_array(data: NDArray[Any]) -> array.array[int]:
    """Bytes as what rclpy puts into a message unchecked; anything else it would check one by one."""
    result = array.array("B")
    result.frombytes(data.data)
    return result
