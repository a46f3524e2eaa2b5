"""The floor for `benchmarks/node.py`: a bare node, which under the header of each image publishes four messages of as
many bytes as the maps have, and makes nothing. It goes by the name of `multitask_node`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from avtar_ros.node.camera import IMAGES
from avtar_ros.node.outputs import MAPS
from avtar_ros.ros.edges import Edge
from avtar_ros.ros.messages import fill_image
from avtar_ros.ros.process import run
from avtar_ros.ros.qos import reliable
from avtar_ros.tasks import TASKS


class BareNode(Node):
    """Parameters `width` and `height`: the size of the maps."""

    def __init__(self) -> None:
        super().__init__("multitask_node", allow_undeclared_parameters=True)
        self.edge = Edge(self.get_logger())
        width, height = (int(self.declare_parameter(name, 0).value or 0) for name in ("width", "height"))
        self._topics = []
        for task in TASKS.values():
            message = Image()
            fill_image(message, np.ones(task.shape(height, width), task.dtype), task.encoding)
            self._topics.append((self.create_publisher(Image, f"camera/{task.name}/image", reliable(MAPS)), message))
        qos = QoSProfile(depth=IMAGES, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(Image, "camera/image_raw", self._on_image, qos)

    def _on_image(self, image: Any) -> None:
        for publisher, message in self._topics:
            message.header = image.header
            publisher.publish(message)

    def start(self, end: Callable[[int], None]) -> None:
        """It began when it was made."""

    def close(self) -> None:
        """It holds nothing."""


if __name__ == "__main__":
    sys.exit(run(BareNode))
