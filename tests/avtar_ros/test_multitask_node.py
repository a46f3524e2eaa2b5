"""The node as robots run it: a process of its own, real topics, real parameters, real signals."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger

from avtar_ros.engines import open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.images import to_message_fields
from avtar_ros.multitask_node import MultitaskNode, NodeParameters
from avtar_ros.node_camera import data_array
from avtar_ros.perception import Frame, Perception
from avtar_ros.tasks import TASKS
from tests.ros_processes import BEST_EFFORT, PROFILE, RELIABLE, Client, RosProcess, ros_arguments
from tests.tiny_models import tiny_model, write_tiny_model

WIDTH, HEIGHT = 96, 72
DTYPES = {"mono8": np.uint8, "rgb8": np.uint8, "32FC1": np.float32, "32FC3": np.float32}
NODE = "multitask_node"

StartNode = Callable[..., RosProcess]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    write_tiny_model(path)
    return path


@pytest.fixture
def client() -> Iterator[Client]:
    with Client() as client:
        yield client


@pytest.fixture
def start(model: Path, tmp_path: Path) -> Iterator[StartNode]:
    """Starts a node that ends with the test."""
    started: list[RosProcess] = []

    def start(*arguments: str, **parameters: object) -> RosProcess:
        log = tmp_path / f"node{len(started)}.log"
        settings = {"model": model, "threads": 1, "reliability": "reliable"} | parameters
        started.append(RosProcess(NODE, log, settings, arguments))
        return started[-1]

    yield start
    for process in started:
        process.__exit__()


def picture(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def image(pixels: np.ndarray, number: int = 1, encoding: str = "rgb8") -> Image:
    """A message whose stamp tells its number."""
    fields = to_message_fields(pixels, encoding)
    message = Image(height=fields.height, width=fields.width, encoding=encoding, step=fields.step)
    message.data = data_array(fields.data)
    message.header.stamp.sec, message.header.stamp.nanosec = 1_700_000_000, number
    message.header.frame_id = "lens"
    return message


def jpeg(number: int) -> CompressedImage:
    message = CompressedImage(format="jpeg", header=image(picture(), number).header)
    message.data = cv2.imencode(".jpg", picture())[1].tobytes()
    return message


def array_of(message: Image) -> np.ndarray:
    pixels = np.frombuffer(message.data, DTYPES[message.encoding])
    return pixels.reshape(message.height, message.width, -1).squeeze()


def numbers(messages: list[Any]) -> list[int]:
    return [message.header.stamp.nanosec for message in messages]


def stats(client: Client) -> dict[str, Any]:
    return json.loads(client.call(Trigger, f"{NODE}/stats", Trigger.Request()).message)


def counts(client: Client, camera: str = "camera") -> dict[str, int]:
    return stats(client)["cameras"][camera]


def settled(seen: dict[str, int]) -> bool:
    """Whether what became of each frame received is known."""
    return seen["received"] == sum(count for what, count in seen.items() if what != "received")


def connect(
    client: Client, *inboxes: list[Any], camera: str = "camera", make: Callable[[int], Any] | None = None
) -> Any:
    """A publisher of the camera's images, once all inboxes get the maps of one; they are empty then.

    That an image is subscribed to does not mean that the node knows of the inboxes yet, so images are sent until
    the maps of the newest have come everywhere. `make` gives other messages than raw images.
    """
    make = make or (lambda number: image(picture(), number))
    kind = type(make(0))
    images = client.publisher(kind, f"{camera}/image_raw" + "/compressed" * (kind is CompressedImage))
    client.await_subscriber(images)
    number, patience_s = 900_000, 0.05

    def all_served() -> bool:
        nonlocal number, patience_s
        number, patience_s = number + 1, 2 * patience_s
        images.publish(make(number))
        deadline = time.monotonic() + patience_s
        while not (served := all(numbers(inbox)[-1:] == [number] for inbox in inboxes)):
            if time.monotonic() > deadline:
                break
            client.spin(0.01)
        return served

    client.wait_until(all_served, "maps everywhere")
    for inbox in inboxes:
        inbox.clear()
    return images


def map_inboxes(client: Client, camera: str = "camera") -> dict[str, list[Image]]:
    return {task: client.inbox(Image, f"{camera}/{task}/image") for task in TASKS}


class TestMaps:
    def test_each_map_is_what_perception_gives_under_the_header_of_its_image(
        self, client: Client, start: StartNode, model: Path
    ) -> None:
        start()
        maps = map_inboxes(client)
        images = connect(client, *maps.values())
        messages = [image(picture(number), number) for number in (1, 2)]
        with open_engine(model) as engine:
            perception = Perception(engine)
            for i, message in enumerate(messages):
                images.publish(message)
                client.wait_until(lambda: all(len(inbox) > i for inbox in maps.values()), "four maps")  # noqa: B023
                (expected,) = perception([Frame(picture(i + 1), 0)])
                for task, inbox in maps.items():
                    assert inbox[i].header == message.header
                    assert inbox[i].encoding == TASKS[task].encoding
                    assert (inbox[i].height, inbox[i].width) == (HEIGHT, WIDTH)
                    np.testing.assert_allclose(array_of(inbox[i]), expected[task], atol=1e-5)

    def test_maps_stay_at_the_models_size_if_asked(self, client: Client, start: StartNode) -> None:
        start(map_size="model")
        maps, overlays = map_inboxes(client), client.inbox(Image, "camera/overlay")
        images = connect(client, *maps.values(), overlays)
        images.publish(image(picture()))
        client.wait_until(lambda: all(maps.values()) and overlays, "maps and overlay")
        for inbox in (*maps.values(), overlays):
            assert (inbox[0].height, inbox[0].width) == (48, 64)

    def test_the_overlay_shows_the_first_task_over_the_image(self, client: Client, start: StartNode) -> None:
        start(overlay_opacity=0.25)
        overlays = client.inbox(Image, "camera/overlay")
        images = connect(client, overlays)
        grey = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
        images.publish(image(grey))
        client.wait_until(lambda: overlays, "an overlay")
        middle_class = np.array([120, 180, 90])
        expected = 0.25 * middle_class + 0.75 * 100
        assert np.abs(array_of(overlays[0]) - expected).max() <= 1

    def test_depth_is_metric_once_the_camera_info_has_come(
        self, client: Client, start: StartNode
    ) -> None:
        process = start(tasks=["depth"])
        depths = client.inbox(Image, "camera/depth/image")
        images = connect(client, depths)
        infos = client.publisher(CameraInfo, "camera/camera_info")
        client.await_subscriber(infos)
        for number in range(12):
            images.publish(image(picture(), number))
            client.wait_until(lambda: len(depths) > number, "depth")  # noqa: B023
        client.wait_until(lambda: "no calibrated CameraInfo" in process.output, "a warning")

        info = CameraInfo(width=2 * WIDTH, height=2 * HEIGHT)  # of the camera's full size; its images are half that
        info.k[0] = 4 * 60.0 * WIDTH / 64
        infos.publish(info)
        unscaled = array_of(depths[0])
        number = 12

        def doubled() -> bool:
            nonlocal number
            number += 1
            images.publish(image(picture(), number))
            client.spin(0.05)
            return np.allclose(array_of(depths[-1]), 2 * unscaled, rtol=1e-4)

        client.wait_until(doubled, "depth twice as far, as through twice the focal length")

    @pytest.mark.parametrize("transport", ["auto", "compressed"])
    def test_compressed_images_are_served(self, client: Client, start: StartNode, transport: str) -> None:
        start(transport=transport)
        maps = map_inboxes(client)
        images = connect(client, *maps.values(), make=jpeg)
        images.publish(jpeg(5))
        client.wait_until(lambda: all(maps.values()), "four maps")
        assert maps["depth"][0].header == jpeg(5).header

    def test_every_camera_has_its_own_maps_and_a_silent_one_delays_nobody(
        self, client: Client, start: StartNode
    ) -> None:
        start(cameras=["front", "robot/rear", "silent"])
        maps = {camera: list(map_inboxes(client, camera).values()) for camera in ("front", "robot/rear")}
        images = {camera: connect(client, *inboxes, camera=camera) for camera, inboxes in maps.items()}
        for number, publisher in enumerate(images.values(), 1):
            publisher.publish(image(picture(), number))
        client.wait_until(lambda: all(all(inboxes) for inboxes in maps.values()), "the maps of both")
        assert [number for inbox in maps["front"] for number in numbers(inbox)] == [1] * 4
        assert [number for inbox in maps["robot/rear"] for number in numbers(inbox)] == [2] * 4
        assert counts(client, "silent")["received"] == 0

    def test_large_images_arrive_with_best_effort_on_the_shipped_profile(
        self, client: Client, start: StartNode
    ) -> None:
        assert PROFILE.is_file()
        start(reliability="best_effort", map_size="model")
        edges = client.inbox(Image, "camera/edges/image")
        connect(client, edges)
        images = client.publisher(Image, "camera/image_raw", BEST_EFFORT)
        client.await_subscriber(images)
        message = image(picture(0, 640, 480))
        for number in range(30):
            message.header.stamp.nanosec = number
            images.publish(message)
            client.spin(1 / 30)
        client.spin(0.5)
        assert len(edges) >= 20  # without the profile, nearly all are lost


class TestLoad:
    def test_with_more_frames_than_time_the_newest_is_served_and_the_others_are_counted(
        self, client: Client, start: StartNode, tmp_path: Path
    ) -> None:
        slow = tmp_path / "slow.onnx"
        write_tiny_model(slow, width=1600, height=1200)
        start(model=slow, map_size="model", tasks=["edges"])
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        client.wait_until(lambda: settled(counts(client)), "the counts of the first frames")
        before = counts(client)
        message = image(picture())
        for number in range(1, 41):
            message.header.stamp.nanosec = number
            images.publish(message)
            client.spin(0.005)
        client.wait_until(lambda: numbers(edges)[-1:] == [40], "the map of the last frame")
        assert numbers(edges) == sorted(set(numbers(edges)))
        client.wait_until(lambda: settled(counts(client)), "the counts of all frames")
        since = {what: count - before[what] for what, count in counts(client).items()}
        assert since["published"] == len(edges)
        assert since["dropped"] > 0
        assert since["malformed"] == since["unwanted"] == since["failed"] == 0

    def test_nothing_is_inferred_for_nobody(self, client: Client, start: StartNode) -> None:
        start()
        images = client.publisher(Image, "camera/image_raw")
        client.await_subscriber(images)
        images.publish(image(picture()))
        client.wait_until(lambda: counts(client)["unwanted"] == 1, "a frame that nobody wants")
        assert stats(client)["latency_ms"] == {}

    def test_the_statistics_split_the_latency(self, client: Client, start: StartNode) -> None:
        start()
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        message = image(picture(), 1)
        message.header.stamp = client.node.get_clock().now().to_msg()
        images.publish(message)
        client.wait_until(lambda: edges, "a map")
        client.wait_until(lambda: stats(client)["latency_ms"], "statistics")
        report = stats(client)
        assert report["model"] == "tiny"
        assert "ONNX Runtime" in report["engine"]
        medians = {step: figures["p50"] for step, figures in report["latency_ms"].items()}
        total = medians.pop("total")
        assert list(medians) == ["transport", "wait", "preprocess", "engine", "publish"]
        assert all(ms >= 0 for ms in medians.values())
        assert sum(medians.values()) == pytest.approx(total, abs=0.1)


def malformed() -> dict[str, Image]:
    """One image of each kind that a broken driver may send."""
    good = image(picture())
    kinds = {
        "zero width": {"width": 0},
        "zero height": {"height": 0},
        "unknown encoding": {"encoding": "rgb9"},
        "depth": {"encoding": "32FC1", "step": 4 * WIDTH},
        "zero step": {"step": 0},
        "short step": {"step": 3 * WIDTH - 1},
        "long step": {"step": 3 * WIDTH + 1},
        "no data": {"data": b""},
        "short data": {"data": bytes(100)},
        "long data": {"data": bytes(5 * WIDTH * HEIGHT)},
        "odd yuv": {"encoding": "nv12", "width": WIDTH - 1},
    }
    for name, changes in kinds.items():
        kinds[name] = Image(**{f: getattr(good, f) for f in ("header", "height", "width", "encoding", "step", "data")})
        for field, value in changes.items():
            setattr(kinds[name], field, value)
    return kinds


@pytest.fixture(scope="class")
def served(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, ...]]:
    """A node with a subscriber, for all of the tests below."""
    log = tmp_path_factory.mktemp("node") / "log"
    with Client() as client, RosProcess(NODE, log, {"model": model, "reliability": "reliable"}) as process:
        edges = client.inbox(Image, "camera/edges/image")
        yield client, process, connect(client, edges), edges


class TestMalformedImages:
    @pytest.mark.parametrize("kind", malformed())
    def test_one_is_counted_and_the_next_good_one_is_served(self, served: tuple[Any, ...], kind: str) -> None:
        client, process, images, edges = served
        before, served_before = counts(client)["malformed"], len(edges)
        images.publish(malformed()[kind])
        client.wait_until(lambda: counts(client)["malformed"] == before + 1, f"{kind} to be counted")
        images.publish(image(picture()))
        client.wait_until(lambda: len(edges) == served_before + 1, "the map of a good frame")
        assert process.running
        assert "camera: malformed image: " in process.output
        assert "Traceback" not in process.output


def test_the_reason_for_many_malformed_images_is_given_once(client: Client, start: StartNode) -> None:
    process = start()
    images = connect(client, client.inbox(Image, "camera/edges/image"))
    for number in range(10):
        images.publish(malformed()["short data"])
        client.wait_until(lambda: counts(client)["malformed"] > number, "it to be counted")  # noqa: B023
    assert process.output.count("malformed image") == 1
    assert "malformed image: 100 bytes of data where 96x72 rgb8 with step 288 takes 20736" in process.output


def test_a_broken_jpeg_is_counted_and_the_next_good_one_is_served(client: Client, start: StartNode) -> None:
    start()
    edges = client.inbox(Image, "camera/edges/image")
    images = connect(client, edges, make=jpeg)
    images.publish(CompressedImage(format="jpeg", data=b"no picture"))
    client.wait_until(lambda: counts(client)["malformed"] == 1, "a broken jpeg to be counted")
    images.publish(jpeg(7))
    client.wait_until(lambda: numbers(edges) == [7], "the map of the next")


def no_card(path: Path) -> None:
    onnx.save(tiny_model(write_tiny_model(path)), str(path))


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

    def go(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.client.call(ChangeState, f"{NODE}/change_state", request).success

    @property
    def state(self) -> int:
        return self.client.call(GetState, f"{NODE}/get_state", GetState.Request()).current_state.id

    def set(self, **values: object) -> list[str]:
        """Set parameters; returns why those that were refused were."""
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        request = SetParameters.Request(parameters=parameters)
        results = self.client.call(SetParameters, f"{NODE}/set_parameters", request).results
        return [result.reason for result in results if not result.successful]


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
        self, client: Client, start: StartNode, model: Path, tmp_path: Path
    ) -> None:
        process = start(autostart=False, model=tmp_path / "absent.onnx")
        life = Lifecycle(client)
        assert not life.go(Transition.TRANSITION_CONFIGURE)
        assert life.state == State.PRIMARY_STATE_UNCONFIGURED
        assert "absent.onnx: no such model file" in process.output
        assert life.set(model=str(model)) == []
        assert life.go(Transition.TRANSITION_CONFIGURE)
        assert life.go(Transition.TRANSITION_ACTIVATE)
        assert life.state == State.PRIMARY_STATE_ACTIVE

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
            assert bool(descriptor.integer_range or descriptor.floating_point_range) == bool(rules.limits)
            assert all(choice in descriptor.additional_constraints for choice in rules.choices)
            if name not in ("autostart", "model"):
                given = Parameter.from_parameter_msg(rcl_parameter(name, value)).value
                default = getattr(NodeParameters, name)
                assert given == (list(default) if isinstance(default, tuple) else default)

    def test_a_value_that_cannot_be_is_refused_with_the_reason(self, client: Client, start: StartNode) -> None:
        start(autostart=False)
        life = Lifecycle(client)
        assert life.set(transport="pigeon") == ["must be one of: auto, raw, compressed"]
        assert "out of range" in life.set(overlay_opacity=2.0)[0]
        assert life.set(transport="raw", overlay_opacity=0.0) == []

    def test_quality_of_service_can_be_overridden(self, client: Client, start: StartNode) -> None:
        name = "qos_overrides./camera/edges/image.publisher.reliability"
        start(**{name: "best_effort"})
        client.wait_until(lambda: client.node.count_publishers("camera/edges/image"), "the node's publisher")
        (info,) = client.node.get_publishers_info_by_topic("/camera/edges/image")
        assert info.qos_profile.reliability == BEST_EFFORT.reliability
        (info,) = client.node.get_publishers_info_by_topic("/camera/depth/image")
        assert info.qos_profile.reliability == RELIABLE.reliability

    def test_topics_can_be_remapped(self, client: Client, start: StartNode) -> None:
        start("-r", "camera/image_raw:=/usb/picture", "-r", "camera/edges/image:=/outlines", "-r", "__ns:=/robot")
        outlines = client.inbox(Image, "/outlines")
        images = client.publisher(Image, "/usb/picture")
        client.await_subscriber(images)
        client.node.create_timer(0.05, lambda: images.publish(image(picture())))
        client.wait_until(lambda: outlines, "a map")


def rcl_parameter(name: str, value: Any) -> Any:
    from rcl_interfaces.msg import Parameter as ParameterMessage

    return ParameterMessage(name=name, value=value)


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
    model: Path, parameters: dict[str, object], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rclpy.init(args=ros_arguments({"model": model} | parameters))
    try:
        with pytest.raises(AvtarError) as refusal, closing(MultitaskNode()) as node:
            node.start(lambda exit_code: None)
    finally:
        rclpy.shutdown()
    assert reason in f"{refusal.value}\n{capfd.readouterr().err}"
