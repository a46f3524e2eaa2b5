"""The camera source as a process: what it publishes, under which stamps, and when it ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy
from rosbags.typesys import Stores, get_typestore
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from avtar_ros.bags.writing import BagWriter
from avtar_ros.imaging.images import to_rgb
from avtar_ros.source.camera_source import SourceParameters
from tests import tiny_bags
from tests.ros_processes import Client, RosProcess

FRAMES = 5

Play = Callable[..., RosProcess]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Starts a camera source that waits for its subscriber and ends with the test."""
    started: list[RosProcess] = []

    def play(source: Path | str, **parameters: object) -> RosProcess:
        settings = {"source": str(source), "wait_for_subscriber": 60.0, "rate": 50.0} | parameters
        started.append(RosProcess("avtar_ros.source.camera_source", tmp_path / f"source{len(started)}.log", settings))
        return started[-1]

    yield play
    for process in started:
        process.__exit__()


def stamp_ns(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def told(clocks: list[Clock]) -> list[int]:
    """The times on /clock, in ns."""
    return [message.clock.sec * 10**9 + message.clock.nanosec for message in clocks]


def test_a_bags_raw_images_are_published_untouched_under_their_own_stamps(
    client: Client, play: Play, tmp_path: Path
) -> None:
    images = client.inbox(Image, "camera/image_raw")
    process = play(tiny_bags.write_ros2_bag(tmp_path / "bag", FRAMES), stamp="original")
    assert process.wait() == 0
    client.wait_until(lambda: len(images) == FRAMES, "all images")
    assert [stamp_ns(message) for message in images] == tiny_bags.stamps(FRAMES)
    for i, message in enumerate(images):
        assert (message.encoding, message.header.frame_id) == ("rgb8", "camera_optical")
        np.testing.assert_array_equal(to_rgb(message), tiny_bags.image(i))
    assert "playing" in process.output
    assert "/camera/color/image_raw on /camera/image_raw" in process.output
    assert f"played {FRAMES} frames" in process.output


def test_a_ros1_bag_is_played_as_well(client: Client, play: Play, tmp_path: Path) -> None:
    images = client.inbox(Image, "camera/image_raw")
    assert play(tiny_bags.write_ros1_bag(tmp_path / "tiny.bag", FRAMES)).wait() == 0
    client.wait_until(lambda: len(images) == FRAMES, "all images")


def test_compressed_images_stay_compressed_and_camera_info_comes_with_each(
    client: Client, play: Play, tmp_path: Path
) -> None:
    images = client.inbox(CompressedImage, "front/image_raw/compressed")
    infos = client.inbox(CameraInfo, "front/camera_info")
    play(tiny_bags.write_truth_bag(tmp_path / "tiny.mcap", FRAMES), cameras=["front"], frame_id="lens")
    client.wait_until(lambda: len(images) == len(infos) == FRAMES, "all images and infos")
    assert [info.header for info in infos] == [message.header for message in images]
    assert {message.header.frame_id for message in images} == {"lens"}
    assert (infos[0].width, infos[0].height) == (tiny_bags.WIDTH, tiny_bags.HEIGHT)
    np.testing.assert_array_equal(infos[0].k, tiny_bags.K.ravel())
    assert np.abs(to_rgb(images[2]).astype(int) - tiny_bags.image(2)).mean() < 5


def test_compressed_images_are_decoded_if_asked(client: Client, play: Play, tmp_path: Path) -> None:
    images = client.inbox(Image, "camera/image_raw")
    play(tiny_bags.write_truth_bag(tmp_path / "tiny.mcap", FRAMES), decode=True)
    client.wait_until(lambda: len(images) == FRAMES, "all images")
    assert images[0].encoding == "rgb8"
    assert np.abs(to_rgb(images[2]).astype(int) - tiny_bags.image(2)).mean() < 5


def test_a_broken_image_is_left_out_of_decoded_ones_and_counted(client: Client, play: Play, tmp_path: Path) -> None:
    images = client.inbox(Image, "camera/image_raw")
    jpeg = cv2.imencode(".jpg", tiny_bags.image(0))[1].tobytes()
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, stamp in enumerate(tiny_bags.stamps(FRAMES)):
            bag.write_compressed("/image_raw/compressed", stamp, "x", "jpeg", jpeg[:200] if i in (0, 3) else jpeg)
    process = play(tmp_path / "x.mcap", decode=True)
    assert process.wait() == 0
    client.wait_until(lambda: len(images) == FRAMES - 2, "the sound images")
    assert "2 images could not be decoded and were left out" in process.output


def test_camera_info_is_published_as_it_was_recorded_the_newest_with_each_image(
    client: Client, play: Play, tmp_path: Path
) -> None:
    images, infos = client.inbox(Image, "camera/image_raw"), client.inbox(CameraInfo, "camera/camera_info")
    types = get_typestore(Stores.LATEST)
    kind = "sensor_msgs/msg/CameraInfo"
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, stamp in enumerate(tiny_bags.stamps(FRAMES)):
            k = np.array([[0 if i == 0 else 200 + i, 0, 160], [0, 0 if i == 0 else 200, 120], [0, 0, 1]], float)
            info = bag._message(kind)(
                header=bag._header(stamp, "x"), height=240, width=320, distortion_model="plumb_bob", d=np.zeros(5),
                k=k.ravel(), r=np.eye(3).ravel(), p=np.zeros(12), binning_x=2, binning_y=1,
                roi=types.types["sensor_msgs/msg/RegionOfInterest"](80, 60, 48, 64, True),
            )
            bag.write("/camera/camera_info", stamp, kind, types.serialize_cdr(info, kind))
            bag.write_image("/camera/image_raw", stamp, "x", tiny_bags.image(i), "rgb8")
    play(tmp_path / "x.mcap")
    client.wait_until(lambda: len(images) == len(infos) == FRAMES, "all infos")
    assert [info.k[0] for info in infos] == [201, 201, 202, 203, 204]
    roi = infos[0].roi
    assert (roi.x_offset, roi.y_offset, roi.height, roi.width, roi.do_rectify) == (80, 60, 48, 64, True)
    assert (infos[0].binning_x, infos[0].binning_y) == (2, 1)


def test_a_clock_that_was_set_while_recording_is_not_waited_for(client: Client, play: Play, tmp_path: Path) -> None:
    images = client.inbox(Image, "camera/image_raw")
    types, kind = get_typestore(Stores.LATEST), "sensor_msgs/msg/Image"
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, stamp in enumerate(tiny_bags.stamps(FRAMES)):
            header = bag._header(stamp if i > 2 else 946_684_800 * 10**9 + stamp - tiny_bags.START_NS, "x")
            size = tiny_bags.HEIGHT, tiny_bags.WIDTH
            message = bag._message(kind)(header, *size, "rgb8", 0, 3 * size[1], tiny_bags.image(i).reshape(-1))
            bag.write("/camera/image_raw", stamp, kind, types.serialize_cdr(message, kind))
    process = play(tmp_path / "x.mcap", rate=0.0)
    client.wait_until(lambda: len(images) == FRAMES, "all images, which were recorded in a sixth of a second")
    assert "the clock was set" in process.output


def test_the_recorded_time_goes_back_where_the_recorders_clock_was_set_back(
    client: Client, play: Play, tmp_path: Path
) -> None:
    types, kind = get_typestore(Stores.LATEST), "sensor_msgs/msg/Image"
    hour, logged = 3600 * 10**9, tiny_bags.stamps(FRAMES)
    stamps = [stamp if i < 3 else stamp - hour for i, stamp in enumerate(logged)]
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, (stamp, log_ns) in enumerate(zip(stamps, logged, strict=True)):
            size = tiny_bags.HEIGHT, tiny_bags.WIDTH
            fields = "rgb8", 0, 3 * size[1], tiny_bags.image(i).reshape(-1)
            message = bag._message(kind)(bag._header(stamp, "x"), *size, *fields)
            bag.write("/camera/image_raw", log_ns, kind, types.serialize_cdr(message, kind))
    clocks, images = client.inbox(Clock, "/clock"), client.inbox(Image, "camera/image_raw")
    play(tmp_path / "x.mcap", clock=True, rate=0.0)
    client.wait_until(lambda: len(images) == FRAMES and set(stamps) <= set(told(clocks)), "all images and their times")
    assert [stamp_ns(message) for message in images] == stamps
    times = told(clocks)
    back = [(before, after) for before, after in pairwise(times) if after < before]
    assert back == [(stamps[2], stamps[3])]  # once, and it goes on from there


def test_an_override_of_quality_of_service_is_of_its_topic_alone(client: Client, play: Play, tmp_path: Path) -> None:
    override = {"qos_overrides./camera/image_raw.publisher.durability": "transient_local"}
    play(tiny_bags.write_ros2_bag(tmp_path / "bag", FRAMES), **override)
    client.wait_until(lambda: client.node.count_publishers("camera/camera_info"), "the publishers")
    durabilities = [
        client.node.get_publishers_info_by_topic(f"/camera/{name}")[0].qos_profile.durability
        for name in ("image_raw", "camera_info")
    ]
    assert durabilities == [DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE]


def test_the_stamp_log_tells_which_recorded_stamp_became_which(
    client: Client, play: Play, tmp_path: Path
) -> None:
    images = client.inbox(Image, "camera/image_raw")
    log = tmp_path / "stamps.jsonl"
    before = client.node.get_clock().now().nanoseconds
    assert play(tiny_bags.write_ros2_bag(tmp_path / "bag", FRAMES), stamp_log=str(log)).wait() == 0
    client.wait_until(lambda: len(images) == FRAMES, "all images")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["original_ns"] for line in lines] == tiny_bags.stamps(FRAMES)
    assert [line["published_ns"] for line in lines] == [stamp_ns(message) for message in images]
    assert before < lines[0]["published_ns"] < client.node.get_clock().now().nanoseconds
    assert not log.with_name(log.name + ".partial").exists()


