"""The node's life: how it starts and ends, its states, its parameters."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import onnx
import pytest
import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import Image

from avtar_ros.errors import AvtarError
from avtar_ros.node.multitask_node import MultitaskNode
from avtar_ros.node.parameters import NodeParameters
from avtar_ros.ros.process import SAME_WISH_S
from avtar_ros.tasks import TASKS
from tests.node_client import NODE, StartNode, connect, image, picture, set_parameters
from tests.ros_processes import BEST_EFFORT, RELIABLE, REPOSITORY, Client, ros_arguments
from tests.tiny_models import tiny_model as graph
from tests.tiny_models import write_tiny_model


def no_card(path: Path) -> None:
    onnx.save(graph(write_tiny_model(path)), str(path))


def truncated(path: Path) -> None:
    write_tiny_model(path)
    path.write_bytes(path.read_bytes()[:500])


class TestStart:
    @pytest.mark.parametrize(
        ("name", "write", "reason"),
        [
            ("absent.onnx", lambda _: None, "absent.onnx: no such model file"),
            ("cut.onnx", truncated, "cut.onnx: ONNX Runtime cannot load it"),
            ("plain.onnx", no_card, "plain.onnx: this ONNX file has no model card"),
            ("weights.pt", lambda path: path.write_bytes(b"x"), "weights.pt: unknown kind of model"),
        ],
    )
    def test_without_a_good_model_it_ends_with_the_reason(
        self, start: StartNode, tmp_path: Path, name: str, write: Callable[[Path], object], reason: str
    ) -> None:
        write(tmp_path / name)
        process = start(model=tmp_path / name)
        assert process.wait() == 1
        assert "on_configure failed" in process.output
        assert reason in process.output
        assert "Traceback" not in process.output

    def test_with_a_parameter_that_cannot_be_it_ends_with_the_reason(self, start: StartNode) -> None:
        process = start(threads=-1)
        assert process.wait() == 1
        assert "threads out of range" in process.output
        assert "Traceback" not in process.output

    def test_with_a_parameters_file_that_is_not_there_it_ends_with_the_reason(self, start: StartNode) -> None:
        process = start("--params-file", "/nowhere.yaml")
        assert process.wait() == 1
        assert "/nowhere.yaml" in process.output
        assert "Traceback" not in process.output

    def test_a_signal_that_comes_again_at_once_is_the_same_wish(self, client: Client, start: StartNode) -> None:
        process = start()
        connect(client, client.inbox(Image, "camera/edges/image"))
        process.send(signal.SIGINT)
        process.send(signal.SIGTERM)
        assert process.stop(signal.SIGINT) == 0
        assert "Traceback" not in process.output

    def test_one_that_comes_again_while_the_process_is_ending_is_too(self, client: Client, start: StartNode) -> None:
        process = start()
        connect(client, client.inbox(Image, "camera/edges/image"))
        begin = time.monotonic()
        while process.running and time.monotonic() - begin < SAME_WISH_S / 2:
            process.send(signal.SIGINT)
            client.spin(0.001)
        assert process.wait() == 0
        assert "Traceback" not in process.output

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_in_full_work_ends_it_cleanly(self, client: Client, start: StartNode, number: int) -> None:
        process = start()
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        timer = client.node.create_timer(0.005, lambda: images.publish(image(picture())))
        client.wait_until(lambda: len(edges) > 5, "maps")
        assert process.stop(number) == 0
        client.node.destroy_timer(timer)
        assert "Traceback" not in process.output
        assert "ERROR" not in process.output


class Lifecycle:
    """The transitions of the node, as a lifecycle manager asks for them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._changes = client.asker(ChangeState, NODE, "change_state")

    def go(self, transition: int) -> bool:
        """Ask for a transition, once: asked for again, it would be another one."""
        answer = self._changes.call_async(ChangeState.Request(transition=Transition(id=transition)))
        self.client.wait_until(answer.done, "the transition")
        return answer.result().success

    @property
    def state(self) -> int:
        return self.client.call(GetState, f"{NODE}/get_state", GetState.Request()).current_state.id


