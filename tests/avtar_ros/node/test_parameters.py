"""Parameters of a node that works: what changes at once, what is refused and why, and files of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters, SetParametersAtomically
from rclpy.parameter import Parameter, parameter_dict_from_yaml_file
from sensor_msgs.msg import Image

from avtar_ros.node.parameters import NodeParameters
from avtar_ros.ros.parameters import declare_parameters, parameter, read_parameters
from tests.node_client import NODE, StartNode, array_of, connect, image, numbers, picture, set_parameters, stats
from tests.ros_processes import Client
from tests.tiny_models import write_tiny_model


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another model than the one that the node starts with."""
    path = tmp_path / "other.onnx"
    write_tiny_model(path, width=80, height=56, name="other")
    return path


def next_map(client: Client, images: Any, inbox: list[Image]) -> Image:
    """The map of an image published now, sent again in case that nobody listened to yet."""
    inbox.clear()
    number = 0

    def served() -> list[Image]:
        nonlocal number
        number += 1
        images.publish(image(picture(), number))
        client.spin(0.1)
        return inbox

    client.wait_until(served, "a map")
    return inbox[-1]


class TestDynamic:
    def test_tasks_are_switched_on_and_off(self, client: Client, start: StartNode) -> None:
        start()
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        assert set_parameters(client, tasks=["edges"]) == []
        client.wait_until(lambda: not client.node.count_publishers("camera/depth/image"), "the end of depth")
        next_map(client, images, edges)
        assert set_parameters(client, tasks=["depth", "edges"]) == []
        depths = client.inbox(Image, "camera/depth/image")
        next_map(client, images, depths)
        next_map(client, images, edges)
        assert set_parameters(client, tasks=["flow"]) == [
            "model 'tiny' has no task flow. Choose among: segmentation, depth, normals, edges."
        ]
        next_map(client, images, depths)

    def test_the_size_of_maps_changes(self, client: Client, start: StartNode) -> None:
        start()
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        assert set_parameters(client, map_size="model") == []
        found = next_map(client, images, edges)
        assert (found.height, found.width) == (48, 64)

    def test_the_opacity_of_the_overlay_changes(self, client: Client, start: StartNode) -> None:
        start()
        overlays = client.inbox(Image, "camera/overlay")
        images = connect(client, overlays)
        assert set_parameters(client, overlay_opacity=0.0) == []
        next_map(client, images, overlays)
        assert (array_of(overlays[-1]) == picture()).all()

    def test_one_that_does_not_fit_the_cameras_is_refused(self, client: Client, start: StartNode) -> None:
        start(cameras=["a", "b"])
        (reason,) = set_parameters(client, max_rate=[1.0, 2.0, 3.0])
        assert "must be one number for all cameras, or one for each of a, b" in reason
        (reason,) = set_parameters(client, min_rate=[-1.0])
        assert reason == "-1.0 is out of range: each must be from 0 to 1000"
        (reason,) = set_parameters(client, camera_timeout=0.0)
        assert "out of range" in reason
        assert set_parameters(client, max_rate=[1.0, 2.0], min_rate=[3.0]) == []


class TestFixed:
    def test_others_change_only_while_the_node_is_not_configured(self, client: Client, start: StartNode) -> None:
        start()
        (reason,) = set_parameters(client, cameras=["front"])
        assert reason.startswith("cameras cannot change while the node is configured. Deactivate and clean it up")
        assert set_parameters(client, cameras=["camera"], threads=1) == []  # as they are

    def test_several_at_once_are_set_together_or_not_at_all(self, client: Client, start: StartNode) -> None:
        start()
        values = {"max_age": 1.0, "transport": "raw"}
        request = SetParametersAtomically.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        )
        result = client.call(SetParametersAtomically, f"{NODE}/set_parameters_atomically", request).result
        assert not result.successful
        assert result.reason.startswith("transport cannot change")
        assert get_parameters(client)["max_age"] == 0.0

    def test_every_parameter_is_one_or_the_other(self) -> None:
        rules = {name: field.metadata["rules"] for name, field in NodeParameters.__dataclass_fields__.items()}
        fixed = {name for name, rule in rules.items() if not rule.dynamic}
        assert fixed == {
            "autostart", "cameras", "image_topic", "camera_info_topic", "transport", "reliability", "threads",
            "providers", "zero_copy", "self_test",
        }


