"""Every way in which recorders pack images is unpacked, and what is not all there is refused with the reason."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
import zstandard

from avtar_ros.bags.ground_truth import decode_map
from avtar_ros.errors import ImageError
from avtar_ros.imaging.images import depth_metres, encoding_of, to_rgb
from tests.packed_depth import HEADER, png, rvl, zstd_image
from tests.tiny_bags import image

MILLIMETRES = np.repeat(np.linspace(4000, 1000, 24).round().astype(np.uint16)[:, None], 32, axis=1)
MILLIMETRES[:4] = 0
METRES = np.where(MILLIMETRES, MILLIMETRES / np.float32(1000), np.float32(np.nan))
A, B = 500.0, 0.5
"""How inverse depth is quantised: q = A / z + B."""
INVERSE = np.where(MILLIMETRES, np.nan_to_num(A / METRES + B), 0).round().astype(np.uint16)
QUANTISED = struct.pack("<iff", 0, A, B)


@dataclass(frozen=True)
class Compressed:
    """The fields of sensor_msgs/CompressedImage."""

    format: str
    data: bytes


PACKED = {
    "png": Compressed("16UC1; compressedDepth png", HEADER + png(MILLIMETRES)),
    "png without a word of it": Compressed("16UC1; compressedDepth", HEADER + png(MILLIMETRES)),
    "png without header": Compressed("16UC1; compressedDepth", png(MILLIMETRES)),
    "png without encoding": Compressed("; compressedDepth", HEADER + png(MILLIMETRES)),
    "rvl": Compressed("16UC1; compressedDepth rvl", HEADER + rvl(MILLIMETRES)),
    "rvl without header": Compressed("16UC1; compressedDepth rvl", rvl(MILLIMETRES)),
    "png by compressed": Compressed("16UC1; png compressed ", png(MILLIMETRES)),
    "as the node publishes it": Compressed("16UC1; png compressed", png(MILLIMETRES)),
    "a plain png": Compressed("png", png(MILLIMETRES)),
    "tiff of real numbers": Compressed("32FC1; tiff compressed ", cv2.imencode(".tiff", METRES)[1].tobytes()),
    "zstd": Compressed("zstd", zstd_image("16UC1", MILLIMETRES, zstandard.ZstdCompressor().compress)),
    "zstd of real numbers": Compressed("zstd", zstd_image("32FC1", METRES, zstandard.ZstdCompressor().compress)),
    "zstd of its first releases": Compressed("zstd", zstd_image("16UC1", MILLIMETRES, gzip.compress)),
}


@pytest.mark.parametrize("name", PACKED)
def test_depth_is_the_same_however_it_is_packed(name: str) -> None:
    np.testing.assert_array_equal(depth_metres(PACKED[name]), METRES)
    np.testing.assert_array_equal(decode_map("depth", PACKED[name]), METRES)


@pytest.mark.parametrize("data", [QUANTISED + png(INVERSE), QUANTISED + rvl(INVERSE)])
def test_quantised_inverse_depth_is_within_its_step(data: bytes) -> None:
    kind = "rvl" if data[12:16] != b"\x89PNG" else "png"
    found = depth_metres(Compressed(f"32FC1; compressedDepth {kind}", data))
    known = np.isfinite(METRES)
    np.testing.assert_array_equal(np.isfinite(found), known)
    step = METRES[known] ** 2 / A
    assert (np.abs(found[known] - METRES[known]) <= 0.51 * step).all()


@pytest.mark.parametrize(("message", "reason"), [
    (Compressed("16UC1; compressedDepth rvl", HEADER + rvl(MILLIMETRES)[:40]), "no RVL, or a damaged one"),
    (Compressed("16UC1; compressedDepth rvl", HEADER + struct.pack("<II", 2**31, 2**31) + bytes(99)), "no RVL"),
    (Compressed("32FC1; compressedDepth", png(INVERSE)), "12 bytes that say what the numbers mean are missing"),
    (Compressed("32FC1; compressedDepth rvl", rvl(INVERSE)), "12 bytes"),
    (Compressed("16UC1; compressedDepth", HEADER + png(image(0))), "needs a grey 16-bit PNG"),
    (Compressed("16UC1; png compressed", png(image(0))), "no depth: uint8 with 3 channels"),
    (Compressed("exr", b"\x76\x2f\x31\x01" + bytes(50)), "OpenEXR"),
    (Compressed("zstd", b"12"), "too few"),
    (Compressed("zstd", bytes([255] * 40)), "wrong ones"),
    (Compressed("zstd", zstd_image("16UC1", MILLIMETRES, lambda data: b"no zstd" + data)), "cannot be decompressed"),
    (Compressed("zstd", zstd_image("16UC1", MILLIMETRES, lambda d: zstandard.compress(d + d))), "of pixels, where"),
    (Compressed("zstd", zstd_image("16UC1", MILLIMETRES, lambda data: zstandard.compress(data[:-9]))), "bytes of data"),
])
def test_depth_that_cannot_be_unpacked_is_refused_with_the_reason(message: Compressed, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        depth_metres(message)


def test_colour_comes_through_zstd() -> None:
    message = Compressed("zstd", zstd_image("rgb8", image(3), zstandard.ZstdCompressor().compress))
    np.testing.assert_array_equal(to_rgb(message), image(3))


@pytest.mark.parametrize("name", ["png", "png by compressed", "zstd", "zstd of real numbers"])
def test_depth_is_never_taken_for_colours(name: str) -> None:
    with pytest.raises(ImageError, match=r"depth, not colours|measurements, not colours"):
        to_rgb(PACKED[name])


@pytest.mark.parametrize(("message", "encoding"), [
    (PACKED["rvl"], "16UC1"), (PACKED["png by compressed"], "16UC1"), (PACKED["zstd of real numbers"], "32FC1"),
    (Compressed("jpeg", b""), ""), (Compressed("rgb8; jpeg compressed bgr8", b""), "rgb8"),
])
def test_the_encoding_is_told_where_the_message_does(message: Compressed, encoding: str) -> None:
    assert encoding_of(message) == encoding


def jpeg(quality: int = 85, width: int = 160, height: int = 120) -> bytes:
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return cv2.imencode(".jpg", image(0, width, height)[..., ::-1], flags)[1].tobytes()


@pytest.mark.parametrize("quality", [50, 85, 100])
@pytest.mark.parametrize("size", [(160, 120), (123, 77)])
@pytest.mark.parametrize("change", [lambda data: data[:-2], lambda data: data + bytes(500), lambda data: data[:-1]])
def test_a_jpeg_that_lacks_only_its_end_mark_is_whole(quality: int, size: tuple[int, int], change, capfd) -> None:
    data = jpeg(quality, *size)
    np.testing.assert_array_equal(to_rgb(Compressed("jpeg", change(data))), to_rgb(Compressed("jpeg", data)))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.98])
def test_a_jpeg_that_lacks_pixels_is_refused(share: float) -> None:
    data = jpeg()
    with pytest.raises(ImageError, match="cut off"):
        to_rgb(Compressed("jpeg", data[: int(share * len(data))]))


def test_the_end_mark_of_a_small_picture_within_is_not_that_of_the_jpeg() -> None:
    data, thumbnail = jpeg(), jpeg(width=32, height=24)
    inside = data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]
    np.testing.assert_array_equal(to_rgb(Compressed("jpeg", inside)), to_rgb(Compressed("jpeg", data)))
    with pytest.raises(ImageError, match="cut off"):
        to_rgb(Compressed("jpeg", inside[:-400]))
