"""camera_to_maps: the command. Camera source and multitask node in one process, images handed over in memory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from avtar_ros.ros.node_command import NodeParts, node_main

DESCRIPTION = (
    "camera_source and multitask_node in one process, with the parameters of both: images go from one to the other\n"
    "without a copy. For example: camera_to_maps --ros-args -p source:=0 -p model:=my.engine"
)


def _load() -> list[NodeParts]:
    from avtar_ros.node.multitask_node import MultitaskNode
    from avtar_ros.node.parameters import NodeParameters
    from avtar_ros.ros.local_topics import LocalTopics
    from avtar_ros.source.camera_source import CameraSource, SourceParameters

    local = LocalTopics()
    return [
        NodeParts(partial(CameraSource, local), SourceParameters),
        NodeParts(partial(MultitaskNode, local), NodeParameters),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run both nodes; returns the exit code."""
    return node_main("camera_to_maps", DESCRIPTION, _load, argv)


if __name__ == "__main__":
    sys.exit(main())