class TestLifecycle:
    def test_it_goes_through_its_states_again_and_again(self, client: Client, start: StartNode) -> None:
        process = start(autostart=False)
        life = Lifecycle(client)
        assert life.state == State.PRIMARY_STATE_UNCONFIGURED
        for _ in range(3):
            assert life.go(Transition.TRANSITION_CONFIGURE)
            assert life.state == State.PRIMARY_STATE_INACTIVE
            assert life.go(Transition.TRANSITION_ACTIVATE)
            assert life.state == State.PRIMARY_STATE_ACTIVE
            images = connect(client, client.inbox(Image, "camera/edges/image"))
            assert life.go(Transition.TRANSITION_DEACTIVATE)
            client.wait_until(lambda: not images.get_subscription_count(), "the end of the subscription")  # noqa: B023
            assert life.go(Transition.TRANSITION_CLEANUP)
            client.wait_until(lambda: not client.node.count_publishers("camera/edges/image"), "its publishers' end")
            assert life.state == State.PRIMARY_STATE_UNCONFIGURED
        assert life.go(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
        assert process.stop() == 0
        assert "Traceback" not in process.output

    def test_a_broken_model_fails_configure_and_a_good_one_mends_it(
        self, client: Client, start: StartNode, tiny_model: Path, tmp_path: Path
    ) -> None:
        process = start(autostart=False, model=tmp_path / "absent.onnx")
        life = Lifecycle(client)
        assert not life.go(Transition.TRANSITION_CONFIGURE)
        assert life.state == State.PRIMARY_STATE_UNCONFIGURED
        assert "absent.onnx: no such model file" in process.output
        assert set_parameters(client, model=str(tiny_model)) == []
        assert life.go(Transition.TRANSITION_CONFIGURE)
        assert life.go(Transition.TRANSITION_ACTIVATE)
        assert life.state == State.PRIMARY_STATE_ACTIVE

    def test_after_configure_failed_for_one_camera_no_topic_of_another_is_left(
        self, client: Client, start: StartNode
    ) -> None:
        start(autostart=False, cameras=["good", "no good"])
        assert not Lifecycle(client).go(Transition.TRANSITION_CONFIGURE)
        assert set_parameters(client, cameras=["other"]) == []
        assert Lifecycle(client).go(Transition.TRANSITION_CONFIGURE)
        client.wait_until(lambda: client.node.count_publishers("other/edges/image"), "the topics of the other")
        client.wait_until(lambda: not client.node.count_publishers("good/edges/image"), "the end of those of the first")

    def test_a_signal_while_another_model_loads_ends_it_cleanly(
        self, client: Client, start: StartNode, tmp_path: Path
    ) -> None:
        process = start()
        slow = tmp_path / "slow.onnx"
        write_tiny_model(slow, width=4000, height=3000)
        service = client.asker(SetParameters, NODE, "set_parameters")
        parameters = [Parameter("model", value=str(slow)).to_parameter_msg()]
        answer = service.call_async(SetParameters.Request(parameters=parameters))
        client.spin(0.3)
        assert not answer.done()
        assert process.stop() == 0
        assert "Traceback" not in process.output

    def test_shutdown_from_full_work_is_clean(self, client: Client, start: StartNode) -> None:
        process = start()
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        client.node.create_timer(0.005, lambda: images.publish(image(picture())))
        client.wait_until(lambda: len(edges) > 2, "maps")
        life = Lifecycle(client)
        assert life.go(Transition.TRANSITION_ACTIVE_SHUTDOWN)
        assert life.state == State.PRIMARY_STATE_FINALIZED
        assert process.stop() == 0
        assert "Traceback" not in process.output


@pytest.mark.slow
def test_two_hundred_lives_leave_no_memory_threads_or_files_behind(tiny_model: Path) -> None:
    settings = [*ros_arguments({"model": tiny_model, "threads": 1}), "--log-level", "warn"]
    command = [sys.executable, "-m", "tests.lifecycle_cycles", "200", *settings]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    lives = json.loads(run.stdout)
    assert len(lives) == 200
    after_some, in_the_end = lives[50], lives[-1]
    assert in_the_end["threads"] == after_some["threads"]
    assert in_the_end["files"] == after_some["files"]
    a_life = (in_the_end["memory"] - after_some["memory"]) / 149
    assert a_life < 20_000  # bytes: what the middleware keeps; one map of the smallest size is 3 kB, an engine 1 MB


class TestParameters:
    def test_each_is_described_with_its_limits_and_has_its_default(self, client: Client, start: StartNode) -> None:
        start(autostart=False, reliability="best_effort", threads=0)
        names = list(NodeParameters.__dataclass_fields__)
        request = DescribeParameters.Request(names=names)
        descriptors = client.call(DescribeParameters, f"{NODE}/describe_parameters", request).descriptors
        values = client.call(GetParameters, f"{NODE}/get_parameters", GetParameters.Request(names=names)).values
        for name, descriptor, value in zip(names, descriptors, values, strict=True):
            rules = NodeParameters.__dataclass_fields__[name].metadata["rules"]
            assert descriptor.description == rules.description != ""
            assert descriptor.type == value.type != ParameterType.PARAMETER_NOT_SET
            told = "Each from" in descriptor.additional_constraints
            limited = descriptor.integer_range or descriptor.floating_point_range or told
            assert bool(limited) == bool(rules.limits)
            assert all(choice in descriptor.additional_constraints for choice in rules.choices)
            if name not in ("autostart", "model"):
                given = Parameter.from_parameter_msg(ParameterMessage(name=name, value=value)).value
                default = getattr(NodeParameters, name)
                assert (tuple(given) if isinstance(default, tuple) else given) == default

    def test_a_value_that_cannot_be_is_refused_with_the_reason(self, client: Client, start: StartNode) -> None:
        start(autostart=False)
        assert set_parameters(client, transport="pigeon") == ["must be one of: auto, raw, compressed"]
        assert "out of range" in set_parameters(client, overlay_opacity=2.0)[0]
        assert set_parameters(client, transport="raw", overlay_opacity=0.0) == []

    def test_quality_of_service_can_be_overridden(self, client: Client, start: StartNode) -> None:
        name = "qos_overrides./camera/edges/image.publisher.reliability"
        start(**{name: "best_effort"})
        client.wait_until(lambda: client.node.count_publishers("camera/edges/image"), "the node's publisher")
        (info,) = client.node.get_publishers_info_by_topic("/camera/edges/image")
        assert info.qos_profile.reliability == BEST_EFFORT.reliability
        (info,) = client.node.get_publishers_info_by_topic("/camera/depth/image")
        assert info.qos_profile.reliability == RELIABLE.reliability

    def test_an_override_is_of_its_topic_alone(self, client: Client, start: StartNode) -> None:
        first = {f"qos_overrides./front/segmentation/image.publisher.{policy}": value for policy, value in
                 {"reliability": "best_effort", "durability": "transient_local", "depth": 7}.items()}
        labels = {"qos_overrides./front/segmentation/label_info.publisher.durability": "volatile"}
        start(cameras=["front", "rear"], **first, **labels)
        client.wait_until(lambda: client.node.count_publishers("rear/segmentation/label_info"), "all publishers")

        def offered(topic: str) -> tuple[ReliabilityPolicy, DurabilityPolicy]:
            (info,) = client.node.get_publishers_info_by_topic(topic)
            return info.qos_profile.reliability, info.qos_profile.durability

        assert offered("/front/segmentation/image") == (ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.TRANSIENT_LOCAL)
        assert offered("/front/segmentation/label_info") == (ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
        assert offered("/rear/segmentation/label_info") == (
            ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL
        )
        images = [f"/front/{task}/image" for task in ("depth", "normals", "edges")]
        images += [f"/rear/{task}/image" for task in TASKS] + ["/rear/overlay", "/front/overlay"]
        assert {offered(topic) for topic in images} == {(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)}

    def test_quality_of_service_of_a_subscription_can_be_overridden(self, client: Client, start: StartNode) -> None:
        name = "qos_overrides./camera/image_raw.subscription.reliability"
        start(reliability="best_effort", **{name: "reliable"})
        publisher = client.publisher(Image, "camera/image_raw")
        for _ in range(2):  # the second time, the override is declared already
            inbox = client.node.create_subscription(Image, "camera/edges/image", lambda _: None, RELIABLE)
            client.await_subscriber(publisher)
            (info,) = client.node.get_subscriptions_info_by_topic("/camera/image_raw")
            assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
            (info,) = client.node.get_subscriptions_info_by_topic("/camera/camera_info")
            assert info.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
            client.node.destroy_subscription(inbox)
            client.wait_until(lambda: not publisher.get_subscription_count(), "the end of the subscription")

    def test_topics_can_be_remapped(self, client: Client, start: StartNode) -> None:
        start("-r", "camera/image_raw:=/usb/picture", "-r", "camera/edges/image:=/outlines", "-r", "__ns:=/robot")
        outlines = client.inbox(Image, "/outlines")
        images = client.publisher(Image, "/usb/picture")
        client.await_subscriber(images)
        client.node.create_timer(0.05, lambda: images.publish(image(picture())))
        client.wait_until(lambda: outlines, "a map")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"map_size": "huge"}, "must be one of: camera, model"),
        ({"threads": -1}, "threads out of range"),
        ({"overlay_opacity": 1.5}, "overlay_opacity out of range"),
        ({"cameras": "front"}, "expecting type 'STRING_ARRAY'"),
        ({"tasks": ["flow"]}, "has no task flow. Choose among: segmentation"),
        ({"cameras": ["a b"]}, "'a b/image_raw' cannot be a topic"),
        ({"cameras": ["a", "a"]}, "must be different names"),
        ({"cameras": [""]}, "must be different names, none empty"),
        ({"cameras": ["a", "b"], "image_topic": "image"}, "Use {camera} in it"),
        ({"image_topic": "{lens}/image"}, "'{lens}/image' cannot be a topic"),
        ({"image_topic": "no topic"}, "'no topic' cannot be a topic"),
        ({"camera_info_topic": "no topic"}, "'no topic' cannot be a topic"),
        ({"providers": ["Abacus"]}, "no Abacus. Available:"),
    ],
    ids=str,
)
def test_a_parameter_that_cannot_be_is_refused_at_the_start_with_the_reason(
    tiny_model: Path, parameters: dict[str, object], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rclpy.init(args=ros_arguments({"model": tiny_model} | parameters))
    try:
        with pytest.raises(AvtarError) as refusal, closing(MultitaskNode()) as node:
            node.start(lambda exit_code: None)
    finally:
        rclpy.shutdown()
    assert reason in f"{refusal.value}\n{capfd.readouterr().err}"
