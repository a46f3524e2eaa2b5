"""What is generated from the code is current, and pages name no files and parameters that there are not."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from avtar_ros.node.outputs import frame_outputs
from avtar_ros.node.parameters import DEPTH_ENCODINGS, NodeParameters
from avtar_ros.source.camera_source import SourceParameters
from avtar_ros.tasks import TASKS
from docs import generate
from tests.ros_processes import REPOSITORY

AGAIN = "run: python docs/generate.py"
PAGES = ("node.md", "tuning.md", "security.md")


@pytest.fixture(scope="module", autouse=True)
def default_context() -> Iterator[None]:
    """The generator uses the process's own context, which no other test may have left open."""
    import rclpy

    assert not rclpy.ok()
    yield
    assert not rclpy.ok()


def test_the_tables_of_the_nodes_page_are_current() -> None:
    text = generate.PAGE.read_text()
    assert len(generate.TABLE.findall(text)) == 6
    assert generate.page(text) == text, AGAIN


def test_the_policy_is_current() -> None:
    assert generate.policy(["camera"]) == generate.POLICY.read_text(), AGAIN


def test_a_policy_for_other_cameras_has_their_topics() -> None:
    root = ElementTree.fromstring(generate.policy(["front", "rear"]))
    (profile,) = root.iter("profile")
    allowed = {(group.tag, rule): {name.text for name in group} for group in profile for rule in group.attrib}
    published = allowed["topics", "publish"]
    for camera in ("front", "rear"):
        for encoding in DEPTH_ENCODINGS:
            assert {f"{camera}/{o.topic}" for o in frame_outputs(list(TASKS), encoding)} <= published
        assert {f"{camera}/image_raw", f"{camera}/camera_info"} <= allowed["topics", "subscribe"]
    assert not any(str(topic).startswith("camera/") for topic in published)
    assert {"~/stats", "~/change_state", "~/set_parameters"} <= allowed["services", "reply"]


@pytest.mark.parametrize("name", PAGES)
def test_files_and_parameters_that_a_page_names_exist(name: str) -> None:
    text = (REPOSITORY / "docs" / name).read_text()
    files = re.findall(r"(?:`|avtar_ros/|\()((?:[a-z_]+/)*[a-z_]+\.(?:py|md|xml|json|rviz))", text)
    assert [file for file in files if not any((REPOSITORY / folder / file).exists() for folder in (".", "docs"))] == []
    known = {*NodeParameters.__dataclass_fields__, *SourceParameters.__dataclass_fields__}
    assert set(re.findall(r"`([a-z]+_[a-z_]+)(?:: [\w.]+)?`", text)) <= known | {"mono8", "use_sim_time", *WORDS}


WORDS = {
    "bond_timeout", "multitask_node", "camera_source", "camera_to_maps", "plumb_bob", "rational_polynomial",
    "image_transport",
}
