"""Image messages to arrays and back: every encoding, and every way a message can be wrong."""

import array
import struct
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.imaging.images import (
    COLOR_LAYOUTS,
    DEPTH_LAYOUTS,
    ImageError,
    depth_metres,
    to_message_fields,
    to_rgb,
)

WIDTH, HEIGHT = 16, 8
COLOR = (200, 100, 50)
PLAIN = np.full((HEIGHT, WIDTH, 3), COLOR, np.uint8)


@dataclass(frozen=True)
class Raw:
    """The fields of sensor_msgs/Image; `data` as rclpy has it, or as the bag reader has it."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: object


@dataclass(frozen=True)
class Compressed:
    """The fields of sensor_msgs/CompressedImage."""

    format: str
    data: object


def raw(pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False) -> Raw:
    """A message with `pixels` (rows, width[, channels]), each row followed by padding."""
    height, width = pixels.shape[:2]
    pixels = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = np.frombuffer(pixels.tobytes(), np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return Raw(height, width, encoding, int(big_endian), rows.shape[1], array.array("B", rows.tobytes()))


def bayer(pattern: str, dtype: type = np.uint8) -> np.ndarray:
    """The mosaic of a plain COLOR under a pattern such as "rggb", which names the first two rows."""
    channel = dict(zip("rgb", COLOR, strict=True))
    mosaic = np.empty((HEIGHT, WIDTH), np.uint8)
    for index, name in enumerate(pattern):
        mosaic[index // 2 :: 2, index % 2 :: 2] = channel[name]
    return mosaic.astype(dtype) * (257 if dtype == np.uint16 else 1)


def yuv(order: str) -> np.ndarray:
    """A plain COLOR as packed 4:2:2, (H, W, 2)."""
    y, u, v = cv2.cvtColor(PLAIN, cv2.COLOR_RGB2YUV)[0, 0].tolist()
    y = round(16 + y * 219 / 255)  # video range, as the YUV encodings have it
    u, v = round(128 + (u - 128) * 224 / 255 / 0.872), round(128 + (v - 128) * 224 / 255 / 1.230)
    value = {"y": y, "u": u, "v": v}
    return np.tile(np.array([value[c] for c in order], np.uint8).reshape(2, 2), (HEIGHT, WIDTH // 2, 1))


def nv12(swapped: bool) -> np.ndarray:
    """A plain COLOR as a plane of Y above one of interleaved UV (or VU), (1.5 H, W)."""
    (y, u), (_, v) = yuv("yuyv")[0, :2].tolist()
    chroma = np.tile(np.array([v, u] if swapped else [u, v], np.uint8), (HEIGHT // 2, WIDTH // 2))
    return np.vstack([np.full((HEIGHT, WIDTH), y, np.uint8), chroma])


def planar(pixels: np.ndarray, encoding: str) -> Raw:
    return replace(raw(pixels, encoding), height=HEIGHT)


JPEG = cv2.imencode(".jpg", PLAIN)[1].tobytes()
PNG = cv2.imencode(".png", PLAIN)[1].tobytes()
GREY = np.full((HEIGHT, WIDTH), 90, np.uint8)
ALPHA = np.dstack([PLAIN, GREY])
WIDE = PLAIN.astype(np.uint16) * 257

PLAIN_MESSAGES = [
    raw(PLAIN, "rgb8"),
    raw(PLAIN[..., ::-1], "bgr8"),
    raw(PLAIN[..., ::-1], "8UC3"),
    raw(ALPHA, "rgba8"),
    raw(ALPHA[..., [2, 1, 0, 3]], "bgra8"),
    raw(ALPHA[..., [2, 1, 0, 3]], "8UC4"),
    raw(WIDE, "rgb16"),
    raw(WIDE[..., ::-1], "bgr16"),
    raw(ALPHA.astype(np.uint16) * 257, "rgba16"),
    raw(ALPHA[..., [2, 1, 0, 3]].astype(np.uint16) * 257, "bgra16", big_endian=True),
    *(raw(bayer(pattern), f"bayer_{pattern}8") for pattern in ("rggb", "bggr", "gbrg", "grbg")),
    *(raw(bayer(pattern, np.uint16), f"bayer_{pattern}16") for pattern in ("rggb", "bggr", "gbrg", "grbg")),
    raw(yuv("uyvy"), "uyvy"),
    raw(yuv("uyvy"), "yuv422"),
    raw(yuv("yuyv"), "yuyv"),
    raw(yuv("yuyv"), "yuv422_yuy2"),
    planar(nv12(swapped=False), "nv12"),
    planar(nv12(swapped=True), "nv21"),
]
GREY_MESSAGES = [
    raw(GREY, "mono8"),
    raw(GREY, "8UC1"),
    raw(GREY.astype(np.uint16) * 257, "mono16"),
    raw(GREY.astype(np.uint16) * 257, "mono16", big_endian=True),
]


def test_each_encoding_is_tried_below() -> None:
    assert {m.encoding for m in PLAIN_MESSAGES + GREY_MESSAGES} == COLOR_LAYOUTS.keys()


@pytest.mark.parametrize("message", PLAIN_MESSAGES, ids=lambda m: m.encoding)
def test_every_colour_encoding_gives_rgb(message: Raw) -> None:
    image = to_rgb(message)
    assert image.dtype == np.uint8
    assert image.shape == PLAIN.shape
    inner = image[2:-2, 2:-2].astype(int)  # at the border Bayer patterns are guessed
    assert np.abs(inner - COLOR).max() <= 3


@pytest.mark.parametrize("size", [(659, 493), (659, 494), (5, 3)])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_bayer_image_may_have_odd_sizes(pattern: str, size: tuple[int, int]) -> None:
    mosaic = np.tile(bayer(pattern), (494 // HEIGHT + 1, 659 // WIDTH + 1))[: size[1], : size[0]]
    whole = to_rgb(raw(mosaic, f"bayer_{pattern}8"))
    assert whole.shape == (size[1], size[0], 3)
    assert np.abs(whole[1:-1, 1:-1].astype(int) - COLOR).max() <= 3
    packed = Compressed(f"bayer_{pattern}8; png compressed bgr8", cv2.imencode(".png", mosaic)[1].tobytes())
    np.testing.assert_array_equal(to_rgb(packed), whole)


@pytest.mark.parametrize("message", GREY_MESSAGES, ids=lambda m: f"{m.encoding}-{m.is_bigendian}")
def test_every_grey_encoding_gives_rgb(message: Raw) -> None:
    np.testing.assert_array_equal(to_rgb(message), np.dstack([GREY] * 3))


@given(
    encoding=st.sampled_from(["rgb8", "bgr8", "mono8", "rgba8"]),
    width=st.integers(1, 9),
    height=st.integers(1, 9),
    padding=st.integers(0, 5),
    seed=st.integers(0, 99),
)
def test_rows_may_be_padded(encoding: str, width: int, height: int, padding: int, seed: int) -> None:
    channels = COLOR_LAYOUTS[encoding].channels
    shape = (height, width, channels) if channels > 1 else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(to_rgb(raw(pixels, encoding, padding)), to_rgb(raw(pixels, encoding)))


def test_the_last_row_may_lack_its_padding() -> None:
    message = raw(PLAIN, "rgb8", padding=4)
    np.testing.assert_array_equal(to_rgb(replace(message, data=message.data[:-4])), PLAIN)


def test_rgb8_is_not_copied() -> None:
    message = raw(PLAIN, "rgb8")
    image = to_rgb(message)
    message.data[0] = 7
    assert image[0, 0, 0] == 7


def test_messages_of_the_bag_reader_are_read_as_well() -> None:
    message = raw(PLAIN, "rgb8")
    np.testing.assert_array_equal(to_rgb(replace(message, data=np.frombuffer(message.data, np.uint8))), PLAIN)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_compressed_images_give_rgb(suffix: str) -> None:
    _, data = cv2.imencode(suffix, PLAIN[..., ::-1])
    image = to_rgb(Compressed(f"rgb8; {suffix[1:]} compressed bgr8", array.array("B", data.tobytes())))
    assert np.abs(image.astype(int) - COLOR).max() <= 3


def test_compressed_grey_gives_rgb() -> None:
    _, data = cv2.imencode(".png", GREY)
    np.testing.assert_array_equal(to_rgb(Compressed("mono8; png compressed", data)), np.dstack([GREY] * 3))


def test_a_compressed_bayer_pattern_of_real_numbers_is_refused() -> None:
    _, data = cv2.imencode(".tiff", np.ones((4, 4), np.float32))
    with pytest.raises(ImageError, match="cannot be made colours"):
        to_rgb(Compressed("bayer_rggb8; tiff compressed", data))


def test_a_compressed_bayer_pattern_gives_rgb() -> None:
    _, data = cv2.imencode(".png", bayer("gbrg"))
    image = to_rgb(Compressed("bayer_gbrg8; png compressed", data))
    assert np.abs(image[2:-2, 2:-2].astype(int) - COLOR).max() <= 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width": 0}, "no pixels"),
        ({"height": 0}, "no pixels"),
        ({"height": 0, "data": b""}, "no pixels"),
        ({"encoding": "rgb9"}, "unknown encoding 'rgb9'.*rgb8"),
        ({"encoding": ""}, "unknown encoding ''"),
        ({"encoding": "32FC1"}, "measurements, not colours"),
        ({"step": 0}, "wrong step 0"),
        ({"step": 3 * WIDTH - 1}, "wrong step 47.*48 bytes"),
        ({"step": 3 * WIDTH + 1}, "384 bytes of data where 16x8 rgb8 with step 49 takes 392"),
        ({"data": b""}, "0 bytes of data"),
        ({"data": bytes(100)}, "100 bytes of data"),
        ({"data": bytes(10_000)}, "10000 bytes of data"),
        ({"width": 2**31, "step": 2**31 * 3}, "bytes of data"),
        ({"encoding": "yuv422", "width": 5}, "needs even sizes.*5x8"),
        ({"encoding": "nv12", "height": 3}, "needs even sizes"),
        ({"encoding": "mono16", "step": 33}, "wrong step 33"),
    ],
)
def test_a_malformed_image_is_refused_with_the_reason(change: dict[str, object], reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        to_rgb(replace(raw(PLAIN, "rgb8"), **change))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Compressed("jpeg", b""), "'jpeg'.*0 bytes"),
        (Compressed("jpeg", b"\xff\xd8 no picture \xff\xd9"), "no jpeg or png"),
        (Compressed("jpeg", JPEG[: len(JPEG) // 2]), "cut off"),
        (Compressed("jpeg", JPEG[:-4]), "cut off"),
        (Compressed("png", PNG[: len(PNG) // 2]), "no jpeg or png"),
        (Compressed("", bytes(50)), "no jpeg or png"),
        (Compressed("16UC1; compressedDepth png", bytes(50)), "holds depth"),
    ],
)
def test_a_malformed_compressed_image_is_refused_with_the_reason(message: Compressed, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        to_rgb(message)


@given(st.builds(
    Raw,
    height=st.integers(0, 6),
    width=st.integers(0, 6),
    encoding=st.sampled_from([*COLOR_LAYOUTS, *DEPTH_LAYOUTS, "x"]),
    is_bigendian=st.integers(0, 1),
    step=st.integers(0, 40),
    data=st.binary(max_size=200),
))
def test_whatever_a_message_holds_it_gives_an_image_of_its_size_or_an_image_error(message: Raw) -> None:
    try:
        image = to_rgb(message)
    except ImageError:
        return
    assert image.shape == (message.height, message.width, 3)


@given(st.binary(max_size=60), st.sampled_from(["jpeg", "png", "16UC1; compressedDepth", "32FC1; compressedDepth"]))
def test_whatever_bytes_are_compressed_it_is_an_image_error_at_worst(data: bytes, image_format: str) -> None:
    for read in (to_rgb, depth_metres):
        with pytest.raises(ImageError):
            read(Compressed(image_format, data))


MILLIMETRES = np.array([[0, 1500], [65535, 40]], np.uint16)
METRES = np.array([[np.nan, 1.5], [np.nan, 0.04]], np.float32)


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_depth_in_millimetres_becomes_metres_and_unknown_nan(encoding: str, big_endian: bool) -> None:
    depth = depth_metres(raw(MILLIMETRES, encoding, padding=2, big_endian=big_endian))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, METRES)


def test_depth_in_metres_keeps_infinity_and_takes_the_impossible_for_unknown() -> None:
    depth = depth_metres(raw(np.array([[1.5, np.inf, np.nan, 0, -1]], np.float32), "32FC1"))
    np.testing.assert_array_equal(depth, np.array([[1.5, np.inf, np.nan, np.nan, np.nan]], np.float32))


def test_compressed_depth_in_millimetres_becomes_metres() -> None:
    _, png = cv2.imencode(".png", MILLIMETRES)
    message = Compressed("16UC1; compressedDepth png", struct.pack("<iff", 0, 0, 0) + png.tobytes())
    np.testing.assert_allclose(depth_metres(message), METRES)


def test_compressed_float_depth_is_unquantised() -> None:
    a, b = 100.0, -2.0
    metres = np.array([[0.5, 2.0], [4.0, np.nan]], np.float32)
    inverse = np.where(np.isnan(metres), 0, np.round(a / metres + b)).astype(np.uint16)
    _, png = cv2.imencode(".png", inverse)
    message = Compressed("32FC1; compressedDepth", struct.pack("<iff", 0, a, b) + png.tobytes())
    np.testing.assert_allclose(depth_metres(message), metres, rtol=0.05)


@pytest.mark.parametrize(
    "message",
    [
        raw(PLAIN, "rgb8"),
        Compressed("jpeg", b"x" * 50),
        Compressed("16UC1; compressedDepth", b"short"),
        Compressed("16UC1; compressedDepth", bytes(12) + cv2.imencode(".png", GREY)[1].tobytes()),
    ],
)
def test_what_holds_no_depth_is_refused(message: Raw | Compressed) -> None:
    with pytest.raises(ImageError):
        depth_metres(message)


@pytest.mark.parametrize(
    ("shape", "dtype", "encoding", "step"),
    [((3, 5), np.uint8, "mono8", 5), ((3, 5), np.float32, "32FC1", 20), ((3, 5, 3), np.float32, "32FC3", 60)],
)
def test_message_fields_of_a_map_are_a_view_of_it(
    shape: tuple[int, ...], dtype: type, encoding: str, step: int
) -> None:
    task_map = np.ones(shape, dtype)
    fields = to_message_fields(task_map, encoding)
    assert (fields.height, fields.width, fields.encoding, fields.step) == (3, 5, encoding, step)
    task_map[0] = 0
    assert fields.data.tobytes() == task_map.tobytes()


def test_message_fields_of_a_part_of_an_array_are_those_of_the_part() -> None:
    whole = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert to_message_fields(whole[:, 1:3], "mono8").data.tolist() == [1, 2, 5, 6, 9, 10]