def test_the_stamp_log_takes_the_place_of_no_file_of_others(play: Play, tmp_path: Path) -> None:
    bag = tiny_bags.write_truth_bag(tmp_path / "drive.mcap", FRAMES)
    notes, before = tmp_path / "notes.txt", bag.read_bytes()
    notes.write_text("mine")
    for path, reason in ((notes, "is there already"), (bag, "is what is read")):
        process = play(bag, stamp_log=str(path))
        assert process.wait() == 1
        assert f"parameter stamp_log: {path}: {reason}" in process.output
    assert (notes.read_text(), bag.read_bytes()) == ("mine", before)
    log = tmp_path / "stamps.jsonl"
    over_its_own = [play(bag, stamp_log=str(log), wait_for_subscriber=0.0).wait() for _ in range(2)]
    assert over_its_own == [0, 0]


def test_several_cameras_are_played_at_once(client: Client, play: Play, tmp_path: Path) -> None:
    inboxes = [client.inbox(Image, f"{camera}/image_raw") for camera in ("front", "rear")]
    log = tmp_path / "stamps.jsonl"
    process = play(
        tiny_bags.write_ros2_bag(tmp_path / "bag", FRAMES),
        topics=["/camera/color/image_raw", "/camera/depth/image_raw"],
        cameras=["front", "rear"],
        stamp_log=str(log),
        rate=0.0,
    )
    client.wait_until(lambda: all(len(inbox) == FRAMES for inbox in inboxes), "all images of both")
    assert process.wait() == 0
    assert [{message.encoding for message in inbox} for inbox in inboxes] == [{"rgb8"}, {"16UC1"}]
    assert [stamp_ns(message) for message in inboxes[0]] == [stamp_ns(message) for message in inboxes[1]]
    assert [json.loads(line)["camera"] for line in log.read_text().splitlines()] == ["front", "rear"] * FRAMES