class TestModel:
    def test_another_one_takes_over_between_two_frames_and_no_camera_is_lost(
        self, client: Client, start: StartNode, other: Path
    ) -> None:
        process = start(cameras=["a", "b"], map_size="model")
        maps = {camera: client.inbox(Image, f"{camera}/edges/image") for camera in "ab"}
        images = {camera: connect(client, inbox, camera=camera) for camera, inbox in maps.items()}
        assert set_parameters(client, model=str(other)) == []
        report = stats(client)
        assert (report["model"], report["state"]) == ("other", "active")
        for camera, publisher in images.items():
            maps[camera].clear()
            publisher.publish(image(picture(), 5))
            client.wait_until(lambda: numbers(maps[camera]) == [5], "the new model's map")  # noqa: B023
            assert (maps[camera][0].height, maps[camera][0].width) == (56, 80)
        assert process.stop() == 0
        assert "Traceback" not in process.output

    def test_one_of_fewer_tasks_takes_the_topics_of_the_others_away(
        self, client: Client, start: StartNode, tmp_path: Path
    ) -> None:
        start()
        depths = client.inbox(Image, "camera/depth/image")
        images = connect(client, depths)
        write_tiny_model(tmp_path / "depth.onnx", tasks=["depth"])
        assert set_parameters(client, model=str(tmp_path / "depth.onnx")) == []
        client.wait_until(lambda: not client.node.count_publishers("camera/edges/image"), "the end of edges")
        next_map(client, images, depths)

    def test_frames_are_served_while_the_new_one_is_loaded(
        self, client: Client, start: StartNode, tmp_path: Path
    ) -> None:
        start(map_size="model")
        slow = tmp_path / "slow.onnx"
        write_tiny_model(slow, width=4000, height=3000)  # warming up, it computes for seconds
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        parameters = [Parameter("model", value=str(slow)).to_parameter_msg()]
        service = client.asker(SetParameters, NODE, "set_parameters")
        answer = service.call_async(SetParameters.Request(parameters=parameters))
        meanwhile = 0
        while not answer.done():
            number = len(edges) + 1
            images.publish(image(picture(), number))
            client.wait_until(lambda: len(edges) >= number or answer.done(), "a map")  # noqa: B023
            meanwhile += not answer.done()
        assert answer.result().results[0].successful
        assert meanwhile > 2

    @pytest.mark.parametrize(
        ("write", "reason"),
        [
            (lambda path: None, "no such model file"),
            (lambda path: path.write_bytes(b"garbage"), "ONNX Runtime cannot load it"),
            (lambda path: write_tiny_model(path, tasks=["depth"]), "has no task edges"),
        ],
        ids=["absent", "garbage", "without a task"],
    )
    def test_a_bad_one_is_refused_with_the_reason_and_the_old_one_goes_on(
        self, client: Client, start: StartNode, tmp_path: Path, write: Callable[[Path], None], reason: str
    ) -> None:
        process = start(tasks=["edges"])
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        write(tmp_path / "bad.onnx")
        (refusal,) = set_parameters(client, model=str(tmp_path / "bad.onnx"))
        assert reason in refusal
        assert stats(client)["model"] == "tiny"
        images.publish(image(picture(), 5))
        client.wait_until(lambda: numbers(edges) == [5], "the old model's map")
        assert get_parameters(client)["model"].endswith("tiny.onnx")
        assert process.stop() == 0
        assert "Traceback" not in process.output

    def test_one_set_while_another_loads_waits_for_its_turn(
        self, client: Client, start: StartNode, other: Path, tiny_model: Path
    ) -> None:
        start()
        service = client.asker(SetParameters, NODE, "set_parameters")
        answers = []
        for path in (other, tiny_model, other):
            parameters = [Parameter("model", value=str(path)).to_parameter_msg()]
            answers.append(service.call_async(SetParameters.Request(parameters=parameters)))
        client.wait_until(lambda: all(answer.done() for answer in answers), "all answers")
        assert all(answer.result().results[0].successful for answer in answers)
        assert stats(client)["model"] == "other"


def get_parameters(client: Client) -> dict[str, Any]:
    """All of the node's parameters, as `ros2 param dump` asks for them."""
    names = client.call(ListParameters, f"{NODE}/list_parameters", ListParameters.Request()).result.names
    values = client.call(GetParameters, f"{NODE}/get_parameters", GetParameters.Request(names=names)).values
    messages = (ParameterMessage(name=name, value=value) for name, value in zip(names, values, strict=True))
    parameters = (Parameter.from_parameter_msg(message) for message in messages)
    return {p.name: list(p.value) if not isinstance(p.value, (str, bool, int, float)) else p.value for p in parameters}


