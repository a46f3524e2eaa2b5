"""avtar-replay info says what there is in a bag and what to do with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avtar_ros.bags.info import read_info
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.writing import BagWriter
from avtar_ros.replay.cli import main
from tests.tiny_bags import START_NS, image, write_ros1_bag, write_truth_bag

INTERVAL_NS = 100_000_000


def write_two_cameras(path: Path) -> Path:
    """A colour camera at 10 Hz that misses two images after 0.4 s, one more, and depth with CameraInfo."""
    with BagWriter(path) as bag:
        for i in (0, 1, 2, 3, 4, 7, 8, 9):
            stamp = START_NS + i * INTERVAL_NS
            bag.write_image("/front/rgb", stamp, "front", image(i), "rgb8")
            bag.write_image("/rear/view", stamp, "rear", image(i), "rgb8")
            bag.write_image("/front/depth", stamp, "front", np.ones((12, 16), np.uint16), "16UC1")
            bag.write_camera_info("/front/camera_info", stamp, "front", 64, 48, np.diag([60.0, 60, 1]))
    return path


def test_rates_gaps_encodings_and_sizes(tmp_path: Path) -> None:
    with open_bag(write_two_cameras(tmp_path / "x.mcap")) as bag:
        info = read_info(bag)
    assert [topic.name for topic in info.cameras] == ["/front/rgb", "/rear/view"]
    assert [topic.name for topic in info.depths] == ["/front/depth"]
    assert info.seconds == pytest.approx(0.9)
    front, rear = info.cameras
    assert (front.encoding, front.width, front.height, front.count) == ("rgb8", 64, 48, 8)
    assert front.rate_hz == pytest.approx(10)
    assert front.gaps == 1
    assert (front.longest_gap.seconds, front.longest_gap.at_s) == pytest.approx((0.3, 0.4))
    assert (front.focal_px, rear.focal_px) == (60, None)
    assert (info.depths[0].encoding, info.depths[0].width, info.depths[0].height) == ("16UC1", 16, 12)


def test_it_is_printed_with_the_commands_to_run(tmp_path: Path, capsys) -> None:
    path = write_two_cameras(tmp_path / "x.mcap")
    assert main(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "rgb8, 64 x 48, 8 images, 10.0 Hz" in printed
    assert "1 gaps, the longest 0.30 s at 0.40 s" in printed
    assert "fx = 60 px, from /front/camera_info" in printed
    assert f"  avtar-replay {path} --out replay\n" in printed
    assert f"  avtar-replay {path} --out replay --topic /front/rgb --topic /rear/view\n" in printed


@pytest.mark.parametrize(("write", "name", "expected"), [
    (write_truth_bag, "x.mcap", "jpeg, 64 x 48, 5 images, 30.0 Hz"),
    (write_ros1_bag, "x.bag", "16UC1, 64 x 48, 5 images, 30.0 Hz"),
])
def test_compressed_and_ros_1_topics(tmp_path: Path, write, name: str, expected: str, capsys) -> None:
    assert main(["info", str(write(tmp_path / name))]) == 0
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize("name", ["mcap", "sqlite3", "ros1.bag"])
def test_real_recordings(shared_data: Path, name: str, capsys) -> None:
    assert main(["info", str(shared_data / "rgbd_kitchen" / name)]) == 0
    printed = capsys.readouterr().out
    assert "640 x 480" in printed
    assert ("fx = 585 px" in printed) == (name == "mcap")


def test_a_bag_without_a_camera_and_no_bag_at_all(tmp_path: Path, capsys) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        bag.write_image("/depth", START_NS, "optical", np.ones((2, 2), np.uint16), "16UC1")
    assert main(["info", str(tmp_path / "x.mcap")]) == 0
    assert "There is no camera" in capsys.readouterr().out
    assert main(["info", str(tmp_path / "y.mcap")]) == 1
    assert "no such bag" in capsys.readouterr().err


def test_where_a_damaged_bag_breaks(tmp_path: Path, capsys) -> None:
    path = tmp_path / "x.mcap"
    with BagWriter(path) as bag:
        for i in range(20):
            noise = np.random.default_rng(i).integers(0, 256, (200, 300, 3), np.uint8)
            bag.write_image("/camera/image", START_NS + i * INTERVAL_NS, "optical", noise, "rgb8")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 7 // 10])
    assert main(["info", str(path)]) == 1
    assert "Damaged: " in capsys.readouterr().out
