"""No picture takes more memory than its size allows: what it says of itself is read before anything is decoded."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.bags.ground_truth import decode_map
from avtar_ros.errors import ImageError
from avtar_ros.imaging.decoding import MAX_PIXELS, allow_pixels, decode_picture
from avtar_ros.imaging.images import depth_metres, to_rgb
from avtar_ros.imaging.picture_header import UnknownSizeError, picture_size
from avtar_ros.source.frame_sources import FolderSource

PICTURE = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
ENDINGS = [".jpg", ".png", ".webp", ".tiff", ".bmp", ".ppm", ".pgm"]


def encoded(ending: str, picture: np.ndarray = PICTURE, *settings: int) -> bytes:
    return bytes(cv2.imencode(ending, picture, settings)[1])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(side: int, content: bool = True) -> bytes:
    """A PNG of 1 bit a pixel, all black; without content it is its header alone."""
    rows = zlib.compress(b"\0" * ((1 + (side + 7) // 8) * side) if content else b"\0" * 100, 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def claiming(ending: str, width: int, height: int) -> bytes:
    """A small picture whose header claims another size."""
    data = bytearray(encoded(ending))
    if ending == ".jpg":
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    elif ending == ".png":
        return png_bomb(width, content=False)
    elif ending == ".bmp":
        data[18:26] = struct.pack("<ii", width, -height)
    elif ending == ".tiff":
        (start,) = struct.unpack_from("<I", data, 4)
        for entry in range(struct.unpack_from("<H", data, start)[0]):
            at = start + 2 + 12 * entry
            if (tag := struct.unpack_from("<H", data, at)[0]) in (256, 257):
                data[at : at + 12] = struct.pack("<HHII", tag, 4, 1, width if tag == 256 else height)
    elif ending == ".webp":
        return b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (width - 1).to_bytes(3, "little") + (
            height - 1
        ).to_bytes(3, "little")
    else:
        return b"P6\n# a note\n%d %d\n255\n" % (width, height) + bytes(100)
    return bytes(data)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_size_is_what_opencv_decodes(ending: str) -> None:
    picture = PICTURE[..., 0] if ending == ".pgm" else PICTURE
    assert picture_size(encoded(ending, picture)) == (53, 37)
    assert decode_picture(np.frombuffer(encoded(ending, picture), np.uint8), cv2.IMREAD_UNCHANGED).shape[:2] == (37, 53)


def test_other_ways_to_store_them() -> None:
    assert picture_size(encoded(".jpg", PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)) == (53, 37)
    assert picture_size(encoded(".webp", PICTURE, cv2.IMWRITE_WEBP_QUALITY, 101)) == (53, 37)  # without loss
    alpha = np.dstack([PICTURE, PICTURE[..., 0]])
    assert picture_size(encoded(".webp", alpha)) == (53, 37)
    jpeg = encoded(".jpg")
    assert picture_size(jpeg[:2] + b"junk\xff\xff\xfe\0\x04hi" + jpeg[2:]) == (53, 37)  # a comment after junk


def test_what_is_called_by_another_size_is_refused_before_it_is_decoded() -> None:
    for ending in ENDINGS[:-1]:
        side = 60_000 if ending != ".webp" else 16_000
        data = claiming(ending, side, side)
        assert picture_size(data) == (side, side)
        with pytest.raises(ImageError, match=f"{side}x{side} pixels, and 50000000 are allowed"):
            decode_picture(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_tiles_larger_than_the_picture_count_as_well() -> None:
    entries = [(256, 4), (257, 4), (322, 40_000), (323, 40_000)]
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    data = head + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries) + bytes(100)
    assert picture_size(data) == (40_000, 40_000)


@given(st.binary(max_size=200), st.sampled_from([encoded(ending) for ending in ENDINGS[:-1]]), st.integers(0, 60))
def test_any_bytes_have_a_size_or_none(noise: bytes, whole: bytes, kept: int) -> None:
    for data in (noise, whole[:kept] + noise, whole[:kept]):
        with suppress(UnknownSizeError):
            assert min(picture_size(data)) >= 0


def with_a_long_chunk(length: int) -> bytes:
    """A PNG of 53 x 37 whose second chunk claims another length."""
    data = bytearray(encoded(".png"))
    data[33:37] = struct.pack(">I", length)
    return bytes(data)


def test_a_chunk_that_is_longer_than_the_file_makes_a_damaged_picture() -> None:
    whole = encoded(".png")
    for data in (with_a_long_chunk(2**31 - 1), with_a_long_chunk(len(whole)), whole[:-20]):
        assert decode_picture(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is None
    assert picture_size(whole + b"more than a picture") == (53, 37)


def compressed(data: bytes, image_format: str = "png") -> Any:
    return SimpleNamespace(format=image_format, data=data)


LIMITED = """
import resource, sys
from types import SimpleNamespace
from avtar_ros.errors import ImageError
from avtar_ros.imaging.images import to_rgb
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    said = str(to_rgb(SimpleNamespace(format="png", data=sys.stdin.buffer.read())).shape)
except ImageError as error:
    said = str(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, said)
