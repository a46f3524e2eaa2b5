"""What `run` does around a node, seen from outside of its process."""

from __future__ import annotations

import subprocess
import sys

from tests.ros_processes import PATIENCE_S, REPOSITORY

INTERRUPTED_WHILE_IT_IS_MADE = """
import os, signal
from rclpy.node import Node
from avtar_ros.ros.edges import Edge
from avtar_ros.ros.process import run

class Early(Node):
    def __init__(self):
        super().__init__("early")
        self.edge = Edge(self.get_logger())
        os.kill(os.getpid(), signal.SIGINT)

    def start(self, end):
        print("started")

    def close(self):
        print("closed")

raise SystemExit(run(Early))
"""


def test_a_signal_that_comes_while_a_node_is_made_ends_it_as_any_other() -> None:
    command = [sys.executable, "-c", INTERRUPTED_WHILE_IT_IS_MADE]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (ended.returncode, ended.stdout.split()) == (0, ["started", "closed"]), ended.stderr