def dump(parameters: dict[str, Any], path: Path) -> None:
    """Write them as `ros2 param dump` does: names with dots are nested."""
    nested: dict[str, Any] = {}
    for name, value in parameters.items():
        *groups, last = name.split(".")
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    path.write_text(yaml.dump({f"/{NODE}": {"ros__parameters": nested}}, default_flow_style=False))


GIVEN: dict[str, Any] = {
    "cameras": ["a", "b"],
    "max_rate": [5.0, 7.5],
    "max_age": 0.25,
    "map_size": "model",
    "tasks": ["edges", "depth"],
    "jpeg_quality": 55,
    "qos_overrides./a/edges/image.publisher.reliability": "best_effort",
}


@dataclass(frozen=True)
class Few:
    rates: tuple[float, ...] = parameter((1.0,), "Rates.", limits=(0.0, 10.0))
    names: tuple[str, ...] = parameter(("a",), "Names.")
    kind: str = parameter("round", "Shape.", choices=("round", "square"))


class TestDeclared:
    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("rates", [1.0, 10.5], "10.5 is out of range: each must be from 0 to 10"),
            ("rates", [float("nan")], "nan is out of range"),
            ("kind", "flat", "must be one of: round, square"),
            ("kind", "square", "kind cannot change while the node runs. Start it anew"),
            ("rates", [1.0, 2.0], "rates cannot change while the node runs"),
        ],
    )
    def test_where_a_node_does_not_take_changes_they_are_refused_with_the_reason(
        self, client: Client, name: str, value: Any, reason: str
    ) -> None:
        declare_parameters(client.node, Few)
        (result,) = client.node.set_parameters([Parameter(name, value=value)])
        assert not result.successful
        assert result.reason.startswith(reason)
        assert read_parameters(client.node, Few) == Few()

    def test_what_is_taken_is_told_as_a_whole_before_it_is_set(self, client: Client) -> None:
        told: list[Few] = []
        declare_parameters(client.node, Few, told.append)
        assert client.node.set_parameters_atomically(
            [Parameter("rates", value=[2.0, 3.0]), Parameter("names", value=["b", "c"])]
        ).successful
        assert told == [Few((2.0, 3.0), ("b", "c"))] == [read_parameters(client.node, Few)]


class TestFiles:
    def test_what_is_dumped_starts_a_node_just_like_the_first(
        self, client: Client, start: StartNode, tmp_path: Path
    ) -> None:
        first = start(**GIVEN)
        client.wait_until(lambda: stats(client)["state"] == "active", "the node")
        dumped = get_parameters(client)
        dump(dumped, tmp_path / "dump.yaml")
        assert first.stop() == 0
        start("--params-file", str(tmp_path / "dump.yaml"), model=dumped["model"])
        client.wait_until(lambda: stats(client)["state"] == "active", "the second node")
        again = get_parameters(client)
        assert {name: again.get(name) for name in dumped} == dumped
        assert again["max_rate"] == [5.0, 7.5]

    def test_what_is_dumped_can_be_loaded_into_the_node_at_work(
        self, client: Client, start: StartNode, tmp_path: Path
    ) -> None:
        start(**GIVEN)
        client.wait_until(lambda: stats(client)["state"] == "active", "the node")
        path = tmp_path / "dump.yaml"
        dump(get_parameters(client), path)
        assert set_parameters(client, max_age=9.0, tasks=["edges"]) == []
        loaded = parameter_dict_from_yaml_file(str(path), target_nodes=[f"/{NODE}"])
        request = SetParameters.Request(parameters=list(loaded.values()))
        results = client.call(SetParameters, f"{NODE}/set_parameters", request).results
        refused = {
            name: result.reason for name, result in zip(loaded, results, strict=True) if not result.successful
        }
        assert all("read-only" in reason for reason in refused.values())
        assert not set(refused) & set(NodeParameters.__dataclass_fields__)  # what is read-only is of ROS itself
        assert get_parameters(client)["max_age"] == 0.25
        assert get_parameters(client)["tasks"] == ["edges", "depth"]
