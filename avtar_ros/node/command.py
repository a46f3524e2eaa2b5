"""multitask_node: the command. The node itself is in `multitask_node.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from avtar_ros.ros.node_command import NodeParts, node_main

DESCRIPTION = "The ROS 2 node that makes maps of cameras' images; see docs/node.md for its topics and services."


def _load() -> list[NodeParts]:
    from avtar_ros.node.multitask_node import MultitaskNode
    from avtar_ros.node.parameters import NodeParameters

    return [NodeParts(MultitaskNode, NodeParameters)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the node; returns the exit code."""
    return node_main("multitask_node", DESCRIPTION, _load, argv)


if __name__ == "__main__":
    sys.exit(main())
