"""camera_source: the command. The node itself is in `camera_source.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from avtar_ros.ros.node_command import NodeParts, node_main

DESCRIPTION = (
    "A camera without a camera: plays a bag, a video, pictures, a webcam or a stream as camera topics. For example:\n"
    "camera_source --ros-args -p source:=recording.mcap -p loop:=true"
)


def _load() -> list[NodeParts]:
    from avtar_ros.source.camera_source import CameraSource, SourceParameters

    return [NodeParts(CameraSource, SourceParameters)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the node; returns the exit code."""
    return node_main("camera_source", DESCRIPTION, _load, argv)


if __name__ == "__main__":
    sys.exit(main())
