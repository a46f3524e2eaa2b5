"""Camera source and multitask node in one process: images go from one to the other past the middleware."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image

from avtar_ros.engines.opening import open_engine
from avtar_ros.imaging.images import to_rgb
from avtar_ros.perception import Frame, Perception
from avtar_ros.ros.local_topics import LocalTopics
from tests import tiny_bags
from tests.node_client import array_of
from tests.ros_processes import RELIABLE, Client, RosProcess

FRAMES = 5
DEPTH_TOPIC = "camera/depth/image"

Start = Callable[..., RosProcess]


@pytest.fixture
def start_both(tiny_model: Path, tmp_path: Path) -> Iterator[Start]:
    started: list[RosProcess] = []

    def start(bag: Path, **parameters: object) -> RosProcess:
        settings = {"source": bag, "model": tiny_model, "threads": 1, "stamp": "original", "rate": 2.0} | parameters
        settings = {"wait_for_subscriber": 60.0} | settings
        started.append(RosProcess("avtar_ros.source.camera_to_maps", tmp_path / f"both{len(started)}.log", settings))
        return started[-1]

    yield start
    for process in started:
        process.__exit__()


def test_each_image_and_its_lens_reach_the_node_in_memory(
    client: Client, start_both: Start, tiny_model: Path, tmp_path: Path
) -> None:
    depths = client.inbox(Image, DEPTH_TOPIC)
    bag = tiny_bags.write_ros2_bag(tmp_path / "bag", FRAMES, camera_info=True)
    # Over and over: on a busy machine the node rightly leaves out an image that a newer one has overtaken.
    process = start_both(bag, loop=True)
    client.wait_until(lambda: depths, "depth")
    assert client.node.count_publishers("/camera/image_raw") == 1
    assert client.node.count_subscribers("/camera/image_raw") == 0
    numbers = {stamp: number for number, stamp in enumerate(tiny_bags.stamps(FRAMES))}
    client.wait_until(lambda: {_stamp_ns(depth) for depth in depths} == numbers.keys(), "depth of every frame")
    assert process.stop() == 0
    with open_engine(tiny_model) as engine:
        perception = Perception(engine, ["depth"])
        for message in depths:
            # The lens counts from the first frame on: its CameraInfo is handed over before the image.
            frame = Frame(tiny_bags.image(numbers[_stamp_ns(message)]), 0, focal_px=float(tiny_bags.K[0, 0]))
            np.testing.assert_allclose(array_of(message), perception([frame])[0]["depth"], rtol=1e-5)


def test_both_end_with_the_recording(client: Client, start_both: Start, tmp_path: Path) -> None:
    client.inbox(Image, DEPTH_TOPIC)
    assert start_both(tiny_bags.write_ros2_bag(tmp_path / "bag", 2)).wait() == 0


def _stamp_ns(message: Image) -> int:
    return Time.from_msg(message.header.stamp).nanoseconds


def test_who_else_subscribes_to_the_camera_gets_its_images(
    client: Client, start_both: Start, tmp_path: Path
) -> None:
    depths, images = client.inbox(Image, DEPTH_TOPIC), client.inbox(Image, "camera/image_raw")
    infos = client.inbox(CameraInfo, "camera/camera_info")
    start_both(tiny_bags.write_ros2_bag(tmp_path / "bag", FRAMES, camera_info=True), loop=True)
    client.wait_until(lambda: len(images) >= 2 and len(infos) >= 2 and depths, "images, lenses and maps")
    shown = [to_rgb(images[0]).tolist() == tiny_bags.image(number).tolist() for number in range(FRAMES)]
    assert shown.count(True) == 1


def test_the_lens_may_come_from_elsewhere(client: Client, start_both: Start, tmp_path: Path) -> None:
    depths, infos = client.inbox(Image, DEPTH_TOPIC), client.publisher(CameraInfo, "camera/camera_info", RELIABLE)
    start_both(tiny_bags.write_ros2_bag(tmp_path / "bag", 1), loop=True, rate=20.0, reliability="reliable")
    client.wait_until(lambda: depths, "depth")
    without = array_of(depths[0])
    client.await_subscriber(infos)
    info = CameraInfo(width=tiny_bags.WIDTH, height=tiny_bags.HEIGHT)
    info.k[0], info.k[4], info.k[8] = 2 * 60.0 * tiny_bags.WIDTH / 64, 50.0, 1.0
    infos.publish(info)
    client.wait_until(lambda: np.allclose(array_of(depths[-1]), 2 * without, rtol=1e-4), "depth twice as far")


@pytest.mark.parametrize(("parameters", "reason"), [
    ({"model": "absent.onnx"}, "no such model file"),
    ({"source": "absent.mcap"}, "absent.mcap"),
    ({"cameras": ["a b"]}, "a b"),
])
def test_where_one_node_cannot_start_neither_goes_on(
    start_both: Start, tmp_path: Path, parameters: dict[str, object], reason: str
) -> None:
    process = start_both(tiny_bags.write_ros2_bag(tmp_path / "bag", 1), **parameters)
    assert process.wait() == 1
    assert reason in process.output
    assert "Traceback" not in process.output


def test_what_is_given_on_a_topic_reaches_all_who_subscribe_to_it_there() -> None:
    local = LocalTopics()
    assert not local.offers("/a")
    local.give("/a", "nobody is there")
    for topic in ("/a", "/b"):
        local.offer(topic)
    first, second, other = list[str](), list[str](), list[str]()
    subscription = local.subscribe("/a", first.append)
    local.subscribe("/a", second.append)
    local.subscribe("/b", other.append)
    local.offer("/a")  # again, which changes nothing
    assert (local.subscribers("/a"), local.subscribers("/none")) == (2, 0)
    thread = threading.Thread(target=local.give, args=("/a", "one"))
    thread.start()
    thread.join()
    local.unsubscribe(subscription)
    local.give("/a", "two")
    assert (first, second, other) == (["one"], ["one", "two"], [])
