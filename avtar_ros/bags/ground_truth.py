"""Ground truth in bags: on which topics, and how maps are stored in their messages.

Our own bags hold one topic a task, `truth_topic(task)`, with lossless PNG pictures:

    segmentation  8 bit    class id, 255 = unlabelled
    depth         16 bit   millimetres, 0 = unknown
    normals       8 bit x 3 (RGB)  n = p / 127.5 - 1 in the camera's optical frame, (0, 0, 0) = unknown
    edges         8 bit    255 = probability 1

Read are these, raw images of the same content, raw float images (32FC1, 32FC3) and compressedDepth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.writing import BagWriter
from avtar_ros.imaging.decoding import decode_picture
from avtar_ros.imaging.images import ImageError, Layout, depth_metres, is_compressed, pixels
from avtar_ros.imaging.transports import unpack_zstd
from avtar_ros.tasks import TASKS, Maps, TaskMap

CAMERA_TOPIC = "/camera/image_raw/compressed"
CAMERA_INFO_TOPIC = "/camera/camera_info"
FRAME_ID = "camera_optical"


def truth_topic(task: str) -> str:
    return f"/ground_truth/{task}/image"


_LAYOUTS = {
    "mono8": Layout("u1", 1, None),
    "8UC1": Layout("u1", 1, None),
    "mono16": Layout("u2", 1, None),
    "16UC1": Layout("u2", 1, None),
    "rgb8": Layout("u1", 3, None),
    "32FC1": Layout("f4", 1, None),
    "32FC3": Layout("f4", 3, None),
}


def encode_map(task: str, task_map: TaskMap) -> bytes:
    """A map (H, W[, 3]) as the bytes of a PNG file."""
    return encode_png(TASKS[task].storage.encode(task_map))


def encode_png(stored: NDArray[Any], options: Sequence[int] = ()) -> bytes:
    """Integers (H, W) or RGB (H, W, 3) as the bytes of a PNG file; `options` are those of cv2.imencode."""
    bgr = stored if stored.ndim == 2 else cv2.cvtColor(stored, cv2.COLOR_RGB2BGR)
    _, png = cv2.imencode(".png", bgr, list(options))
    return png.tobytes()


def png_format(stored: NDArray[Any]) -> str:
    """What compressed_image_transport calls a PNG of these integers."""
    if stored.ndim == 3:
        return "rgb8; png compressed bgr8"
    return f"{'16UC1' if stored.dtype == np.uint16 else 'mono8'}; png compressed "


def decode_map(task: str, message: Any) -> TaskMap:
    """The map (H, W[, 3]) in an Image or CompressedImage message; unknown is NaN, among class ids 255.

    Raises ImageError if the message is damaged or holds something else.
    """
    if is_compressed(message) and "compressedDepth" in message.format:
        return depth_metres(message)
    if is_compressed(message) and message.format == "zstd":
        message = unpack_zstd(message)
    stored = _picture(message) if is_compressed(message) else pixels(message, _LAYOUTS)[1]
    storage = TASKS[task].storage
    channels = stored.shape[2] if stored.ndim == 3 else 0
    if channels != storage.channels or stored.dtype not in (storage.dtype, np.float32):
        raise ImageError(
            f"ground truth for {task} is {stored.dtype} with {channels or 1} channels; "
            f"it should be {np.dtype(storage.dtype)} or float32 with {storage.channels or 1}."
        )
    return storage.decode(stored)


def _picture(message: Any) -> NDArray[Any]:
    data = np.frombuffer(message.data, np.uint8)
    stored = decode_picture(data, cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise ImageError(f"ground truth of format {message.format!r} is not a picture, or is damaged.")
    if stored.ndim == 3 and stored.shape[2] not in (3, 4):
        raise ImageError(f"ground truth of format {message.format!r} has {stored.shape[2]} channels.")
    return stored if stored.ndim == 2 else cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)


class GroundTruthWriter:
    """Writes a camera with its CameraInfo and ground truth into a bag.

    `k` are the camera's intrinsics (3, 3) in pixels. Images are stored as JPEG.
    """

    def __init__(self, bag: BagWriter, k: NDArray[np.float64], jpeg_quality: int = 90) -> None:
        self._bag = bag
        self._k = k
        self._jpeg_quality = jpeg_quality

    def write(self, stamp_ns: int, image: NDArray[np.uint8], truth: Maps) -> None:
        """Write one frame: RGB image (H, W, 3) and maps (H, W[, 3])."""
        height, width = image.shape[:2]
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, self._jpeg_quality])
        self._bag.write_compressed(CAMERA_TOPIC, stamp_ns, FRAME_ID, "jpeg", jpeg.tobytes())
        self._bag.write_camera_info(CAMERA_INFO_TOPIC, stamp_ns, FRAME_ID, width, height, self._k)
        for task, task_map in truth.items():
            png = encode_map(task, task_map)
            self._bag.write_compressed(truth_topic(task), stamp_ns, FRAME_ID, "png", png)
