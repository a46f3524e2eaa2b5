"""Recording the maps that a node publishes, and when they came."""

from __future__ import annotations

import queue
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from avtar_ros.bags.writing import IMAGE, BagWriter

QUEUE = 10
BACKLOG = 64
"""Messages that may wait to be compressed and written."""
TICK_S = 0.02
"""How long to wait at a time. rclpy gathers all that it waits for anew, not only at each wait but for each message,
where the timeout is not the last one's."""
_STAMP = struct.Struct("<4xiI")
"""Where the stamp lies in a serialised message: after the encapsulation, at the very start of the header."""


class MapRecorder(AbstractContextManager["MapRecorder"]):
    """Subscribes to map topics and writes their messages, as they are, into a bag.

    `latencies` has each stamp for which all maps have come: nanoseconds from the stamp to the last of them.
    Starts ROS and ends it; call `spin` for anything to happen.
    """

    def __init__(self, topics: Sequence[str], output: BagWriter) -> None:
        self.latencies: dict[int, int] = {}
        self._topics = topics
        self._output = output
        self._incomplete: dict[int, int] = {}
        self._writes: queue.Queue[tuple[str, int, bytes] | None] = queue.Queue(BACKLOG)
        self._writer = threading.Thread(target=self._write, name="writer")
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        # Each service is one more thing to wait for, which costs time at every map.
        self._node = Node("map_recorder", enable_rosout=False, start_parameter_services=False)
        qos = QoSProfile(depth=QUEUE, reliability=ReliabilityPolicy.RELIABLE)
        for topic in self._topics:
            self._node.create_subscription(Image, topic, self._callback(topic), qos, raw=True)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._writer.start()

    def spin_once(self, timeout_s: float) -> None:
        """Receive a message, or wait this long."""
        self._executor.spin_once(timeout_s)

    def spin(self, seconds: float) -> None:
        """Receive for about this long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.spin_once(min(left, TICK_S))

    @property
    def seconds(self) -> float:
        """From the first stamp of which all maps have come to the arrival of the last map."""
        if not self.latencies:
            return 0.0
        first, last = next(iter(self.latencies)), next(reversed(self.latencies))
        return (last + self.latencies[last] - first) / 1e9

    def publishers_found(self) -> bool:
        """Whether every topic has a publisher by now."""
        return all(self._node.count_publishers(topic) for topic in self._topics)

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown()
        self._writes.put(None)
        self._writer.join()

    def _callback(self, topic: str) -> Callable[[bytes], None]:
        def on_map(message: bytes) -> None:
            now = time.time_ns()
            seconds, nanoseconds = _STAMP.unpack_from(message)
            stamp_ns = seconds * 10**9 + nanoseconds
            self._incomplete[stamp_ns] = self._incomplete.get(stamp_ns, 0) + 1
            if self._incomplete[stamp_ns] == len(self._topics):
                self.latencies[stamp_ns] = now - stamp_ns
                # Frames that came incomplete before this one will stay so.
                self._incomplete = {s: n for s, n in self._incomplete.items() if s > stamp_ns}
            self._writes.put((topic, stamp_ns, message))

        return on_map

    def _write(self) -> None:
        while (item := self._writes.get()) is not None:
            topic, stamp_ns, message = item
            self._output.write(topic, stamp_ns, IMAGE, message)
