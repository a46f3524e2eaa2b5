"""Arrays into ROS messages. A message keeps its memory, so one that is filled again and again costs one copy."""

from __future__ import annotations

import array
import json
import math
import sys
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from sensor_msgs.msg import PointField
from std_msgs.msg import String

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from avtar_ros.geometry.camera_model import CameraModel
    from avtar_ros.model_card import ModelCard

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:  # an ordinary installation of ROS does not have it
    LabelInfo = None

LABELS = LabelInfo or String
"""The message that tells the classes: vision_msgs/LabelInfo where there is one."""
POINT_FIELDS = ("x", "y", "z", "rgb")


def data_array(data: NDArray[Any]) -> array.array[int]:
    """Bytes as what rclpy puts into a message unchecked; anything else it would check one by one."""
    result = array.array("B")
    result.frombytes(data.data)
    return result


def fill_image(message: Any, pixels: NDArray[Any], encoding: str) -> None:
    """Set all of a sensor_msgs/Image but its header from pixels (H, W[, channels]) of the encoding's type."""
    np.copyto(image_pixels(message, pixels.shape, pixels.dtype, encoding), pixels)


def image_pixels(message: Any, shape: tuple[int, ...], dtype: Any, encoding: str) -> NDArray[Any]:
    """Set all of a sensor_msgs/Image but its header and its pixels, which are to be written into what this returns."""
    pixels = _data_as(message, shape, np.dtype(dtype))
    message.height, message.width = shape[:2]
    message.encoding = encoding
    message.step = pixels.nbytes // message.height
    return pixels


def fill_compressed_image(message: Any, pixels: NDArray[np.uint8], encoding: str, jpeg_quality: int) -> None:
    """Set all of a sensor_msgs/CompressedImage but its header: rgb8 as jpeg, mono8 and 16UC1 as png, lossless.

    `format` is as compressed_image_transport writes it.
    """
    if encoding == "rgb8":
        message.format = "rgb8; jpeg compressed bgr8"
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    else:
        message.format = f"{encoding}; png compressed"
        _, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    message.data = data_array(data)


def fill_camera_info(message: Any, camera: CameraModel) -> None:
    """Set all of a sensor_msgs/CameraInfo but its header."""
    message.width, message.height = camera.width, camera.height
    message.distortion_model = camera.distortion_model
    message.d, message.k, message.r, message.p = camera.d, camera.k, camera.r, camera.p


def fill_points(message: Any, points: NDArray[np.float32]) -> None:
    """Set all of a sensor_msgs/PointCloud2 but its header from points (rows, columns, 4) of POINT_FIELDS."""
    message.height, message.width = points.shape[:2]
    if not message.fields:
        message.fields = [
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate(POINT_FIELDS)
        ]
    message.point_step = 4 * len(POINT_FIELDS)
    message.row_step = message.width * message.point_step
    message.is_dense = False
    np.copyto(_data_as(message, points.shape, points.dtype), points)


def fill_labels(message: Any, card: ModelCard) -> None:
    """Set the classes in a message of LABELS; a String holds {"classes": [{"id", "name", "color"}]} as JSON."""
    if LabelInfo:
        message.class_map = [VisionClass(class_id=i, class_name=c.name) for i, c in enumerate(card.classes)]
    else:
        classes = [{"id": i, "name": c.name, "color": c.color} for i, c in enumerate(card.classes)]
        message.data = json.dumps({"classes": classes})


def _data_as(message: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The data of a message as an array, with room for just this; and say in which byte order it is."""
    message.is_bigendian = type(message.is_bigendian)(sys.byteorder == "big")
    if len(message.data) != (size := math.prod(shape) * dtype.itemsize):
        message.data = array.array("B", bytes(size))
    return np.frombuffer(message.data, dtype).reshape(shape)
