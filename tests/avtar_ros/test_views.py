"""The layouts of RViz and Foxglove: they show what is published, and that is all of it that people look at."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from avtar_ros.node.outputs import frame_outputs
from avtar_ros.tasks import TASKS
from tests.ros_processes import REPOSITORY

KINDS = {f"/camera/{o.topic}": o.kind.__name__ for o in frame_outputs(list(TASKS), "32FC1")}
KINDS |= {"/camera/image_raw": "Image", "/camera/camera_info": "CameraInfo", "/diagnostics": "DiagnosticArray"}
LOOKED_AT = {f"/camera/{task}/color" for task in TASKS} | {"/camera/overlay", "/camera/depth/points"}


def test_rviz_shows_the_maps_and_the_points() -> None:
    layout = yaml.safe_load((REPOSITORY / "rviz" / "avtar.rviz").read_text())
    displays = [display for display in layout["Visualization Manager"]["Displays"] if "Topic" in display]
    shown = {display["Topic"]["Value"]: display["Class"].rpartition("/")[2] for display in displays}
    assert shown.keys() >= LOOKED_AT
    assert {topic: KINDS[topic] for topic in shown} == shown


def panels(node: Any) -> Iterator[str]:
    """The panels in a layout, which is a tree of rows and columns."""
    if isinstance(node, str):
        yield node
    else:
        assert node["direction"] in ("row", "column")
        yield from panels(node["first"])
        yield from panels(node["second"])


def test_foxglove_shows_the_maps_and_the_points() -> None:
    layout = json.loads((REPOSITORY / "foxglove" / "avtar.json").read_text())
    configured = layout["configById"]
    assert sorted(panels(layout["layout"])) == sorted(configured)
    topics = {topic for panel in configured.values() for topic in panel.get("topics", ())}
    topics |= {topic for panel in configured.values() for topic in panel.get("imageMode", {}).values()}
    assert topics <= KINDS.keys()
    assert {topic.removesuffix("/compressed") for topic in topics} >= LOOKED_AT
    assert configured["DiagnosticSummary!node"]["topicToRender"] in KINDS
