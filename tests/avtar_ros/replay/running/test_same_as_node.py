"""Replaying a recording gives the maps that the live node gives for the same messages, bit for bit."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from avtar_ros.bags.ground_truth import CAMERA_INFO_TOPIC, CAMERA_TOPIC, FRAME_ID
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.writing import BagWriter
from avtar_ros.demo.map_recorder import MapRecorder
from avtar_ros.replay.cli import main
from avtar_ros.tasks import TASKS
from tests.node_client import StartNode, array_of, connect
from tests.ros_processes import PATIENCE_S, Client
from tests.tiny_bags import K, image, stamps, write_truth_bag

# Not the model's size, so that images are scaled down, maps scaled up, and depth is by the focal length.
WIDTH, HEIGHT = 100, 74
FRAMES = 5
TOPICS = [f"/camera/{task}/image" for task in TASKS]
RAW_TOPIC = "/camera/image_raw"


def write_compressed(path: Path) -> Path:
    return write_truth_bag(path, FRAMES, WIDTH, HEIGHT)


def write_raw(path: Path) -> Path:
    with BagWriter(path) as bag:
        for i, stamp in enumerate(stamps(FRAMES)):
            bag.write_camera_info("/camera/camera_info", stamp, FRAME_ID, WIDTH, HEIGHT, K)
            bag.write_image(RAW_TOPIC, stamp, FRAME_ID, image(i, WIDTH, HEIGHT)[..., ::-1], "bgr8")
    return path


def live_message(recorded: Any) -> Image | CompressedImage:
    """The same message as rclpy publishes it."""
    if hasattr(recorded, "format"):
        message = CompressedImage(format=recorded.format)
    else:
        names = ("height", "width", "encoding", "is_bigendian", "step")
        message = Image(**{name: getattr(recorded, name) for name in names})
    message.data = array("B", recorded.data.tobytes())
    message.header.stamp.sec, message.header.stamp.nanosec = recorded.header.stamp.sec, recorded.header.stamp.nanosec
    message.header.frame_id = recorded.header.frame_id
    return message


def tell_the_lens(client: Client, images: Any, sample: Image | CompressedImage, depths: list[Image]) -> None:
    """Publish CameraInfo, and the sample again and again, until the depth of the sample has changed by it."""
    info = CameraInfo(width=WIDTH, height=HEIGHT)
    info.k[:] = K.ravel()
    infos = client.publisher(CameraInfo, CAMERA_INFO_TOPIC)
    client.await_subscriber(infos)
    images.publish(sample)
    client.wait_until(lambda: depths, "depth")
    before = array_of(depths[0])
    infos.publish(info)

    def scaled() -> bool:
        images.publish(sample)
        client.spin(0.05)
        return not np.array_equal(array_of(depths[-1]), before)

    client.wait_until(scaled, "depth scaled by the focal length")


def record_live(client: Client, bag_path: Path, topic: str, output: Path) -> None:
    """Send the bag's images to the running node one by one, and record the maps of each."""
    with open_bag(bag_path) as bag:
        messages = [live_message(m.message) for m in bag.messages([topic])]
    depths = client.inbox(Image, "camera/depth/image")

    def with_stamp(number: int) -> Image | CompressedImage:
        message = live_message(messages[0])
        message.header.stamp.sec, message.header.stamp.nanosec = 1, number
        return message

    images = connect(client, depths, make=with_stamp)
    tell_the_lens(client, images, with_stamp(1), depths)
    with BagWriter(output) as writer, MapRecorder(TOPICS, writer) as recorder:
        # A node that has just been found may miss the first maps; what it has of them is not in `latencies`.
        for i, message in enumerate((with_stamp(2), *messages)):
            stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            for _ in range(int(PATIENCE_S / 0.2)):
                images.publish(message)
                recorder.spin(0.2)
                if stamp in recorder.latencies:
                    break
            assert stamp in recorder.latencies, f"no maps of image {i}"


def images_in(path: Path, wanted: list[int]) -> dict[tuple[str, int], tuple[Any, ...]]:
    """{(topic, stamp): all that the message says}."""
    found = {}
    with open_bag(path) as bag:
        for topic, _, m in bag.messages(TOPICS):
            stamp = m.header.stamp.sec * 10**9 + m.header.stamp.nanosec
            if stamp in wanted:
                fields = m.header.frame_id, m.height, m.width, m.encoding, m.is_bigendian, m.step, m.data.tobytes()
                assert found.setdefault((topic, stamp), fields) == fields
    return found


@pytest.mark.parametrize(("write", "topic", "map_size"), [
    (write_compressed, CAMERA_TOPIC, "camera"), (write_raw, RAW_TOPIC, "model"),
])
def test_the_maps_of_a_replay_are_the_live_nodes(
    client: Client, start: StartNode, tiny_model: Path, tmp_path: Path, write: Callable[[Path], Path], topic: str,
    map_size: str,
) -> None:
    bag = write(tmp_path / "recording.mcap")
    start(map_size=map_size)
    record_live(client, bag, topic, tmp_path / "live.mcap")
    arguments = ["--model", str(tiny_model), "--out", str(tmp_path / "out"), "--map-size", map_size, "--threads", "1",
                 "--exact"]
    assert main([str(bag), *arguments]) == 0
    live, replayed = (images_in(tmp_path / path, stamps(FRAMES)) for path in ("live.mcap", "out/output.mcap"))
    assert replayed.keys() == {(name, stamp) for name in TOPICS for stamp in stamps(FRAMES)}
    assert live == replayed
