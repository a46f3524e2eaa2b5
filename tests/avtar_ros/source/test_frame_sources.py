"""What the camera source can play, when each frame is due, and what is said where there is nothing to play."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.errors import AvtarError
from avtar_ros.imaging.images import to_rgb
from avtar_ros.source.frame_sources import FrameSource, SourceError, SourceFrame, open_source, schedule
from tests import tiny_bags


class Listed(FrameSource):
    """Frames with the given stamps."""

    description = "a list"

    def __init__(self, stamps: list[int]) -> None:
        self.stamps = stamps

    def frames(self) -> Iterator[SourceFrame]:
        return (SourceFrame(stamp, "", None) for stamp in self.stamps)


def due(*args: object, take: int | None = None, **kwargs: object) -> list[int]:
    moments = (moment for moment, _ in schedule(*args, **kwargs))
    return list(moments) if take is None else [next(moments) for _ in range(take)]


stamps = st.lists(st.integers(0, 10**18), min_size=1, max_size=20, unique=True).map(sorted)


@given(stamps)
def test_recorded_distances_are_kept_exactly(recorded: list[int]) -> None:
    assert due(Listed(recorded)) == [stamp - recorded[0] for stamp in recorded]


@given(stamps, st.floats(0.1, 1000))
def test_a_rate_replaces_them_without_drifting(recorded: list[int], rate: float) -> None:
    assert due(Listed(recorded), rate) == [round(i * 1e9 / rate) for i in range(len(recorded))]


def test_a_loop_begins_again_one_mean_distance_after_its_end() -> None:
    assert due(Listed([5, 15, 45]), loop=True, take=7) == [0, 10, 40, 60, 70, 100, 120]


def test_a_loop_of_a_given_rate_keeps_it_over_the_seam() -> None:
    assert due(Listed([5, 6]), 10.0, True, take=5) == [0, 10**8, 2 * 10**8, 3 * 10**8, 4 * 10**8]


def test_a_source_without_frames_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(SourceError, match=r"a list: there are no images\."):
        due(Listed([]), loop=True)


def images(source: FrameSource) -> list[np.ndarray]:
    return [to_rgb(frame.image) for frame in source.frames()]


@pytest.mark.parametrize(
    ("write", "name"),
    [(tiny_bags.write_ros2_bag, "recording"), (tiny_bags.write_ros1_bag, "recording.bag")],
    ids=["ros2", "ros1"],
)
def test_a_bag_gives_its_colour_images_untouched(
    write: Callable[[Path, int], Path], name: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, 3)
    with open_source(str(path)) as source:
        assert source.description.endswith("topic /camera/color/image_raw")
        assert [frame.stamp_ns for frame in source.frames()] == tiny_bags.stamps(3)
        assert {frame.frame_id for frame in source.frames()} == {"camera_optical"}
        for i, image in enumerate(images(source)):
            np.testing.assert_array_equal(image, tiny_bags.image(i))


def test_a_bags_camera_info_comes_along(tmp_path: Path) -> None:
    with open_source(str(tiny_bags.write_truth_bag(tmp_path / "tiny.mcap"))) as source:
        (model,) = source.models
        assert model is not None
        assert (model.width, model.height) == (tiny_bags.WIDTH, tiny_bags.HEIGHT)
        assert model.k == tuple(tiny_bags.K.ravel())


def test_a_topic_of_the_bag_can_be_named(tmp_path: Path) -> None:
    path = tiny_bags.write_ros2_bag(tmp_path / "bag")
    with open_source(str(path), ["/camera/depth/image_raw"]) as source:
        assert {frame.image.encoding for frame in source.frames()} == {"16UC1"}


def test_several_cameras_of_a_bag_come_in_the_order_recorded(tmp_path: Path) -> None:
    path = tiny_bags.write_ros2_bag(tmp_path / "bag", 3)
    topics = ["/camera/color/image_raw", "/camera/depth/image_raw"]
    with open_source(str(path), topics) as source:
        assert [frame.camera for frame in source.first()] == [0, 1]
        frames = list(source.frames())
        assert len(source.models) == 2
    assert [frame.camera for frame in frames] == [0, 1] * 3
    assert [frame.stamp_ns for frame in frames[::2]] == tiny_bags.stamps(3)


def test_a_topic_is_of_one_camera_only(tmp_path: Path) -> None:
    path = tiny_bags.write_ros2_bag(tmp_path / "bag")
    with pytest.raises(SourceError, match="each can be of one camera only"):
        open_source(str(path), ["", "/camera/color/image_raw"])


def test_only_bags_have_several_cameras(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), tiny_bags.image(0))
    with pytest.raises(SourceError, match="only bags have several cameras"):
        open_source(str(tmp_path), ["", ""])


def test_a_truncated_bag_gives_what_is_left_and_says_so(tmp_path: Path) -> None:
    path = tiny_bags.write_cut_bag(tmp_path / "cut.mcap", 20)
    with open_source(str(path)) as source:
        assert 0 < len(images(source)) < 20
        assert "cut.mcap" in str(source.damage)


def test_a_folder_of_pictures_is_played_in_the_order_of_names(tmp_path: Path) -> None:
    for i in (2, 0, 1):
        cv2.imwrite(str(tmp_path / f"{i}.png"), cv2.cvtColor(tiny_bags.image(i), cv2.COLOR_RGB2BGR))
    (tmp_path / "notes.txt").write_text("no picture")
    with open_source(str(tmp_path)) as source:
        for i, image in enumerate(images(source)):
            np.testing.assert_array_equal(image, tiny_bags.image(i))
        assert due(source) == [0, 10**8, 2 * 10**8]


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with open_source(str(tmp_path)) as source, pytest.raises(SourceError, match=r"bad\.png: not a picture"):
        images(source)


def test_a_video_is_played_at_its_own_rate(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (64, 48))
    for i in range(4):
        writer.write(np.full((48, 64, 3), (0, 0, 60 * i), np.uint8))
    writer.release()
    with open_source(str(path)) as source:
        assert due(source) == [0, 50_000_000, 100_000_000, 150_000_000]
        reds = [image[24, 32].astype(int) for image in images(source)]
        np.testing.assert_allclose(reds, [(60 * i, 0, 0) for i in range(4)], atol=6)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("film.mp4", b"no video", r"film\.mp4: OpenCV cannot read this video"),
        ("film.mp4", b"", r"film\.mp4: OpenCV cannot read this video"),
        ("notes.txt", b"no bag", r"notes\.txt: not a bag"),
        ("bag.mcap", b"", r"bag\.mcap: the file is empty"),
        ("bag.mcap", b"no bag", r"bag\.mcap"),
        ("bag.db3", b"no bag", r"bag\.db3"),
        ("bag.bag", b"no bag", r"bag\.bag"),
    ],
)
def test_a_file_that_cannot_be_played_is_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AvtarError, match=reason):
        open_source(str(tmp_path / name))


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no source given"):
        open_source("")
    with pytest.raises(SourceError, match="nothing: no such bag, video or folder"):
        open_source(str(tmp_path / "nothing"))
    with pytest.raises(AvtarError, match="no bag in this folder"):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match="webcam /dev/video77: cannot be opened"):
        open_source("/dev/video77")


def test_a_bag_without_the_topic_lists_those_that_it_has(tmp_path: Path) -> None:
    path = tiny_bags.write_ros2_bag(tmp_path / "bag")
    with pytest.raises(AvtarError, match=r"no topic /nope(.|\n)*/camera/color/image_raw(.|\n)*/chatter"):
        open_source(str(path), ["/nope"])


def test_of_a_folder_with_a_damaged_picture_the_others_are_played(tmp_path: Path) -> None:
    for i in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"{i}.png"), cv2.cvtColor(tiny_bags.image(i), cv2.COLOR_RGB2BGR))
    (tmp_path / "3.png").write_bytes(b"no picture")
    with open_source(str(tmp_path)) as source:
        for i, image in zip((1, 2, 10), images(source), strict=True):
            np.testing.assert_array_equal(image, tiny_bags.image(i))
        assert "3.png: not a picture" in str(source.damage)
