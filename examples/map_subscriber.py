"""A node of your own that uses the maps: how far away is what is nearest, for as long as it runs.

    ros2 launch avtar_ros avtar.launch.py cameras:=front
    python examples/map_subscriber.py --ros-args -p depth:=/front/depth/image
"""

from __future__ import annotations

import contextlib

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image


class Nearest(Node):
    """Says how near the nearest hundredth of a camera's view is."""

    def __init__(self) -> None:
        super().__init__("nearest")
        topic = str(self.declare_parameter("depth", "camera/depth/image").value)
        self.create_subscription(Image, topic, self._look, qos_profile_sensor_data)

    def _look(self, message: Image) -> None:
        depth = np.frombuffer(message.data, np.float32).reshape(message.height, message.step // 4)[:, : message.width]
        known = depth[np.isfinite(depth)]  # unknown is NaN (REP-117)
        if known.size:
            self.get_logger().info(f"nearest: {np.percentile(known, 1):.2f} m")


def main() -> None:
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Nearest())


if __name__ == "__main__":
    main()
