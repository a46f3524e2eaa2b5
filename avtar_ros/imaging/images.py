"""ROS image messages to arrays and back, by duck typing: rclpy's and the bag reader's messages alike.

A message is anything with the fields of sensor_msgs/Image (height, width, encoding, is_bigendian, step, data)
or of sensor_msgs/CompressedImage (format, data). Every fault in a message raises ImageError.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.errors import ImageError as ImageError
from avtar_ros.imaging.decoding import check_pixels, decode_picture
from avtar_ros.imaging.picture_header import JPEG
from avtar_ros.imaging.transports import EXR, unpack_depth, unpack_zstd, whole_jpeg
from avtar_ros.imaging.transports import ImageFields as ImageFields
from avtar_ros.imaging.transports import encoding_of as encoding_of
from avtar_ros.imaging.transports import is_compressed as is_compressed
from avtar_ros.terminal.names import printable

RgbImage = NDArray[np.uint8]


@dataclass(frozen=True)
class Layout:
    """How an encoding lies in memory, and how OpenCV makes RGB of it.

    `rows_per_2` counts the rows of data for two rows of image (planar 4:2:0 has three); sizes must be
    multiples of `even_width` and `even_height`.
    """

    dtype: str
    channels: int
    to_rgb: int | None
    rows_per_2: int = 2
    even_width: int = 1
    even_height: int = 1


BAYER = "bayer_"
# OpenCV names a Bayer pattern after its second row, ROS after its first: rggb there is BG here.
_BAYER = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}
_COLORS = {"rgb": (3, None), "bgr": (3, cv2.COLOR_BGR2RGB), "rgba": (4, cv2.COLOR_RGBA2RGB),
           "bgra": (4, cv2.COLOR_BGRA2RGB), "mono": (1, cv2.COLOR_GRAY2RGB)}
_UYVY = Layout("u1", 2, cv2.COLOR_YUV2RGB_UYVY, even_width=2)
_YUY2 = Layout("u1", 2, cv2.COLOR_YUV2RGB_YUY2, even_width=2)

COLOR_LAYOUTS: dict[str, Layout] = {
    **{f"{name}{8 * size}": Layout(f"u{size}", *how) for name, how in _COLORS.items() for size in (1, 2)},
    **{f"{BAYER}{name}{8 * size}": Layout(f"u{size}", 1, code)
       for name, code in _BAYER.items() for size in (1, 2)},
    "8UC1": Layout("u1", 1, cv2.COLOR_GRAY2RGB),
    "8UC3": Layout("u1", 3, cv2.COLOR_BGR2RGB),
    "8UC4": Layout("u1", 4, cv2.COLOR_BGRA2RGB),
    "uyvy": _UYVY,
    "yuv422": _UYVY,
    "yuyv": _YUY2,
    "yuv422_yuy2": _YUY2,
    "nv12": Layout("u1", 1, cv2.COLOR_YUV2RGB_NV12, rows_per_2=3, even_width=2, even_height=2),
    "nv21": Layout("u1", 1, cv2.COLOR_YUV2RGB_NV21, rows_per_2=3, even_width=2, even_height=2),
}
DEPTH_LAYOUTS: dict[str, Layout] = {
    "16UC1": Layout("u2", 1, None),
    "mono16": Layout("u2", 1, None),
    "32FC1": Layout("f4", 1, None),
}
_GIVE_COLOR = "Give a camera's colour topic."


def to_rgb(message: Any) -> RgbImage:
    """The image in a colour or grey message as RGB (H, W, 3) uint8; 16 bits are scaled to 8.

    Where the message already is rgb8 the result is a view of its data. Raises ImageError.
    """
    if is_compressed(message):
        if message.format != "zstd":
            return _decode_color(message)
        message = unpack_zstd(message)
    if message.encoding in DEPTH_LAYOUTS.keys() - COLOR_LAYOUTS.keys():
        raise ImageError(f"encoding {message.encoding!r} holds measurements, not colours. {_GIVE_COLOR}")
    layout, array = pixels(message, COLOR_LAYOUTS)
    return _convert(array, layout.to_rgb)


def depth_metres(message: Any) -> NDArray[np.float32]:
    """The depth image in a message as (H, W) float32 metres, NaN where unknown.

    Takes 16UC1 (millimetres; 0 and 65535 unknown), 32FC1 (metres) and both as every transport without loss packs them.
    Raises ImageError.
    """
    if is_compressed(message):
        if message.format != "zstd":
            return _decode_depth(message)
        message = unpack_zstd(message)
    _, array = pixels(message, DEPTH_LAYOUTS)
    return _metres(array)


def to_millimetres(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Depth in metres as 16UC1 wants it: millimetres, 0 where unknown or beyond its 65.534 m."""
    millimetres = np.rint(depth * np.float32(1000))
    known = (millimetres > 0) & (millimetres < 65535)  # false for NaN as well
    return np.where(known, millimetres, np.float32(0)).astype(np.uint16)


