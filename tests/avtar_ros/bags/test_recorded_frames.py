"""Frames come out of a bag in order, with the ground truth of the same moment."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from avtar_ros.bags.ground_truth import CAMERA_TOPIC
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import Matching, RecordedCamera
from avtar_ros.bags.writing import IMAGE, BagWriter
from tests.tiny_bags import HEIGHT, INTERVAL_NS, START_NS, WIDTH, image, stamps, truth, write_ros1_bag, write_truth_bag

TASKS = ("segmentation", "depth", "normals", "edges")


def test_frames_come_in_order_with_all_their_truth(tmp_path: Path) -> None:
    with open_bag(write_truth_bag(tmp_path / "x.mcap", frames=20)) as bag:
        camera = RecordedCamera.find(bag, TASKS)
        frames = list(camera.frames())
    assert [f.frame.stamp_ns for f in frames] == stamps(20)
    assert camera.faults == {}
    for i, recorded in enumerate(frames):
        assert recorded.frame.focal_px == 60
        assert recorded.frame.frame_id == "camera_optical"
        np.testing.assert_allclose(recorded.frame.image, image(i), atol=40)
        assert recorded.truth.keys() == set(TASKS)
        np.testing.assert_array_equal(recorded.truth["segmentation"], truth(i)["segmentation"])


def test_every_nth_frame(tmp_path: Path) -> None:
    with open_bag(write_truth_bag(tmp_path / "x.mcap", frames=8)) as bag:
        frames = list(RecordedCamera.find(bag, ["segmentation"]).frames(every=3))
    assert [f.frame.stamp_ns for f in frames] == stamps(8)[::3]
    assert all("segmentation" in f.truth for f in frames)


def test_ros_1_depth_is_truth_in_metres(tmp_path: Path) -> None:
    with open_bag(write_ros1_bag(tmp_path / "x.bag")) as bag:
        camera = RecordedCamera.find(bag, TASKS)
        recorded = next(camera.frames())
    assert recorded.frame.focal_px is None
    np.testing.assert_allclose(recorded.truth["depth"], truth(0)["depth"], atol=0.001)


def test_real_recordings_have_depth_for_every_frame(shared_data: Path) -> None:
    with open_bag(shared_data / "rgbd_kitchen" / "mcap") as bag:
        frames = list(RecordedCamera.find(bag, TASKS).frames(every=10))
    assert len(frames) == 6
    assert all(f.frame.focal_px == 585 and np.isfinite(f.truth["depth"]).any() for f in frames)


def test_damaged_images_and_truth_are_counted_and_left_out(tmp_path: Path) -> None:
    jpeg = cv2.imencode(".jpg", image(0))[1].tobytes()
    png = cv2.imencode(".png", truth(0)["segmentation"])[1].tobytes()
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, stamp in enumerate(stamps(4)):
            picture, labels = (b"noise" if i == 1 else jpeg), (b"noise" if i == 2 else png)
            bag.write_compressed(CAMERA_TOPIC, stamp, "optical", "jpeg", picture)
            bag.write_compressed("/ground_truth/segmentation/image", stamp, "optical", "png", labels)
    with open_bag(tmp_path / "x.mcap") as bag:
        camera = RecordedCamera.find(bag, TASKS)
        frames = list(camera.frames())
    assert [(f.frame.stamp_ns, list(f.truth)) for f in frames] == [
        (stamps(4)[0], ["segmentation"]), (stamps(4)[2], []), (stamps(4)[3], ["segmentation"]),
    ]
    assert {topic: len(reasons) for topic, reasons in camera.faults.items()} == {
        CAMERA_TOPIC: 1, "/ground_truth/segmentation/image": 1,
    }


def test_an_image_without_a_stamp_has_the_time_it_was_recorded_at(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        message = bag._message("sensor_msgs/msg/Image")(
            bag._header(0, "optical"), HEIGHT, WIDTH, "rgb8", 0, 3 * WIDTH, image(0).reshape(-1)
        )
        cdr = bag._types.serialize_cdr(message, "sensor_msgs/msg/Image")
        bag.write("/camera/image", START_NS, "sensor_msgs/msg/Image", cdr)
    with open_bag(tmp_path / "x.mcap") as bag:
        assert [f.frame.stamp_ns for f in RecordedCamera.find(bag, TASKS).frames()] == [START_NS]


def test_the_tolerance_is_half_the_cameras_interval(tmp_path: Path) -> None:
    with open_bag(write_truth_bag(tmp_path / "x.mcap", frames=100)) as bag:
        tolerance = RecordedCamera.find(bag, TASKS).tolerance_ns
    assert 0.95 * INTERVAL_NS / 2 < tolerance <= INTERVAL_NS / 2


def write_moving_wall(path: Path, late_ns: int) -> Path:
    """A wall that comes nearer by 0.1 m a frame, but for a corner that jumps; depth comes `late_ns` after images."""
    with BagWriter(path) as bag:
        for i, stamp in enumerate(stamps(5)):
            depth = np.full((HEIGHT, WIDTH), 3000 - 100 * i, np.uint16)
            depth[0, 0] = 1000 + 2000 * (i % 2)
            depth[1, 1] = 0
            bag.write_image("/camera/image", stamp, "optical", image(i), "rgb8")
            bag.write_image("/camera/depth", stamp + late_ns, "optical", depth, "16UC1")
    return path


def test_depth_between_two_depth_images_is_interpolated_if_asked_for(tmp_path: Path) -> None:
    with open_bag(write_moving_wall(tmp_path / "x.mcap", INTERVAL_NS // 4)) as bag:
        nearest, between = (
            RecordedCamera.find(bag, ["depth"], matching=Matching(INTERVAL_NS, interpolate, keep_messages=interpolate))
            for interpolate in (False, True)
        )
        plain = [frame.truth["depth"] for frame in nearest.frames()]
        frames = list(between.frames())
    assert [float(depth[5, 5]) for depth in plain] == pytest.approx([3.0, 2.9, 2.8, 2.7, 2.6])
    assert "depth" not in frames[0].truth  # nothing before it
    for i, frame in enumerate(frames[1:], 1):
        depth = frame.truth["depth"]
        assert depth[5, 5] == pytest.approx(3 - 0.1 * i + 0.025, abs=1e-5)
        assert np.isnan(depth[0, 0])
        assert np.isnan(depth[1, 1])
        (stamp,) = (m.header.stamp for topic, m in frame.messages if topic == "/camera/depth")
        assert stamp.sec * 10**9 + stamp.nanosec == stamps(5)[i] + INTERVAL_NS // 4  # the nearest, as it was


def test_depth_taken_with_the_image_is_not_changed_by_interpolation(tmp_path: Path) -> None:
    with open_bag(write_moving_wall(tmp_path / "x.mcap", 0)) as bag:
        plain = [frame.truth["depth"] for frame in RecordedCamera.find(bag, ["depth"]).frames()]
        between = RecordedCamera.find(bag, ["depth"], matching=Matching(interpolate=True))
        for expected, frame in zip(plain, between.frames(), strict=True):
            np.testing.assert_array_equal(frame.truth["depth"], expected)


@pytest.mark.parametrize("late", ["camera", "depth"])
@pytest.mark.parametrize("late_ns", [600_000_000, 10 * 10**9])
def test_streams_that_are_recorded_seconds_apart_are_matched_all(tmp_path: Path, late: str, late_ns: int) -> None:
    shots = [(stamp, kind, i) for i, stamp in enumerate(stamps(40)) for kind in ("camera", "depth")]
    events = sorted((stamp + (late_ns if kind == late else 0), kind, i) for stamp, kind, i in shots)
    with BagWriter(tmp_path / "x.mcap") as bag:
        for log_ns, kind, i in events:
            header = bag._header(stamps(40)[i], "optical")
            millimetres = np.full((HEIGHT, WIDTH), 1000 + i, np.uint16)
            pixels, encoding = (image(i), "rgb8") if kind == "camera" else (millimetres, "16UC1")
            data = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
            message = bag._message(IMAGE)(header, HEIGHT, WIDTH, encoding, 0, data.size // HEIGHT, data)
            topic = "/cam/color/image" if kind == "camera" else "/cam/depth/image"
            bag.write(topic, log_ns, IMAGE, bag._types.serialize_cdr(message, IMAGE))
    with open_bag(tmp_path / "x.mcap") as bag:
        camera = RecordedCamera.find(bag, ["depth"])
        depths = [float(frame.truth["depth"][0, 0]) for frame in camera.frames()]
        assert depths == pytest.approx([1 + i / 1000 for i in range(40)])
        first_ns = stamps(40)[0] + (late_ns if late == "camera" else 0)
        part = [frame.truth["depth"][0, 0] for frame in camera.frames(window_ns=(first_ns, first_ns + 10**8))]
    assert part == pytest.approx([1, 1.001, 1.002, 1.003])
    assert camera.notes == []


def test_images_without_truth_are_counted_and_said(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, stamp in enumerate(stamps(10)):
            bag.write_image("/cam/color/image", stamp, "optical", image(i), "rgb8")
            if i % 2:
                bag.write_image("/cam/depth/image", stamp, "optical", np.ones((HEIGHT, WIDTH), np.uint16), "16UC1")
    with open_bag(tmp_path / "x.mcap") as bag:
        camera = RecordedCamera.find(bag, ["depth"])
        assert sum("depth" in frame.truth for frame in camera.frames()) == 5
    (note,) = camera.notes
    assert note.startswith("5 of 10 images have no message of /cam/depth/image within 16.7 ms of their stamp")


@pytest.mark.parametrize(("metres", "doubted"), [(3000, True), (150, False), (np.nan, False)])
def test_depth_that_must_be_in_another_unit_is_doubted(tmp_path: Path, metres: float, doubted: bool) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, stamp in enumerate(stamps(3)):
            bag.write_image("/cam/color/image", stamp, "optical", image(i), "rgb8")
            bag.write_image("/cam/depth/image", stamp, "optical", np.full((HEIGHT, WIDTH), metres, np.float32), "32FC1")
    with open_bag(tmp_path / "x.mcap") as bag:
        camera = RecordedCamera.find(bag, ["depth"])
        found = [float(frame.truth["depth"][0, 0]) for frame in camera.frames()]
    assert found == pytest.approx([metres] * 3, nan_ok=True)
    assert ["millimetres" in note for note in camera.notes] == [True] * doubted


def test_a_frame_has_the_lens_of_the_camera_info_in_force(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, stamp in enumerate(stamps(6)):
            if i in (1, 2, 4):
                focal = {1: 0, 2: 50, 4: 70}[i]
                k = np.array([[focal, 0, 32], [0, focal, 24], [0, 0, 1]], float) if focal else np.zeros((3, 3))
                bag.write_camera_info("/cam/camera_info", stamp, "optical", WIDTH, HEIGHT, k)
            bag.write_image("/cam/image", stamp, "optical", image(i), "rgb8")
    with open_bag(tmp_path / "x.mcap") as bag:
        frames = list(RecordedCamera.find(bag, []).frames())
    assert [frame.frame.focal_px for frame in frames] == [50, 50, 50, 50, 70, 70]
