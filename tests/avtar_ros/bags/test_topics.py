"""The camera, its CameraInfo and the ground truth are found among a bag's topics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from avtar_ros.bags.bag import BagError
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.topics import Topics, find_camera, find_camera_info, find_truth, is_registered
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


@dataclass(frozen=True)
class Driver:
    """Topics as a driver publishes them: {image topic: (encoding, frame, size)}, {CameraInfo topic: (frame, size, fx)}.

    What is to be found for `camera`, and whether that is what is found without naming it.
    """

    images: dict[str, tuple[str, str, tuple[int, int]]]
    infos: dict[str, tuple[str, tuple[int, int], float]]
    camera: str
    info: str | None
    depth: str | None
    registered: bool = True
    by_itself: bool = True


VGA, SMALL = (64, 48), (40, 30)
DRIVERS = {
    "realsense-ros": Driver(
        {
            "/camera/camera/color/image_raw": ("rgb8", "camera_color_optical_frame", VGA),
            "/camera/camera/depth/image_rect_raw": ("16UC1", "camera_depth_optical_frame", SMALL),
            "/camera/camera/aligned_depth_to_color/image_raw": ("16UC1", "camera_color_optical_frame", VGA),
            "/camera/camera/infra1/image_rect_raw": ("mono8", "camera_infra1_optical_frame", SMALL),
        },
        {
            "/camera/camera/color/camera_info": ("camera_color_optical_frame", VGA, 60),
            "/camera/camera/depth/camera_info": ("camera_depth_optical_frame", SMALL, 30),
            "/camera/camera/aligned_depth_to_color/camera_info": ("camera_color_optical_frame", VGA, 60),
            "/camera/camera/infra1/camera_info": ("camera_infra1_optical_frame", SMALL, 30),
        },
        "/camera/camera/color/image_raw", "/camera/camera/color/camera_info",
        "/camera/camera/aligned_depth_to_color/image_raw",
    ),
    "RealSense Viewer": Driver(
        {
            "/device_0/sensor_1/Color_0/image/data": ("rgb8", "0", VGA),
            "/device_0/sensor_0/Depth_0/image/data": ("mono16", "0", SMALL),
            "/device_0/sensor_0/Infrared_1/image/data": ("mono8", "0", SMALL),
        },
        {
            "/device_0/sensor_1/Color_0/info/camera_info": ("0", VGA, 60),
            "/device_0/sensor_0/Depth_0/info/camera_info": ("0", SMALL, 30),
        },
        "/device_0/sensor_1/Color_0/image/data", "/device_0/sensor_1/Color_0/info/camera_info",
        "/device_0/sensor_0/Depth_0/image/data", registered=False,
    ),
    "zed": Driver(
        {
            "/zed/zed_node/rgb/image_rect_color": ("bgra8", "zed_left_camera_optical_frame", VGA),
            "/zed/zed_node/right/image_rect_color": ("bgra8", "zed_right_camera_optical_frame", VGA),
            "/zed/zed_node/depth/depth_registered": ("32FC1", "zed_left_camera_optical_frame", VGA),
            "/zed/zed_node/confidence/confidence_map": ("32FC1", "zed_left_camera_optical_frame", VGA),
        },
        {
            "/zed/zed_node/rgb/camera_info": ("zed_left_camera_optical_frame", VGA, 60),
            "/zed/zed_node/right/camera_info": ("zed_right_camera_optical_frame", VGA, 60),
            "/zed/zed_node/depth/camera_info": ("zed_left_camera_optical_frame", VGA, 60),
        },
        "/zed/zed_node/rgb/image_rect_color", "/zed/zed_node/rgb/camera_info", "/zed/zed_node/depth/depth_registered",
    ),
    "depthai": Driver(
        {
            "/oak/rgb/image_raw": ("bgr8", "oak_rgb_camera_optical_frame", VGA),
            "/oak/stereo/image_raw": ("16UC1", "oak_rgb_camera_optical_frame", VGA),
            "/oak/left/image_raw": ("mono8", "oak_left_camera_optical_frame", SMALL),
        },
        {
            "/oak/rgb/camera_info": ("oak_rgb_camera_optical_frame", VGA, 60),
            "/oak/stereo/camera_info": ("oak_rgb_camera_optical_frame", VGA, 60),
            "/oak/left/camera_info": ("oak_left_camera_optical_frame", SMALL, 30),
        },
        "/oak/rgb/image_raw", "/oak/rgb/camera_info", "/oak/stereo/image_raw",
    ),
    "Orbbec": Driver(
        {
            "/camera/color/image_raw": ("rgb8", "camera_color_optical_frame", VGA),
            "/camera/depth/image_raw": ("16UC1", "camera_color_optical_frame", VGA),
            "/camera/ir/image_raw": ("mono16", "camera_ir_optical_frame", SMALL),
        },
        {
            "/camera/color/camera_info": ("camera_color_optical_frame", VGA, 60),
            "/camera/depth/camera_info": ("camera_color_optical_frame", VGA, 60),
        },
        "/camera/color/image_raw", "/camera/color/camera_info", "/camera/depth/image_raw",
    ),
    "Azure Kinect": Driver(
        {
            "/rgb/image_raw": ("bgra8", "rgb_camera_link", VGA),
            "/depth/image_raw": ("16UC1", "depth_camera_link", SMALL),
            "/depth_to_rgb/image_raw": ("16UC1", "rgb_camera_link", VGA),
            "/ir/image_raw": ("mono16", "depth_camera_link", SMALL),
        },
        {
            "/rgb/camera_info": ("rgb_camera_link", VGA, 60), "/depth/camera_info": ("depth_camera_link", SMALL, 25),
            "/depth_to_rgb/camera_info": ("rgb_camera_link", VGA, 60),
            "/ir/camera_info": ("depth_camera_link", SMALL, 25),
        },
        "/rgb/image_raw", "/rgb/camera_info", "/depth_to_rgb/image_raw",
    ),
    "Azure Kinect without depth_to_rgb": Driver(
        {
            "/rgb/image_raw": ("bgra8", "rgb_camera_link", VGA),
            "/depth/image_raw": ("16UC1", "depth_camera_link", SMALL),
            "/ir/image_raw": ("mono16", "depth_camera_link", SMALL),
        },
        {"/rgb/camera_info": ("rgb_camera_link", VGA, 60), "/depth/camera_info": ("depth_camera_link", SMALL, 25)},
        "/rgb/image_raw", "/rgb/camera_info", "/depth/image_raw", registered=False,
    ),
    "Gazebo": Driver(
        {
            "/camera/image_raw": ("rgb8", "camera_link_optical", VGA),
            "/camera/depth/image_raw": ("32FC1", "camera_link_optical", VGA),
        },
        {
            "/camera/camera_info": ("camera_link_optical", VGA, 60),
            "/camera/depth/camera_info": ("camera_link_optical", VGA, 60),
        },
        "/camera/image_raw", "/camera/camera_info", "/camera/depth/image_raw",
    ),
    "gz-sim rgbd_camera": Driver(
        {"/rgbd_camera/image": ("rgb8", "optical", VGA), "/rgbd_camera/depth_image": ("32FC1", "optical", VGA)},
        {"/rgbd_camera/camera_info": ("optical", VGA, 60)},
        "/rgbd_camera/image", "/rgbd_camera/camera_info", "/rgbd_camera/depth_image",
    ),
    "TurtleBot3 in Gazebo": Driver(
        {
            "/intel_realsense_r200_depth/image_raw": ("rgb8", "camera_rgb_optical_frame", VGA),
            "/intel_realsense_r200_depth/depth/image_raw": ("32FC1", "camera_rgb_optical_frame", VGA),
        },
        {"/intel_realsense_r200_depth/camera_info": ("camera_rgb_optical_frame", VGA, 60)},
        "/intel_realsense_r200_depth/image_raw", "/intel_realsense_r200_depth/camera_info",
        "/intel_realsense_r200_depth/depth/image_raw",
    ),
    "Isaac Sim": Driver(
        {
            "/rgb": ("rgb8", "sim_camera", VGA), "/depth": ("32FC1", "sim_camera", VGA),
            "/semantic_segmentation": ("mono8", "sim_camera", VGA),
            "/rear/rgb": ("rgb8", "rear_camera", VGA), "/rear/depth": ("32FC1", "rear_camera", VGA),
        },
        {"/camera_info": ("sim_camera", VGA, 60), "/rear/camera_info": ("rear_camera", VGA, 50)},
        "/rgb", "/camera_info", "/depth", by_itself=False,
    ),
    "the second camera of Isaac Sim": Driver(
        {
            "/rgb": ("rgb8", "sim_camera", VGA), "/depth": ("32FC1", "sim_camera", VGA),
            "/rear/rgb": ("rgb8", "sim_camera", VGA), "/rear/depth": ("32FC1", "sim_camera", VGA),
        },
        {"/camera_info": ("sim_camera", VGA, 60), "/rear/camera_info": ("sim_camera", VGA, 50)},
        "/rear/rgb", "/rear/camera_info", "/rear/depth", by_itself=False,
    ),
    "spot": Driver(
        {
            "/spot/camera/frontleft/image": ("mono8", "frontleft_fisheye", VGA),
            "/spot/camera/left/image": ("mono8", "left_fisheye", VGA),
            "/spot/depth/frontleft/image": ("16UC1", "frontleft", SMALL),
            "/spot/depth_registered/frontleft/image": ("16UC1", "frontleft_fisheye", VGA),
            "/spot/depth_registered/left/image": ("16UC1", "left_fisheye", VGA),
        },
        {
            "/spot/camera/frontleft/camera_info": ("frontleft_fisheye", VGA, 33),
            "/spot/camera/left/camera_info": ("left_fisheye", VGA, 33),
            "/spot/depth/frontleft/camera_info": ("frontleft", SMALL, 22),
        },
        "/spot/camera/left/image", "/spot/camera/left/camera_info", "/spot/depth_registered/left/image",
        by_itself=False,
    ),
    "hololens": Driver(
        {
            "/hololens/pv/image_raw": ("bgr8", "pv", VGA),
            "/hololens/long_throw/depth/image_raw": ("16UC1", "tof", SMALL),
            "/hololens/long_throw/ab/image_raw": ("mono16", "tof", SMALL),
            "/hololens/vlc_lf/image_raw": ("mono8", "vlc_lf", VGA),
        },
        {"/hololens/pv/camera_info": ("pv", VGA, 60), "/hololens/long_throw/depth/camera_info": ("tof", SMALL, 20)},
        "/hololens/pv/image_raw", "/hololens/pv/camera_info", "/hololens/long_throw/depth/image_raw", registered=False,
    ),
    "openni and freenect": Driver(
        {
            "/camera/rgb/image_color": ("bgr8", "/openni_rgb_optical_frame", VGA),
            "/camera/depth/image": ("32FC1", "/openni_rgb_optical_frame", VGA),
            "/camera/depth/disparity_image": ("32FC1", "/openni_rgb_optical_frame", VGA),
        },
        {
            "/camera/rgb/camera_info": ("/openni_rgb_optical_frame", VGA, 60),
            "/camera/depth/camera_info": ("/openni_rgb_optical_frame", VGA, 60),
        },
        "/camera/rgb/image_color", "/camera/rgb/camera_info", "/camera/depth/image",
    ),
    "two cameras with the driver's default frames": Driver(
        {
            topic: (encoding, "camera_color_optical_frame", VGA)
            for cam in ("cam1", "cam2")
            for topic, encoding in (
                (f"/{cam}/color/image_raw", "rgb8"), (f"/{cam}/aligned_depth_to_color/image_raw", "16UC1"),
            )
        },
        {f"/{cam}/color/camera_info": ("camera_color_optical_frame", VGA, 60) for cam in ("cam1", "cam2")},
        "/cam2/color/image_raw", "/cam2/color/camera_info", "/cam2/aligned_depth_to_color/image_raw", by_itself=False,
    ),
    "a camera whose name is that of labels": Driver(
        {"/unlabeled/image_raw": ("rgb8", "optical", VGA)}, {}, "/unlabeled/image_raw", None, None,
    ),
    "the depth of another camera alone": Driver(
        {
            "/front/image_raw": ("rgb8", "front_optical", VGA), "/rear/image_raw": ("rgb8", "rear_optical", VGA),
            "/rear/depth/image_raw": ("16UC1", "rear_optical", VGA),
        },
        {"/front/camera_info": ("front_optical", VGA, 60), "/rear/camera_info": ("rear_optical", VGA, 60)},
        "/front/image_raw", "/front/camera_info", None,
    ),
    "the depth of one of two cameras with the same frames": Driver(
        {
            "/cam1/color/image_raw": ("rgb8", "optical", VGA), "/cam2/color/image_raw": ("rgb8", "optical", VGA),
            "/cam1/aligned_depth_to_color/image_raw": ("16UC1", "optical", VGA),
        },
        {}, "/cam2/color/image_raw", None, None, by_itself=False,
    ),
    "CameraInfo of the depth camera alone": Driver(
        {"/cam/color/image": ("rgb8", "color", VGA), "/cam/depth/image": ("16UC1", "depth", SMALL)},
        {"/cam/depth/camera_info": ("depth", SMALL, 30)},
        "/cam/color/image", None, "/cam/depth/image", registered=False,
    ),
}


def write_driver_bag(path: Path, driver: Driver) -> Path:
    types = {"rgb8": np.uint8, "bgr8": np.uint8, "bgra8": np.uint8, "mono8": np.uint8, "mono16": np.uint16,
             "16UC1": np.uint16, "32FC1": np.float32}
    channels = {"rgb8": (3,), "bgr8": (3,), "bgra8": (4,)}
    with BagWriter(path) as bag:
        for topic, (frame, (width, height), fx) in driver.infos.items():
            k = np.array([[fx, 0, width / 2], [0, fx, height / 2], [0, 0, 1]], float)
            bag.write_camera_info(topic, 10**18, frame, width, height, k)
        for topic, (encoding, frame, (width, height)) in driver.images.items():
            array = np.ones((height, width, *channels.get(encoding, ())), types[encoding])
            bag.write_image(topic, 10**18, frame, array, encoding)
    return path


@pytest.mark.parametrize("name", DRIVERS)
def test_of_common_drivers_the_topics_that_belong_together_are_found(tmp_path: Path, name: str) -> None:
    driver = DRIVERS[name]
    with open_bag(write_driver_bag(tmp_path / "x.mcap", driver)) as bag:
        topics = Topics(bag)
        if driver.by_itself:
            assert topics.camera() == driver.camera
        assert topics.info(driver.camera).topic == driver.info
        truth = topics.truth(driver.camera, ["depth"])
        assert truth.topics.get("depth") == driver.depth
        assert truth.registered == driver.registered
        other = [text for text in truth.notes if "belongs to" in text]
        assert len(other) == (driver.depth is None and len(driver.images) > 1)


def test_where_two_topics_would_do_that_is_said_and_one_can_be_named(tmp_path: Path) -> None:
    images = {"/cam/color/image": ("rgb8", "optical", VGA), "/cam/depth_a/image": ("16UC1", "optical", VGA),
              "/cam/depth_b/image": ("16UC1", "optical", VGA)}
    with open_bag(write_driver_bag(tmp_path / "x.mcap", Driver(images, {}, "", None, None))) as bag:
        topics = Topics(bag)
        (note,) = topics.truth("/cam/color/image", ["depth"]).notes
        assert "/cam/depth_a/image was taken; /cam/depth_b/image would fit as well" in note
        named = topics.truth("/cam/color/image", ["depth"], "/cam/depth_b/image")
        assert (named.topics, named.notes) == ({"depth": "/cam/depth_b/image"}, ())
        with pytest.raises(BagError, match="no topic /none"):
            topics.truth("/cam/color/image", ["depth"], "/none")
        with pytest.raises(BagError, match="holds no CameraInfo"):
            topics.info("/cam/color/image", "/cam/depth_a/image")


def test_a_frame_is_the_same_with_and_without_the_slash_of_ros_1(tmp_path: Path) -> None:
    images = {"/cam/rgb/image_color": ("rgb8", "/rgb_optical", VGA), "/cam/depth/image": ("32FC1", "rgb_optical", VGA),
              "/cam/depth/image_raw": ("16UC1", "/depth_optical", VGA)}
    path = write_driver_bag(tmp_path / "x.mcap", Driver(images, {}, "", None, None))
    with open_bag(path) as bag:
        truth = Topics(bag).truth("/cam/rgb/image_color", ["depth"])
    assert (truth.topics, truth.registered, truth.notes) == ({"depth": "/cam/depth/image"}, True, ())


@pytest.mark.parametrize(("write", "why"), [
    (lambda bag: bag.write_image("/cam/depth/image", 10**18, "x", np.ones((48, 64), np.int16), "16SC1"),
     "unknown encoding '16SC1'. Known: 16UC1, mono16, 32FC1"),
    (lambda bag: bag.write_image("/cam/depth/image", 10**18, "x", np.ones((48, 64, 3), np.uint8), "rgb8"),
     "unknown encoding 'rgb8'"),
    (lambda bag: bag.write_compressed("/cam/depth/image/compressed", 10**18, "x", "16UC1; jpeg compressed mono8",
                                      cv2.imencode(".jpg", np.ones((48, 64), np.uint8))[1].tobytes()),
     "is no depth: uint8 with 1 channels"),
])
def test_depth_that_cannot_be_had_is_said_with_the_reason(tmp_path: Path, write, why: str) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        bag.write_image("/cam/color/image", 10**18, "x", np.ones((48, 64, 3), np.uint8), "rgb8")
        write(bag)
    with open_bag(tmp_path / "x.mcap") as bag:
        truth = Topics(bag).truth("/cam/color/image", ["depth"])
    (note,) = truth.notes
    assert truth.topics == {}
    assert note.startswith("/cam/depth/image")
    assert "is called depth, but no metres can be read there: " in note
    assert why in note


def test_a_broken_first_image_hides_no_camera_and_the_reason_is_given_where_all_are(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i in range(5):
            data = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
            bag.write_compressed("/front/compressed", 10**18 + i, "x", "jpeg", data[:200] if i < 3 else data)
            bag.write_compressed("/rear/compressed", 10**18 + i, "x", "jpeg", data[:200])
    with open_bag(tmp_path / "x.mcap") as bag:
        topics = Topics(bag)
        assert topics.camera() == "/front/compressed"
        assert topics.images["/front/compressed"].size == (64, 48)
        assert "cut off" in topics.images["/rear/compressed"].reason
    with BagWriter(tmp_path / "y.mcap") as bag:
        bag.write_compressed("/rear/compressed", 10**18, "x", "jpeg", data[:200])
    with open_bag(tmp_path / "y.mcap") as bag, pytest.raises(BagError, match=r"could be decoded:\n  /rear.*cut off"):
        find_camera(bag)