def to_message_fields(array: NDArray[Any], encoding: str) -> ImageFields:
    """The fields of an Image message for a (H, W) or (H, W, channels) array of `encoding`'s type."""
    array = np.ascontiguousarray(array)
    height, width = array.shape[:2]
    data = array.reshape(-1).view(np.uint8)
    return ImageFields(height, width, encoding, int(sys.byteorder == "big"), data.size // height, data)


def pixels(message: Any, layouts: dict[str, Layout]) -> tuple[Layout, NDArray[Any]]:
    """The pixels of an Image message in one of `layouts`, and in which: (rows, width[, channels]).

    They are a view of the data where the byte order is ours. Raises ImageError.
    """
    width, height, encoding, step = message.width, message.height, message.encoding, message.step
    layout = layouts.get(encoding)
    if layout is None:
        raise ImageError(f"unknown encoding {printable(encoding)!r}. Known: {', '.join(layouts)}.")
    if width < 1 or height < 1:
        raise ImageError(f"the image has no pixels: width {width}, height {height}.")
    if width % layout.even_width or height % layout.even_height:
        raise ImageError(f"{encoding} needs even sizes, but the image is {width}x{height}.")
    dtype = np.dtype(layout.dtype).newbyteorder(">" if message.is_bigendian else "<")
    pixel = dtype.itemsize * layout.channels
    if step < width * pixel or step % dtype.itemsize:
        raise ImageError(f"wrong step {step}: {width} {encoding} pixels take {width * pixel} bytes.")
    rows = height * layout.rows_per_2 // 2
    shortest, longest = step * (rows - 1) + width * pixel, step * rows  # the last row may lack its padding
    data = np.frombuffer(message.data, np.uint8)
    if not shortest <= data.size <= longest:
        raise ImageError(
            f"{data.size} bytes of data where {width}x{height} {encoding} with step {step} takes {longest}."
        )
    check_pixels(width, height)
    strides = (step, pixel) + (dtype.itemsize,) * (layout.channels > 1)
    shape = (rows, width) + (layout.channels,) * (layout.channels > 1)
    array: NDArray[Any] = np.ndarray(shape, dtype, data, strides=strides)
    return layout, array.astype(dtype.newbyteorder("="), copy=False)


def _convert(array: NDArray[Any], code: int | None) -> RgbImage:
    """RGB uint8 of an image whose conversion to RGB is the OpenCV `code`."""
    try:
        converted = array if code is None else cv2.cvtColor(array, code)
    except cv2.error as error:
        raise ImageError(f"an image of {array.shape[1]}x{array.shape[0]} cannot be made colours ({error}).") from error
    if converted.dtype == np.uint16:
        converted = cv2.convertScaleAbs(converted, alpha=255 / 65535)
    rgb: RgbImage = np.asarray(converted, np.uint8)
    return rgb


def _decode_color(message: Any) -> RgbImage:
    encoding = encoding_of(message)
    if "compressedDepth" in message.format or encoding in DEPTH_LAYOUTS.keys() - COLOR_LAYOUTS.keys():
        raise ImageError(f"format {message.format!r} holds depth, not colours. {_GIVE_COLOR}")
    # Bayer images are compressed as they are, one channel; all others as colour or grey.
    if encoding.startswith(BAYER) and encoding in COLOR_LAYOUTS:
        mosaic = _decode(message, cv2.IMREAD_UNCHANGED)
        if mosaic.ndim == 2:
            return _convert(mosaic, COLOR_LAYOUTS[encoding].to_rgb)
    # A turned image would no longer fit its CameraInfo.
    return _convert(_decode(message, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION), cv2.COLOR_BGR2RGB)


def _decode_depth(message: Any) -> NDArray[np.float32]:
    """Depth of compressedDepth, or a picture of 16 bits (millimetres) or real numbers (metres)."""
    if "compressedDepth" not in message.format:
        stored = _decode(message, cv2.IMREAD_UNCHANGED)
        if stored.dtype not in (np.uint16, np.float32) or stored.ndim != 2:
            channels = stored.shape[2] if stored.ndim == 3 else 1
            raise ImageError(
                f"format {message.format!r} is no depth: {stored.dtype} with {channels} channels. Depth has one, of 16 "
                "bits or real numbers."
            )
        return _metres(stored)
    encoding = encoding_of(message)
    if encoding not in (*DEPTH_LAYOUTS, "", "compressedDepth"):
        raise ImageError(
            f"format {message.format!r} is not a depth image. Known: 16UC1 and 32FC1, each with '; compressedDepth'."
        )
    quantised = unpack_depth(message, lambda data: _decode_picture(message, data, cv2.IMREAD_UNCHANGED))
    stored, a, b = quantised.stored, quantised.a, quantised.b
    if encoding != "32FC1":
        return _metres(stored)
    if a is None or b is None:
        raise ImageError(
            f"format {message.format!r}: the 12 bytes that say what the numbers mean are missing. Record the raw "
            "image, or 16UC1."
        )
    with np.errstate(divide="ignore"):
        inverse = np.float32(a) / (stored.astype(np.float32) - np.float32(b))
    return np.where(stored == 0, np.float32(np.nan), inverse)


def _decode(message: Any, flags: int) -> NDArray[Any]:
    """The picture file that a message's data are."""
    return _decode_picture(message, np.frombuffer(message.data, np.uint8), flags)


def _decode_picture(message: Any, data: NDArray[np.uint8], flags: int) -> NDArray[Any]:
    what = f"format {message.format!r}: the {data.size} bytes of data"

    def decode(picture: NDArray[np.uint8]) -> NDArray[Any]:
        try:
            decoded = decode_picture(picture, flags)
        except ImageError as error:
            raise ImageError(f"{what}: {error}") from error
        if decoded is None:
            exr = "OpenEXR, which OpenCV is built without" if picture[:4].tobytes() == EXR else None
            raise ImageError(f"{what} are {exr or 'no jpeg or png, or a damaged one'}.")
        return decoded

    whole = whole_jpeg(data, decode) if data[:2].tobytes() == JPEG else decode(data)
    if whole is None:
        raise ImageError(f"{what} are a jpeg that is cut off.")
    return whole


def _metres(stored: NDArray[Any]) -> NDArray[np.float32]:
    if stored.dtype == np.uint16:
        unknown = (stored == 0) | (stored == 65535)
        metres = stored.astype(np.float32) / np.float32(1000)
    else:
        unknown = ~(stored > 0)
        metres = stored.astype(np.float32)
    metres[unknown] = np.nan
    return metres
