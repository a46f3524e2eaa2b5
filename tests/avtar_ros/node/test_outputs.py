"""What is published of a frame: the table of topics, and each of its messages."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import String

from avtar_ros.engines.opening import open_engine
from avtar_ros.geometry.camera_model import CameraModel
from avtar_ros.geometry.lens import Lens
from avtar_ros.imaging.images import depth_metres, to_millimetres, to_rgb
from avtar_ros.node import outputs
from avtar_ros.node.frame_maps import FrameMaps
from avtar_ros.node.outputs import CameraOutputs, Output, card_outputs, frame_outputs
from avtar_ros.node.parameters import OutputParameters
from avtar_ros.perception import Frame, Perception
from avtar_ros.ros.events import publisher_events
from avtar_ros.ros.messages import LABELS
from avtar_ros.tasks import TASKS
from tests.node_client import HEIGHT, WIDTH, StartNode, array_of, connect, counts, image, numbers, picture
from tests.ros_processes import RELIABLE, Client
from tests.tiny_models import CLASSES, DEPTH

EVERY_TASK = tuple(TASKS)
CAMERA = CameraModel.pinhole(2 * WIDTH, 2 * HEIGHT, 4 * DEPTH.focal_px)
SETTINGS = OutputParameters(overlay_opacity=0.25, points_stride=3, points_min_m=1.0, points_max_m=8.0)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope="module")
def perception(tiny_model: Path) -> Iterator[Perception]:
    with open_engine(tiny_model) as engine:
        yield Perception(engine)


def maps_of(perception: Perception, seed: int = 0) -> FrameMaps:
    """Of one smooth picture, which jpeg changes little."""
    pixels = cv2.GaussianBlur(picture(seed), (0, 0), 5)
    frame = Frame(pixels, 0, focal_px=CAMERA.k[0] / 2)
    outputs = {task: values[0] for task, values in perception.engine.infer(perception.prepare([frame])).items()}
    return FrameMaps(frame, outputs, perception, Lens(CAMERA), SETTINGS)


@pytest.fixture(scope="module")
def maps(perception: Perception) -> FrameMaps:
    return maps_of(perception)


def output(topic: str, depth_encoding: str = "32FC1") -> Output[FrameMaps]:
    return next(o for o in frame_outputs(EVERY_TASK, depth_encoding) if o.topic == topic)


def message(topic: str, maps: FrameMaps, depth_encoding: str = "32FC1") -> Any:
    """The message that is published on a topic, once it was filled."""
    made = output(topic, depth_encoding)
    filled = made.kind()
    assert made.fill(filled, maps)
    return filled


def test_the_topics_are_these() -> None:
    colors = {f"{task}/color" for task in TASKS} | {"overlay"}
    images = {f"{task}/image" for task in TASKS} | colors
    compressed = {f"{topic}/compressed" for topic in colors | {"segmentation/image"}}
    others = {"depth/camera_info", "depth/points"}
    assert {o.topic for o in frame_outputs(EVERY_TASK, "32FC1")} == images | compressed | others
    in_millimetres = {o.topic for o in frame_outputs(EVERY_TASK, "16UC1")}
    assert in_millimetres == images | compressed | others | {"depth/image/compressed"}
    assert [o.topic for o in card_outputs(EVERY_TASK)] == ["segmentation/label_info"]


def test_without_a_task_there_are_none_of_its_topics() -> None:
    assert card_outputs(["edges"]) == []
    topics = {o.topic for o in frame_outputs(["edges"], "32FC1")}
    assert topics == {"edges/image", "edges/color", "edges/color/compressed", "overlay", "overlay/compressed"}


@pytest.mark.parametrize("task", TASKS)
def test_maps_and_colours_are_those_of_the_task(maps: FrameMaps, perception: Perception, task: str) -> None:
    raw = message(f"{task}/image", maps)
    assert raw.encoding == TASKS[task].encoding
    np.testing.assert_array_equal(array_of(raw), maps.map(task))
    expected = TASKS[task].colorize(maps.map(task), perception.engine.card)
    np.testing.assert_array_equal(to_rgb(message(f"{task}/color", maps)), expected)


def test_one_topic_costs_nothing_of_the_others(perception: Perception, maps: FrameMaps) -> None:
    only_edges = {"edges": np.zeros((48, 64), np.float32)}
    frame = Frame(picture(), 0)
    message("edges/image", FrameMaps(frame, only_edges, perception, Lens(None), SETTINGS))
    with pytest.raises(KeyError):
        message("overlay", FrameMaps(frame, only_edges, perception, Lens(None), SETTINGS))


def test_depth_in_millimetres(maps: FrameMaps) -> None:
    depth = message("depth/image", maps, "16UC1")
    assert depth.encoding == "16UC1"
    np.testing.assert_allclose(depth_metres(depth), maps.map("depth"), atol=0.0006)


def test_what_millimetres_cannot_say_is_unknown() -> None:
    depth = np.array([[np.nan, np.inf, -1.0, 0.0, 0.001, 65.534, 65.6]], np.float32)
    assert to_millimetres(depth).tolist() == [[0, 0, 0, 0, 1, 65534, 0]]


@pytest.mark.parametrize(("topic", "encoding"), [("segmentation/image", "mono8"), ("depth/image", "16UC1")])
def test_compressed_maps_are_lossless_png(maps: FrameMaps, topic: str, encoding: str) -> None:
    compressed = message(f"{topic}/compressed", maps, "16UC1")
    assert compressed.format == f"{encoding}; png compressed"
    decoded = cv2.imdecode(np.frombuffer(compressed.data, np.uint8), cv2.IMREAD_UNCHANGED)
    raw = message(topic, maps, "16UC1")
    np.testing.assert_array_equal(decoded, np.frombuffer(raw.data, decoded.dtype).reshape(decoded.shape))


@pytest.mark.parametrize("topic", ["overlay", "depth/color", "normals/color"])
def test_compressed_colours_are_jpeg(maps: FrameMaps, topic: str) -> None:
    compressed = message(f"{topic}/compressed", maps)
    assert compressed.format == "rgb8; jpeg compressed bgr8"
    assert bytes(compressed.data[:2]) == b"\xff\xd8"
    difference = to_rgb(compressed).astype(int) - to_rgb(message(topic, maps))
    assert np.abs(difference).mean() < 8


def test_the_overlay_shows_the_first_task_over_the_image(maps: FrameMaps) -> None:
    image_part = to_rgb(message("overlay", maps)).astype(float) - 0.25 * maps.colors("segmentation")
    np.testing.assert_allclose(image_part / 0.75, cv2.GaussianBlur(picture(), (0, 0), 5), atol=2)


def test_the_camera_info_is_that_of_the_map(maps: FrameMaps) -> None:
    info = message("depth/camera_info", maps)
    assert (info.width, info.height) == (WIDTH, HEIGHT)
    assert info.k[0] == info.p[0] == CAMERA.k[0] / 2
    assert info.k[2] == (CAMERA.k[2] + 0.5) / 2 - 0.5


def test_there_is_no_camera_info_of_an_unknown_lens(maps: FrameMaps, perception: Perception) -> None:
    unknown = FrameMaps(Frame(picture(), 0), {"depth": maps.map("depth")}, perception, Lens(None), SETTINGS)
    assert not output("depth/camera_info").fill(CameraInfo(), unknown)


def test_points_are_laid_out_as_pcl_and_rviz_read_them(maps: FrameMaps) -> None:
    cloud = message("depth/points", maps)
    assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
        (name, 4 * i, PointField.FLOAT32, 1) for i, name in enumerate(("x", "y", "z", "rgb"))
    ]
    assert (cloud.width, cloud.height) == (WIDTH // 3, HEIGHT // 3)
    assert (cloud.point_step, cloud.row_step, cloud.is_dense) == (16, 16 * cloud.width, False)
    points = np.frombuffer(cloud.data, np.float32).reshape(cloud.height, cloud.width, 4)
    depth = maps.map("depth")[::3, ::3]
    seen = (depth >= 1) & (depth <= 8)
    assert seen.sum() > 0
    np.testing.assert_array_equal(points[..., 2], np.where(seen, depth, np.nan))
    x = (np.arange(0, WIDTH, 3) - (CAMERA.k[2] + 0.5) / 2 + 0.5) / (CAMERA.k[0] / 2) * depth
    np.testing.assert_allclose(points[..., 0][seen], x[seen], rtol=1e-4, atol=1e-4)


def test_points_of_an_unknown_lens_are_those_of_the_one_trained_for(maps: FrameMaps, perception: Perception) -> None:
    frame = Frame(picture(width=128, height=96), 0)
    depth = np.full((48, 64), 2, np.float32)
    cloud = message("depth/points", FrameMaps(frame, {"depth": depth}, perception, Lens(None), SETTINGS))
    points = np.frombuffer(cloud.data, np.float32).reshape(cloud.height, cloud.width, 4)
    per_pixel = points[0, 1, 0] - points[0, 0, 0]
    assert per_pixel == pytest.approx(3 * 2 / (2 * DEPTH.focal_px), rel=1e-4)  # the image is twice the model's size


def test_the_classes_are_told_by_number(perception: Perception) -> None:
    (labels,) = card_outputs(EVERY_TASK)
    filled = labels.kind()
    assert labels.fill(filled, perception.engine.card)
    assert class_names(filled) == {i: c.name for i, c in enumerate(CLASSES)}


def test_classes_with_a_header_are_stamped_with_the_time_they_were_told(
    client: Client, perception: Perception, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Any message with a header stands in for vision_msgs/LabelInfo, which is in no wheel.
    told: Output[Any] = Output("segmentation/label_info", CameraInfo, "", "", lambda message, card: True)
    monkeypatch.setattr(outputs, "card_outputs", lambda tasks: [told])
    node = LifecycleNode("teller", context=client.context)
    made = CameraOutputs(
        node, "camera", EVERY_TASK, "32FC1", lambda topic: publisher_events(node.get_logger(), topic, lambda: None)
    )
    node.trigger_configure()
    node.trigger_activate()
    before = node.get_clock().now().nanoseconds
    made.announce(perception.engine.card)
    labels = client.inbox(CameraInfo, "camera/segmentation/label_info", LATCHED)
    client.wait_until(lambda: labels, "the classes")
    stamp = labels[0].header.stamp
    assert before <= stamp.sec * 10**9 + stamp.nanosec <= node.get_clock().now().nanoseconds
    node.destroy_node()


def class_names(labels: Any) -> dict[int, str]:
    if isinstance(labels, String):
        return {c["id"]: c["name"] for c in json.loads(labels.data)["classes"]}
    return {c.class_id: c.class_name for c in labels.class_map}


@pytest.mark.parametrize("topic", [f"{task}/image" for task in TASKS] + ["normals/color", "depth/points"])
def test_a_message_filled_again_keeps_its_memory(maps: FrameMaps, perception: Perception, topic: str) -> None:
    made = output(topic)
    reused = made.kind()
    made.fill(reused, maps_of(perception, 1))
    memory = reused.data
    made.fill(reused, maps)
    assert reused.data is memory
    assert reused == message(topic, maps)


@pytest.mark.parametrize("task", TASKS)
def test_a_map_is_made_in_its_message_and_what_is_made_of_it_is_the_same(
    maps: FrameMaps, perception: Perception, task: str
) -> None:
    fresh = maps_of(perception)
    raw = message(f"{task}/image", fresh)
    assert np.shares_memory(fresh.map(task), np.frombuffer(raw.data, np.uint8))
    for topic in (f"{task}/image", f"{task}/color"):
        assert message(topic, fresh) == message(topic, maps)


def test_each_topic_is_sent_as_soon_as_it_is_made_the_largest_first() -> None:
    did: list[str] = []

    class Recorder:
        def __init__(self, name: str, nbytes: int) -> None:
            self.name, self.nbytes = name, nbytes

        def fill(self, _: object) -> bool:
            did.append(f"make {self.name}")
            if self.name == "faulty":
                raise ValueError
            return self.name != "empty"

        def publish(self, _: object) -> None:
            did.append(f"send {self.name}")

    sizes = {"small": 1, "faulty": 4, "large": 3, "empty": 2, "unwanted": 9}
    topics = CameraOutputs.__new__(CameraOutputs)
    topics._frame_topics = {name: Recorder(name, size) for name, size in sizes.items()}  # type: ignore[misc]
    contained = lambda _: suppress(ValueError)  # noqa: E731
    wanted = sizes.keys() - {"unwanted"}
    assert topics.publish(wanted, None, None, contained)  # type: ignore[arg-type]
    assert did == ["make faulty", "make large", "send large", "make empty", "make small", "send small"]
    assert not topics.publish({"faulty", "empty"}, None, None, contained)  # type: ignore[arg-type]


def test_who_subscribes_gets_that_topic_and_latecomers_the_classes(client: Client, start: StartNode) -> None:
    start(points_stride=1)
    clouds = client.inbox(PointCloud2, "camera/depth/points")
    pictures = client.inbox(CompressedImage, "camera/overlay/compressed")
    images = connect(client, clouds, pictures)
    images.publish(image(picture(), 7))
    client.wait_until(lambda: clouds and pictures, "points and a picture")
    assert (clouds[0].width, clouds[0].height) == (WIDTH, HEIGHT)
    assert numbers(clouds) == numbers(pictures) == [7]
    assert clouds[0].header == pictures[0].header == image(picture(), 7).header
    labels = client.inbox(LABELS, "camera/segmentation/label_info", LATCHED)
    client.wait_until(lambda: labels, "the classes")
    assert class_names(labels[0]) == {i: c.name for i, c in enumerate(CLASSES)}


def test_classes_alone_do_not_wake_the_engine(client: Client, start: StartNode) -> None:
    start()
    labels = client.inbox(LABELS, "camera/segmentation/label_info", LATCHED)
    client.wait_until(lambda: labels, "the classes")
    images = client.publisher(Image, "camera/image_raw", RELIABLE)
    client.spin(0.5)
    images.publish(image(picture()))
    client.spin(0.5)
    assert counts(client)["published"] == 0


def test_frames_cost_few_page_faults_once_the_first_have_been_made(client: Client, start: StartNode) -> None:
    width, height, frames = 640, 480, 20
    process = start()
    normals = client.inbox(Image, "camera/normals/image")
    images = connect(client, normals, make=lambda number: image(picture(0, width, height), number))

    def play(first: int) -> None:
        for number in range(first, first + frames):
            images.publish(image(picture(0, width, height), number))
            client.wait_until(lambda: numbers(normals)[-1:] == [number], "the normals of each image")  # noqa: B023
            normals.clear()

    play(1)
    before = process.page_faults
    play(1 + frames)
    of_one_map = width * height * 12 / 4096
    assert process.page_faults - before < frames * of_one_map / 2