def test_the_recorded_time_goes_on_between_frames_and_back_where_the_recording_begins_again(
    client: Client, play: Play, tmp_path: Path
) -> None:
    clocks = client.inbox(Clock, "/clock")
    images = client.inbox(Image, "camera/image_raw")
    play(tiny_bags.write_ros2_bag(tmp_path / "bag", FRAMES), clock=True, loop=True, rate=0.0)
    client.wait_until(lambda: len(images) > 2 * FRAMES, "the recording twice")
    assert [stamp_ns(message) for message in images][:FRAMES] == tiny_bags.stamps(FRAMES)
    client.wait_until(lambda: set(tiny_bags.stamps(FRAMES)) <= set(told(clocks)), "the time of every image")
    times = told(clocks)
    assert len(set(times)) > FRAMES  # there are some in between
    back = [after for before, after in pairwise(times) if after < before]
    assert back
    assert set(back) == {tiny_bags.START_NS}


def test_images_stamped_now_keep_the_recorded_distances_exactly(
    client: Client, play: Play, tmp_path: Path
) -> None:
    images = client.inbox(Image, "camera/image_raw")
    play(tiny_bags.write_ros2_bag(tmp_path / "bag", FRAMES), rate=0.0)
    client.wait_until(lambda: len(images) == FRAMES, "all images")
    first = stamp_ns(images[0])
    assert [stamp_ns(message) - first for message in images] == [
        stamp - tiny_bags.START_NS for stamp in tiny_bags.stamps(FRAMES)
    ]


