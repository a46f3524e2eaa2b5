"""Run as a program: a node through its whole life again and again; prints what it holds after each cycle, as JSON."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn

from avtar_ros.node.multitask_node import MultitaskNode

PROC = Path("/proc/self")


def held() -> dict[str, int]:
    """Bytes of memory in use, threads, and open files."""
    gc.collect()
    status = dict(line.split(":", 1) for line in (PROC / "status").read_text().splitlines())
    return {
        "memory": 1024 * int(status["VmRSS"].split()[0]),
        "threads": int(status["Threads"]),
        "files": len(list((PROC / "fd").iterdir())),
    }


def main(cycles: int) -> None:
    rclpy.init(args=sys.argv)
    node = MultitaskNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    history = []
    for _ in range(cycles):
        for step in (node.trigger_configure, node.trigger_activate, node.trigger_deactivate, node.trigger_cleanup):
            assert step() == TransitionCallbackReturn.SUCCESS
            executor.spin_once(timeout_sec=0)
        history.append(held())
    executor.shutdown()
    node.close()
    node.destroy_node()
    rclpy.shutdown()
    print(json.dumps(history))


if __name__ == "__main__":
    main(int(sys.argv[1]))
