"""Real ROS nodes in processes of their own, and a client in the test's process that talks to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy

from avtar_ros.ros.isolation import transport_environment

REPOSITORY = Path(__file__).resolve().parents[1]
PROFILE = REPOSITORY / "config" / "fastdds_loopback.xml"
PATIENCE_S = 60.0
"""How long to wait for what should take moments, so that a busy machine fails no test."""

ASK_AGAIN_S = 10.0
"""How long to wait for a service's answer before it is asked again."""

GRACE_S = 10.0
"""How long a process may take to end."""

RELIABLE = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class RosProcess(AbstractContextManager["RosProcess"]):
    """A module run with ROS parameters; it never outlives its `with`."""

    def __init__(self, module: str, log: Path, parameters: dict[str, object], arguments: Sequence[str] = ()) -> None:
        """Output goes to the file `log`; parameters are written as in YAML."""
        self._log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *ros_arguments(parameters), *arguments],
                cwd=REPOSITORY,
                env=os.environ | transport_environment(str(PROFILE)),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def memory(self) -> int:
        """Bytes that it has in memory now."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def page_faults(self) -> int:
        """How often it took memory anew from the kernel."""
        after_name = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2]
        return int(after_name.split()[7])

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once it has ended by itself."""
        return self._process.wait(PATIENCE_S)

    def __exit__(self, *_: object) -> None:
        """Interrupt it, which gives its shared memory back, and kill it where that does not help."""
        if self.running:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Client(AbstractContextManager["Client"]):
    """A ROS node of the test's own. Everything happens while it waits."""

    def __init__(self) -> None:
        # Read by Fast DDS when the first participant of this process is made.
        os.environ.update(transport_environment(str(PROFILE)))
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("test_client", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Spin until `condition`; fails naming `what` did not come."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
            self._executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def publisher(self, kind: Any, topic: str, qos: QoSProfile = RELIABLE) -> Any:
        return self.node.create_publisher(kind, topic, qos)

    def inbox(self, kind: Any, topic: str, qos: QoSProfile = RELIABLE) -> list[Any]:
        """A list that grows by each message on the topic."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def await_subscriber(self, publisher: Any) -> None:
        self.wait_until(publisher.get_subscription_count, f"a subscriber of {publisher.topic_name}")

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """The answer of a service.

        It is asked again where no answer comes: on a busy machine one is now and then lost where the service has not
        found this client yet.
        """
        client = self.node.create_client(kind, service)
        self.wait_until(client.service_is_ready, f"service {service}")
        answers: list[Any] = []
        ask_again_s = 0.0

        def answered() -> bool:
            nonlocal ask_again_s
            if time.monotonic() > ask_again_s:
                answers.append(client.call_async(request))
                ask_again_s = time.monotonic() + ASK_AGAIN_S
            return any(answer.done() for answer in answers)

        self.wait_until(answered, f"the answer of {service}")
        self.node.destroy_client(client)
        return next(answer.result() for answer in answers if answer.done())

    def asker(self, kind: Any, node: str, service: str) -> Any:
        """A client of a node's service that gets an answer though it asks but once.

        A service that has not found a client yet cannot answer it. A node finds clients in the order that they are
        made, so once it has answered one that was made later, it knows this one.
        """
        made = self.node.create_client(kind, f"{node}/{service}")
        self.wait_until(made.service_is_ready, f"service {service}")
        self.call(GetParameters, f"{node}/get_parameters", GetParameters.Request())
        return made

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


def ros_arguments(parameters: dict[str, object]) -> list[str]:
    """The command line that sets parameters."""
    settings = (("-p", f"{name}:={_yaml(value)}") for name, value in parameters.items())
    return ["--ros-args", *(text for setting in settings for text in setting)]


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_yaml, value))}]"
    return f'"{value}"' if isinstance(value, (str, Path)) else str(value)