def test_no_image_comes_before_the_time_of_its_stamp(client: Client, play: Play, tmp_path: Path) -> None:
    """However late the first one was: stamps are as far apart as they were recorded, see above."""
    early_ns: list[int] = []

    def on_image(message: Image) -> None:
        early_ns.append(stamp_ns(message) - client.node.get_clock().now().nanoseconds)

    client.node.create_subscription(Image, "camera/image_raw", on_image, 10)
    play(tiny_bags.write_ros2_bag(tmp_path / "bag", FRAMES), rate=0.0)
    client.wait_until(lambda: len(early_ns) == FRAMES, "all images")
    apart_ns = 1_000_000  # by which the system's clock and the one that is waited by may part meanwhile
    assert max(early_ns) < apart_ns


def test_it_loops_until_it_is_told_to_stop(client: Client, play: Play, tmp_path: Path) -> None:
    images = client.inbox(Image, "camera/image_raw")
    log = tmp_path / "stamps.jsonl"
    process = play(tiny_bags.write_ros2_bag(tmp_path / "bag", 2), loop=True, stamp_log=str(log))
    client.wait_until(lambda: len(images) > 5, "more images than recorded")
    assert process.running
    assert process.stop(signal.SIGTERM) == 0
    originals = [json.loads(line)["original_ns"] for line in log.read_text().splitlines()]
    assert originals[:4] == tiny_bags.stamps(2) * 2
    assert "Traceback" not in process.output


def test_pictures_are_played_with_the_focal_length_given(client: Client, play: Play, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / f"{i}.png"), cv2.cvtColor(tiny_bags.image(i), cv2.COLOR_RGB2BGR))
    images = client.inbox(Image, "camera/image_raw")
    infos = client.inbox(CameraInfo, "camera/camera_info")
    play(folder, focal_px=70.0)
    client.wait_until(lambda: len(images) == len(infos) == 3, "all images and infos")
    np.testing.assert_array_equal(to_rgb(images[1]), tiny_bags.image(1))
    assert infos[0].k[0] == infos[0].k[4] == infos[0].p[0] == 70.0
    assert (infos[0].width, infos[0].height) == (tiny_bags.WIDTH, tiny_bags.HEIGHT)


