"""Measure the node under more frames than it can serve: how late maps are, what is dropped, what memory does.

python benchmarks/overload.py --json build/overload.json

Cameras of 640x480 rgb8 in this process, each faster than the engine, and the node in another, with the demo model and
one thread fewer than there are cores. Figures, milliseconds unless they say otherwise, of the last 1000 frames:

engine_ms.*         one inference of all cameras' frames
node_ms.*           from a frame's arrival in the node to its last map handed to ROS
bound_ms            twice the engine's median and 10 ms: what node_ms.p99 is to stay below
memory_growth_mb    of the node, from a third of the time to its end
frames.*            sent, received by the node, published, and dropped because a newer one came first
lost                frames received of which the node does not say what became of them
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from avtar_ros.ros.child_process import NodeProcess
from avtar_ros.ros.isolation import claim_ros_domain, loopback_environment

CAMERAS = ("front", "rear")
RATE = 60.0
START_S = 60.0
SERVED_S = 10.0
"""For what waits at the end to be served."""
WIDTH, HEIGHT = 640, 480


class Flood:
    """The cameras, a subscriber of their maps, and the node's process."""

    def __init__(self, node: Any, process: NodeProcess) -> None:
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import Image
        from std_srvs.srv import Trigger

        from avtar_ros.ros.messages import fill_image

        self._node, self._process = node, process
        self._images = [node.create_publisher(Image, f"/{camera}/image_raw", 5) for camera in CAMERAS]
        for camera in CAMERAS:
            node.create_subscription(Image, f"/{camera}/depth/image", lambda _: None, QoSProfile(depth=2), raw=True)
        self._stats = node.create_client(Trigger, "/multitask_node/stats")
        self._message = Image()
        fill_image(self._message, np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), "rgb8")
        self.sent = 0

    def await_subscriptions(self) -> None:
        import rclpy

        deadline = time.monotonic() + START_S
        while not all(publisher.get_subscription_count() for publisher in self._images):
            self._process.check_running()
            if time.monotonic() > deadline:
                raise SystemExit(f"no subscription after {START_S} s. The node said:\n{self._process.last_words()}")
            rclpy.spin_once(self._node, timeout_sec=0.05)

    def send(self, seconds: float) -> None:
        """Images of all cameras at RATE for so long."""
        import rclpy

        begin = time.monotonic()
        for i in range(round(seconds * RATE)):
            while (left := begin + i / RATE - time.monotonic()) > 0:
                rclpy.spin_once(self._node, timeout_sec=left)
            stamp = self._message.header.stamp
            stamp.sec, stamp.nanosec = divmod(time.time_ns(), 10**9)
            for publisher in self._images:
                publisher.publish(self._message)
                self.sent += 1

    def stats(self) -> dict[str, Any]:
        """What the node tells of itself."""
        import rclpy
        from std_srvs.srv import Trigger

        answer = self._stats.call_async(Trigger.Request())
        rclpy.spin_until_future_complete(self._node, answer, timeout_sec=START_S)
        report: dict[str, Any] = json.loads(answer.result().message)
        return report


def memory(pid: int) -> int:
    """Bytes that a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    import rclpy

    threads = max(1, len(os.sched_getaffinity(0)) - 1)
    parameters = {"cameras": list(CAMERAS), "threads": threads, "transport": "raw", "map_size": "model"}
    node = rclpy.create_node("benchmark_cameras")
    with NodeProcess("avtar_ros.node.multitask_node", parameters, folder) as process:
        flood = Flood(node, process)
        flood.await_subscriptions()
        flood.send(seconds / 3)
        before = memory(process.pid)
        flood.send(seconds * 2 / 3)
        growth = memory(process.pid) - before
        deadline = time.monotonic() + SERVED_S
        while lost(report := flood.stats()) and time.monotonic() < deadline:
            rclpy.spin_once(node, timeout_sec=0.1)
    node.destroy_node()
    cameras, latency = report["cameras"].values(), report["latency_ms"]
    counts = {what: sum(camera[what] for camera in cameras) for what in report["cameras"][CAMERAS[0]]}
    return {
        **{f"engine_ms.{name}": value for name, value in latency["engine"].items()},
        **{f"node_ms.{name}": value for name, value in latency["node"].items()},
        "bound_ms": 2 * latency["engine"]["p50"] + 10,
        "memory_growth_mb": growth / 1e6,
        "frames.sent": flood.sent,
        **{f"frames.{what}": count for what, count in counts.items()},
        "lost": lost(report),
    }


def lost(report: dict[str, Any]) -> int:
    """Frames received of which the node does not say what became of them."""
    cameras = report["cameras"].values()
    return sum(2 * counts["received"] - sum(counts.values()) for counts in cameras)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to send images")
    arguments = parser.parse_args()
    import rclpy

    domain, claim = claim_ros_domain()
    with claim, tempfile.TemporaryDirectory() as folder:
        os.environ.update(loopback_environment(domain), ROS_LOG_DIR=folder)
        rclpy.init()
        try:
            result = measure(Path(folder), arguments.seconds)
        finally:
            rclpy.shutdown()
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
