"""What is recorded before it is played: which sources are bags already, how long, and at which times."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from avtar_ros.bags.reading import open_bag
from avtar_ros.demo.recording import is_bag, record
from avtar_ros.errors import AvtarError
from avtar_ros.predict.inputs import Input, Shot
from avtar_ros.predict.lens import LensOptions
from tests import tiny_bags


def write_picture(path: Path, i: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), tiny_bags.image(i)[..., ::-1])
    return path


def stamps(path: Path) -> list[int]:
    with open_bag(path) as bag:
        return [m.log_ns for m in bag.messages(["/camera/image_raw/compressed"])]


def test_bags_are_told_from_what_is_not(tmp_path: Path) -> None:
    write_picture(tmp_path / "photos/a.jpg")
    bag = tiny_bags.write_ros2_bag(tmp_path / "bag")
    write_picture(bag / "thumbnail.png")
    assert is_bag(str(bag))
    assert is_bag("nonesuch.mcap")
    others = ["0", "/dev/video0", "rtsp://camera/stream", "-", str(tmp_path / "photos"), "clip.mp4", "x.JPG"]
    assert [source for source in others if is_bag(source)] == []


def test_a_folder_is_recorded_ten_pictures_a_second(tmp_path: Path) -> None:
    for i in range(4):
        write_picture(tmp_path / f"photos/{i}.png", i)
    said = record(str(tmp_path / "photos"), tmp_path / "in.mcap", LensOptions(), 0.25)
    assert "photos: 3 images" in said
    first, *rest = stamps(tmp_path / "in.mcap")
    assert [stamp - first for stamp in rest] == [10**8, 2 * 10**8]
    with open_bag(tmp_path / "in.mcap") as bag:
        assert "/camera/camera_info" not in bag.topics  # nothing is claimed of an unknown lens


class Interrupted(Input):
    """A camera that is stopped with Ctrl-C after some images."""

    live = moving = True
    name = "webcam"

    def __init__(self, images: int) -> None:
        super().__init__()
        self._images = images

    def shots(self, every: int) -> Iterator[Shot]:
        for i in range(self._images):
            yield Shot(tiny_bags.image(i), str(i), i / 30)
        raise KeyboardInterrupt


def test_ctrl_c_ends_a_camera_and_what_was_recorded_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avtar_ros.demo.recording.open_input", lambda _: Interrupted(3))
    record("0", tmp_path / "in.mcap", LensOptions(), None)
    assert len(stamps(tmp_path / "in.mcap")) == 3
    monkeypatch.setattr("avtar_ros.demo.recording.open_input", lambda _: Interrupted(0))
    with pytest.raises(KeyboardInterrupt):
        record("0", tmp_path / "none.mcap", LensOptions(), None)


def test_nothing_to_record_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(AvtarError, match=r"no images.*not a picture"):
        record(str(tmp_path / "x.png"), tmp_path / "in.mcap", LensOptions(), None)
