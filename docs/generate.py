"""Write what can be said from the code: the tables of docs/node.md and sros/avtar.policy.xml.

python docs/generate.py                         # both, in place; a test fails where they are not current
python docs/generate.py --policy front rear     # print a policy for cameras of other names
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from avtar_ros.resources import DEMO_MODEL, find_resource
from avtar_ros.ros.isolation import claim_ros_domain, loopback_environment
from avtar_ros.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "node.md"
POLICY = ROOT / "sros" / "avtar.policy.xml"
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
Row = Sequence[str]


def page(text: str) -> str:
    """The page with all of its tables anew."""
    tables = {"topics": topics, "parameters": node_parameters, "source": source_parameters, "services": services,
              "qos": qos, "diagnostics": diagnostics}
    return TABLE.sub(lambda match: f"{match[1]}{tables[match[2]]()}{match[3]}", text)


def topics() -> str:
    from avtar_ros.node.outputs import card_outputs, frame_outputs
    from avtar_ros.ros.messages import LABELS
    from avtar_ros.ros.names import COMPRESSED

    outputs = [*frame_outputs(list(TASKS), "32FC1"), *card_outputs(list(TASKS))]
    names = {output.topic for output in outputs}
    rows = []
    for output in outputs:
        if output.topic.endswith(COMPRESSED):
            continue
        labels = output.kind is LABELS
        kind = "vision_msgs/msg/LabelInfo, or std_msgs/msg/String with JSON" if labels else type_name(output.kind)
        compressed = output.topic + COMPRESSED in names
        codec = ("jpeg" if output.encoding == "rgb8" else "png") if compressed else ""
        rows.append((f"`{output.topic}`", kind, output.encoding, codec, output.content))
    return table(("topic", "type", "encoding", "`/compressed`", "content"), rows)


def node_parameters() -> str:
    from avtar_ros.node.parameters import NodeParameters

    return parameters(NodeParameters)


def source_parameters() -> str:
    from avtar_ros.source.camera_source import SourceParameters

    return parameters(SourceParameters)


def parameters(record: Any) -> str:
    rows = []
    for field in sorted(dataclasses.fields(record), key=lambda field: field.name):
        rules, default = field.metadata["rules"], field.default
        kind = f"{type(default[0]).__name__}[]" if isinstance(default, tuple) else type(default).__name__
        shown = list(default) if isinstance(default, tuple) else default
        values = ", ".join(rules.choices) or (f"{rules.limits[0]:g} to {rules.limits[1]:g}" if rules.limits else "")
        live = "yes" if rules.dynamic else ""
        rows.append((f"`{field.name}`", kind, f"`{shown!r}`", values, live, rules.description))
    return table(("parameter", "type", "default", "values", "while it works", "meaning"), rows)


def services() -> str:
    return table(("service", "type"), [(f"`{name}`", kind) for name, kind in sorted(live()[2].items())])


def qos() -> str:
    from avtar_ros.node.camera import IMAGES
    from avtar_ros.node.outputs import MAPS
    from avtar_ros.ros.qos import latched, reliable

    def row(what: str, profile: Any) -> Row:
        return (what, profile.reliability.name.lower(), profile.durability.name.lower(), str(profile.depth))

    return table(
        ("what", "reliability", "durability", "depth"),
        [
            ("images and CameraInfo, received", "parameter `reliability`", "volatile", str(IMAGES)),
            row("maps, colours, points, CameraInfo, published", reliable(MAPS)),
            row("`segmentation/label_info`", latched()),
        ],
    )


def diagnostics() -> str:
    from avtar_ros.node.diagnostics import camera_status, engine_status
    from avtar_ros.node.parameters import NodeParameters
    from avtar_ros.node.statistics import Flow, FrameCounts, FrameTimes

    steps = {field.name: dict.fromkeys(("p50", "p95", "p99"), 0.0) for field in dataclasses.fields(FrameTimes)}
    engine = engine_status("active", {"model": "", "engine": "", "self-test": ""}, steps, {})
    camera = camera_status("camera", "", FrameCounts(), Flow(Counter(), 0, 0), 0, 0, NodeParameters())
    return table(
        ("status", "values"),
        [(f"`multitask_node: {status.name}`", "; ".join(status.values)) for status in (engine, camera)],
    )


def live(cameras: Sequence[str] = ("camera",)) -> tuple[list[str], list[str], dict[str, str]]:
    """What an active node publishes, what it subscribes to, and its services with their types."""
    import rclpy
    from rclpy.parameter import Parameter

    from avtar_ros.node.multitask_node import MultitaskNode
    from avtar_ros.node.parameters import DEPTH_ENCODINGS

    rclpy.init()
    node = MultitaskNode()
    try:
        node.set_parameters([Parameter("model", value=str(find_resource(DEMO_MODEL))),
                             Parameter("cameras", value=list(cameras))])
        node.trigger_configure()
        node.trigger_activate()
        published = {publisher.topic for publisher in node.publishers}
        for encoding in DEPTH_ENCODINGS:  # each has topics of its own
            node.set_parameters([Parameter("depth_encoding", value=encoding)])
            published |= {publisher.topic for publisher in node.publishers}
        # Images are subscribed to while somebody wants maps.
        images = {topic for camera in node._cameras.values() for topic, _ in camera.source.sources}
        subscribed = sorted({subscription.topic for subscription in node.subscriptions} | images)
        own = f"{node.get_name()}/"
        served = {s.srv_name.removeprefix("/").replace(own, "~/"): type_name(s.srv_type) for s in node.services}
        return sorted(published), subscribed, served
    finally:
        node.close()
        node.destroy_node()
        rclpy.shutdown()


def policy(cameras: Sequence[str]) -> str:
    """An SROS 2 policy that lets the node do what it does, and nothing else."""
    published, subscribed, served = live(cameras)
    root = ElementTree.Element("policy", version="0.2.0")
    root.append(ElementTree.Comment(" Made by docs/generate.py: docs/security.md says how to use it. "))
    enclaves = ElementTree.SubElement(root, "enclaves")
    enclave = ElementTree.SubElement(enclaves, "enclave", path="/avtar_ros/multitask_node")
    profiles = ElementTree.SubElement(enclave, "profiles")
    profile = ElementTree.SubElement(profiles, "profile", ns="/", node="multitask_node")
    rules(profile, "topics", {"publish": "ALLOW"}, [*published, "/rosout", "~/transition_event"])
    rules(profile, "topics", {"subscribe": "ALLOW"}, [*subscribed, "/clock"])
    rules(profile, "services", {"reply": "ALLOW"}, served)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def rules(profile: ElementTree.Element, what: str, rule: dict[str, str], names: Iterable[str]) -> None:
    group = ElementTree.SubElement(profile, what, rule)
    for name in sorted(set(names)):
        ElementTree.SubElement(group, what.removesuffix("s")).text = name


def table(header: Row, rows: Iterable[Row]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def type_name(kind: Any) -> str:
    package, interface, *_ = kind.__module__.split(".")
    return f"{package}/{interface}/{kind.__name__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", nargs="+", metavar="CAMERA", help="print a policy for these cameras")
    options = parser.parse_args()
    domain, claim = claim_ros_domain()
    with claim, tempfile.TemporaryDirectory() as logs:
        os.environ.update(loopback_environment(domain), ROS_LOG_DIR=logs)
        if options.policy:
            print(policy(options.policy), end="")
        else:
            PAGE.write_text(page(PAGE.read_text()))
            POLICY.write_text(policy(["camera"]))


if __name__ == "__main__":
    main()