def test_a_video_is_played(client: Client, play: Play, tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (64, 48))
    for _ in range(4):
        writer.write(np.full((48, 64, 3), (0, 0, 200), np.uint8))
    writer.release()
    images = client.inbox(Image, "camera/image_raw")
    assert play(path, rate=0.0).wait() == 0
    client.wait_until(lambda: len(images) == 4, "all images")
    assert np.abs(to_rgb(images[3])[24, 32].astype(int) - (200, 0, 0)).max() < 10


@pytest.mark.parametrize(
    ("name", "content", "parameters", "reason"),
    [
        ("absent.mcap", None, {}, "absent.mcap: no such bag, video or folder"),
        ("empty.mcap", b"", {}, "empty.mcap: the file is empty"),
        ("notes.txt", b"x", {}, "notes.txt: not a bag"),
    ],
)
def test_without_a_source_it_ends_with_the_reason(
    play: Play, tmp_path: Path, name: str, content: bytes | None, parameters: dict[str, object], reason: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    process = play(tmp_path / name, **parameters)
    assert process.wait() == 1
    assert reason in process.output
    assert "Traceback" not in process.output


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"topics": ["/nope"]}, "no topic /nope. There are:"),
        ({"wait_for_subscriber": 0.3}, "nobody subscribed to /camera/image_raw within 0.3 s"),
        ({"stamp_log": "/nowhere/stamps.jsonl"}, "parameter stamp_log: "),
        ({"cameras": ["front", "rear"]}, "1 and 2 are given"),
        ({"stamp": "tomorrow"}, "must be one of: now, original"),
        ({"cameras": ["a b"]}, "'a b/image_raw' cannot be a topic"),
    ],
    ids=str,
)
def test_with_what_cannot_be_it_ends_with_the_reason(
    play: Play, tmp_path: Path, parameters: dict[str, object], reason: str
) -> None:
    process = play(tiny_bags.write_ros2_bag(tmp_path / "bag"), **parameters)
    assert process.wait() == 1
    assert reason in process.output
    assert "Traceback" not in process.output


def test_a_damaged_bag_is_played_as_far_as_it_goes_and_that_is_said(
    client: Client, play: Play, tmp_path: Path
) -> None:
    images = client.inbox(Image, "camera/image_raw")
    process = play(tiny_bags.write_cut_bag(tmp_path / "cut.mcap"))
    assert process.wait() == 0
    assert "damaged" in process.output
    client.wait_until(lambda: images, "some images")


def test_each_parameter_is_described() -> None:
    for field in SourceParameters.__dataclass_fields__.values():
        assert field.metadata["rules"].description


@pytest.mark.parametrize("form", ["mcap", "sqlite3", "ros1.bag"])
def test_a_real_recording_is_played_as_it_is(
    client: Client, play: Play, shared_data: Path, form: str
) -> None:
    path = shared_data / "rgbd_kitchen" / form
    compressed = form == "mcap"
    topic = "camera/image_raw" + "/compressed" * compressed
    images = client.inbox(CompressedImage if compressed else Image, topic)
    process = play(path, rate=0.0)
    client.wait_until(lambda: not process.running, "the end")
    assert process.wait() == 0
    client.wait_until(lambda: len(images) == (60 if compressed else 15), "all images")
    assert to_rgb(images[0]).shape == (480, 640, 3)


@pytest.mark.parametrize(("given", "said"), [("0", "webcam 0"), ("77", "webcam 77"), ("1.5", "must be text or a")])
def test_a_webcams_number_may_be_given_as_a_number(given: str, said: str) -> None:
    """ROS reads source:=0 as an integer; there is no webcam here, so that the number is seen in what is said."""
    command = [sys.executable, "-m", "avtar_ros.source.command", "--ros-args", "-p", f"source:={given}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if Path("/dev/video0").exists() and given == "0":
        pytest.skip("there is a webcam here")
    assert run.returncode == 1
    assert said in run.stderr
    assert "Traceback" not in run.stderr
