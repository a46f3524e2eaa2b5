"""The camera, its CameraInfo and the ground truth are found among a bag's topics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avtar_ros.bags.bag import BagError
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.topics import find_camera, find_camera_info, find_truth, is_registered
from avtar_ros.bags.writing import BagWriter
from tests.tiny_bags import write_ros1_bag, write_ros2_bag, write_truth_bag

TASKS = ("segmentation", "depth", "normals", "edges")


@pytest.mark.parametrize(("write", "name"), [(write_ros1_bag, "x.bag"), (write_ros2_bag, "x")])
def test_the_colour_camera_and_the_depth_beside_it_are_found(tmp_path: Path, write, name: str) -> None:
    with open_bag(write(tmp_path / name)) as bag:
        camera = find_camera(bag)
        assert camera == "/camera/color/image_raw"
        assert find_camera_info(bag, camera) is None
        assert find_truth(bag, TASKS) == {"depth": "/camera/depth/image_raw"}
        assert find_truth(bag, ["edges"]) == {}


def test_every_topic_of_our_own_bags_is_found(tmp_path: Path) -> None:
    with open_bag(write_truth_bag(tmp_path / "x.mcap")) as bag:
        camera = find_camera(bag)
        assert camera == "/camera/image_raw/compressed"
        assert find_camera_info(bag, camera) == "/camera/camera_info"
        assert find_truth(bag, TASKS) == {task: f"/ground_truth/{task}/image" for task in TASKS}


def write_images(path: Path, **encodings: str) -> Path:
    """A bag with one tiny image a topic, `__` in the names standing for a slash."""
    channels = {"rgb8": 3, "16UC1": 1, "32FC1": 1, "mono8": 1}
    types = {"rgb8": np.uint8, "16UC1": np.uint16, "32FC1": np.float32, "mono8": np.uint8}
    with BagWriter(path) as bag:
        for name, encoding in encodings.items():
            shape = (2, 2, 3) if channels[encoding] == 3 else (2, 2)
            array = np.ones(shape, types[encoding])
            bag.write_image("/" + name.replace("__", "/"), 10**18, "optical", array, encoding)
            bag.write_camera_info(f"/{name.split('__')[0]}/camera_info", 10**18, "optical", 2, 2, np.eye(3))
    return path


def test_the_camera_is_chosen_by_name_and_content(tmp_path: Path) -> None:
    path = write_images(
        tmp_path / "x.mcap", a__image="16UC1", infra__image="mono8", rear__rgb="rgb8", front__view="rgb8"
    )
    with open_bag(path) as bag:
        assert find_camera(bag) == "/rear/rgb"
        assert find_camera(bag, "/front/view") == "/front/view"
        assert find_camera_info(bag, "/front/view") == "/front/camera_info"


def test_depth_that_is_aligned_to_the_camera_is_preferred(tmp_path: Path) -> None:
    path = write_images(
        tmp_path / "x.mcap", cam__color="rgb8", cam__depth="16UC1", cam__depth_registered="32FC1",
        cam__depth_view="rgb8",
    )
    with open_bag(path) as bag:
        assert find_truth(bag, ["depth"]) == {"depth": "/cam/depth_registered"}


@pytest.mark.parametrize(("name", "frame_id", "registered"), [
    ("/cam/depth/image", "lens", True), ("/cam/depth/image", "infrared", False), ("/cam/depth/image", "", False),
    ("/cam/aligned_depth/image", "", True), ("/cam/depth_registered/image", "infrared", False),
])
def test_depth_is_registered_by_its_frame_or_where_that_lacks_by_its_name(
    tmp_path: Path, name: str, frame_id: str, registered: bool
) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        bag.write_image("/cam/color/image", 10**18, "lens", np.zeros((2, 2, 3), np.uint8), "rgb8")
        bag.write_image(name, 10**18, frame_id, np.ones((2, 2), np.uint16), "16UC1")
    with open_bag(tmp_path / "x.mcap") as bag:
        assert is_registered(bag, "/cam/color/image", name) is registered


def test_a_topic_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    with open_bag(write_ros2_bag(tmp_path / "x")) as bag, pytest.raises(BagError) as caught:
        find_camera(bag, "/camera")
    message = str(caught.value)
    assert "no topic /camera." in message
    assert "/camera/color/image_raw  sensor_msgs/msg/Image  (5)" in message
    assert "/chatter  std_msgs/msg/String  (5)" in message


def test_a_topic_without_images_is_refused(tmp_path: Path) -> None:
    with open_bag(write_ros2_bag(tmp_path / "x")) as bag, pytest.raises(BagError, match="holds no images"):
        find_camera(bag, "/chatter")


def test_a_bag_without_colour_images_is_refused(tmp_path: Path) -> None:
    path = write_images(tmp_path / "x.mcap", cam__depth="16UC1", cam__image="32FC1")
    with open_bag(path) as bag, pytest.raises(BagError, match="no topic with colour images"):
        find_camera(bag)