"""


def decoded_alone(data: bytes, **environment: str) -> tuple[int, str]:
    """Mebibytes that a new process took to decode a message, and what came of it."""
    run = subprocess.run(
        [sys.executable, "-c", LIMITED], input=data, capture_output=True, check=True, env=os.environ | environment
    )
    memory, _, said = run.stdout.decode().strip().partition(" ")
    return int(memory), said


def test_a_chunk_of_gigabytes_takes_no_memory() -> None:
    memory, said = decoded_alone(with_a_long_chunk(2**31 - 1))
    assert "no jpeg or png, or a damaged one" in said
    assert memory < 100


def test_a_bomb_takes_no_memory() -> None:
    memory, said = decoded_alone(png_bomb(10_000))
    assert "10000x10000 pixels, and 50000000 are allowed" in said
    assert memory < 20
    memory, said = decoded_alone(png_bomb(30_000, content=False))
    assert "are allowed" in said
    assert memory < 20


def test_the_largest_image_allowed_takes_no_more_than_twice_its_colours() -> None:
    side = int(MAX_PIXELS**0.5)
    memory, said = decoded_alone(png_bomb(side))
    assert said == f"({side}, {side}, 3)"
    assert memory * 2**20 < 2.2 * 3 * MAX_PIXELS


def test_the_environment_raises_or_lowers_the_limit() -> None:
    assert "1000 are allowed" in decoded_alone(encoded(".png"), AVTAR_MAX_PIXELS="1000")[1]
    assert decoded_alone(encoded(".png"), AVTAR_MAX_PIXELS="nonsense")[1] == "(37, 53, 3)"


def zstd_message(width: int, height: int, step: int) -> Any:
    head = struct.pack("<IIBII", height, width, 0, step, 5) + b"mono8"
    return compressed(head + zstandard.ZstdCompressor().compress(b"\0" * 1000), "zstd")


@pytest.fixture
def hundred_pixels() -> Any:
    allow_pixels(100)
    yield
    allow_pixels(MAX_PIXELS)


@pytest.mark.usefixtures("hundred_pixels")
def test_every_way_for_an_image_in_has_the_limit(tmp_path: Any) -> None:
    png, depth = encoded(".png"), encoded(".png", np.ones((37, 53), np.uint16))
    raw = SimpleNamespace(width=53, height=37, encoding="mono8", step=53, is_bigendian=0, data=bytes(53 * 37))
    rvl = struct.pack("<iffII", 0, 0, 0, 53, 37) + bytes(50)
    for decode, message in (
        (to_rgb, compressed(png)),
        (to_rgb, raw),
        (to_rgb, zstd_message(53, 37, 53)),
        (to_rgb, zstd_message(1, 37, 2**31)),
        (depth_metres, compressed(bytes(12) + depth, "16UC1; compressedDepth png")),
        (depth_metres, compressed(rvl, "16UC1; compressedDepth rvl")),
        (lambda message: decode_map("edges", message), compressed(png)),
    ):
        with pytest.raises(ImageError, match=r"are allowed|wrong ones"):
            decode(message)
    (tmp_path / "a.png").write_bytes(png)
    source = FolderSource(tmp_path, [tmp_path / "a.png"])
    with pytest.raises(Exception, match="53x37 pixels, and 100 are allowed"):
        list(source.frames())


