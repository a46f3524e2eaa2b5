"""Packets of video in messages give images as pictures do, under their own stamps."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from avtar_ros.bags.bag import BagError
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera
from avtar_ros.bags.topics import Topics
from avtar_ros.bags.writing import BagWriter
from avtar_ros.source.frame_sources import open_source
from tests.tiny_bags import image, stamps

FFMPEG = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
FFMPEG_DEFINITION = """std_msgs/Header header
int32 width
int32 height
string encoding
uint64 pts
uint8 flags
bool is_bigendian
uint8[] data
"""
FOXGLOVE = "foxglove_msgs/msg/CompressedVideo"
FOXGLOVE_DEFINITION = """builtin_interfaces/Time timestamp
string frame_id
uint8[] data
string format
"""
FRAMES, WIDTH, HEIGHT = 12, 128, 96


def encoded(codec: str, every: int = 4, b_frames: int = 0) -> list[tuple[int, bytes]]:
    """(number of the image, packet) of a moving picture, in the order of sending; each `every`-th is a key frame."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    context.options = {"g": str(every), "bf": str(b_frames), "crf": "5", "x265-params": "log-level=none"}
    packets = []
    for i in [*range(FRAMES), None]:
        frame = None
        if i is not None:
            frame = av.VideoFrame.from_ndarray(image(i, WIDTH, HEIGHT), format="rgb24").reformat(format="yuv420p")
            frame.pts = i
        packets += [(packet.pts, bytes(packet)) for packet in context.encode(frame)]
    return packets


def write(path: Path, packets: list[tuple[int, bytes]], kind: str, name: str) -> Path:
    types = get_typestore(Stores.LATEST)
    types.register(get_types_from_msg(FFMPEG_DEFINITION, FFMPEG) | get_types_from_msg(FOXGLOVE_DEFINITION, FOXGLOVE))
    with BagWriter(path) as bag:
        bag._types = types
        for order, (number, data) in enumerate(packets):
            header, content = bag._header(stamps(FRAMES)[number], "optical"), np.frombuffer(data, np.uint8)
            if kind == FFMPEG:
                message = types.types[FFMPEG](header, WIDTH, HEIGHT, name, order, 0, False, content)
            elif kind == FOXGLOVE:
                message = types.types[FOXGLOVE](header.stamp, "optical", content, name)
            else:
                message = types.types[kind](header, name, content)
            bag.write("/camera/image_raw/ffmpeg", stamps(FRAMES)[order], kind, types.serialize_cdr(message, kind))
    return path


@pytest.mark.parametrize(("codec", "kind", "name"), [
    ("libx264", FFMPEG, "libx264"), ("libx264", FFMPEG, "h264;yuv420p;rgb8;rgb8"), ("libx265", FFMPEG, "hevc"),
    ("libx264", FOXGLOVE, "h264"), ("libx265", FOXGLOVE, "h265"),
    ("libx264", "sensor_msgs/msg/CompressedImage", "h264"),
])
def test_packets_of_video_are_frames(tmp_path: Path, codec: str, kind: str, name: str) -> None:
    path = write(tmp_path / "x.mcap", encoded(codec), kind, name)
    with open_bag(path) as bag:
        camera = RecordedCamera.find(bag, [])
        frames = list(camera.frames())
        some = list(camera.frames(every=5))
    assert camera.topic == "/camera/image_raw/ffmpeg"
    assert [frame.frame.stamp_ns for frame in frames] == stamps(FRAMES)
    assert [frame.frame.stamp_ns for frame in some] == stamps(FRAMES)[::5]
    assert {frame.frame.frame_id for frame in frames} == {"optical"}
    for i, frame in enumerate(frames):
        assert np.abs(frame.frame.image.astype(int) - image(i, WIDTH, HEIGHT)).mean() < 6
    with open_source(str(path)) as source:
        assert [frame.stamp_ns for frame in source.frames()] == stamps(FRAMES)


def test_frames_that_are_shown_later_than_sent_have_their_own_stamps(tmp_path: Path) -> None:
    packets = encoded("libx264", every=12, b_frames=2)
    assert [number for number, _ in packets] != sorted(number for number, _ in packets)
    with open_bag(write(tmp_path / "x.mcap", packets, FFMPEG, "h264")) as bag:
        frames = {f.frame.stamp_ns: f.frame.image for f in RecordedCamera.find(bag, []).frames()}
    assert sorted(frames) == stamps(FRAMES)
    for i, stamp in enumerate(stamps(FRAMES)):
        assert np.abs(frames[stamp].astype(int) - image(i, WIDTH, HEIGHT)).mean() < 6


def test_what_comes_before_a_key_frame_is_counted_and_the_rest_decoded(tmp_path: Path) -> None:
    with open_bag(write(tmp_path / "x.mcap", encoded("libx264")[2:], FFMPEG, "h264")) as bag:
        camera = RecordedCamera.find(bag, [])
        assert [frame.frame.stamp_ns for frame in camera.frames()] == stamps(FRAMES)[4:]
    assert len(camera.faults[camera.topic]) == 2


def test_where_pyav_is_missing_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.mcap", encoded("libx264"), FFMPEG, "h264")
    monkeypatch.setitem(sys.modules, "av", None)
    with open_bag(path) as bag:
        assert "PyAV decodes" in Topics(bag).images["/camera/image_raw/ffmpeg"].reason
        with pytest.raises(BagError, match=r"PyAV decodes.*video"):
            Topics(bag).camera()
