"""Small real bags for tests: a camera with ground truth, in every form that recordings come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Rosbag2Writer
from rosbags.typesys import Stores, get_typestore

from avtar_ros.bags.class_names import RecordedClasses, write_classes
from avtar_ros.bags.ground_truth import GroundTruthWriter
from avtar_ros.bags.writing import BagWriter
from avtar_ros.tasks import Maps

START_NS = 1_700_000_000_000_000_000
INTERVAL_NS = 33_333_333
WIDTH, HEIGHT = 64, 48
K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])


def stamps(frames: int) -> list[int]:
    return [START_NS + i * INTERVAL_NS for i in range(frames)]


def image(i: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """RGB (H, W, 3): soft blobs of colour that move from frame to frame, so that JPEG changes little."""
    y, x = np.mgrid[:height, :width]
    waves = x / width * 6 + i / 5, y / height * 5 - i / 7, (x + y) / width * 4 + i / 3
    return np.stack([127 + 100 * np.sin(wave) for wave in waves], axis=-1).astype(np.uint8)


def truth(i: int, width: int = WIDTH, height: int = HEIGHT) -> Maps:
    """Maps of the same size: a slanted floor with a step in it; the first row is unknown where it can be."""
    y, x = np.mgrid[:height, :width]
    step = x > width // 2 + i % 5
    segmentation = np.where(step, 1, 2).astype(np.uint8)
    depth = (1 + y / height + 2 * step).astype(np.float32)
    normals = np.zeros((height, width, 3), np.float32)
    normals[...] = (0, -0.6, -0.8)
    edges = np.zeros((height, width), np.float32)
    edges[:, width // 2 + i % 5] = 1
    segmentation[0], depth[0], normals[0] = 255, np.nan, np.nan
    return {"segmentation": segmentation, "depth": depth, "normals": normals, "edges": edges}


def write_truth_bag(
    path: Path, frames: int = 5, width: int = WIDTH, height: int = HEIGHT, classes: RecordedClasses | None = None
) -> Path:
    """An MCAP bag as `avtar-train scenes` writes it; with what the ids 1 and 2 in it mean, where given."""
    with BagWriter(path) as bag:
        if classes is not None:
            write_classes(bag, START_NS, classes)
        writer = GroundTruthWriter(bag, K)
        for i, stamp in enumerate(stamps(frames)):
            writer.write(stamp, image(i, width, height), truth(i, width, height))
    return path


def write_ros2_bag(
    path: Path,
    frames: int = 5,
    storage: StoragePlugin = StoragePlugin.SQLITE3,
    compression: CompressionMode = CompressionMode.NONE,
    camera_info: bool = False,
) -> Path:
    """A folder as `ros2 bag record` makes it: raw rgb8 colour, 16UC1 depth, and one topic that is no image."""
    types, kinds = get_typestore(Stores.ROS2_HUMBLE), _TOPICS | (_CAMERA_INFO if camera_info else {})
    writer = Rosbag2Writer(path, version=9, storage_plugin=storage)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer as bag:
        topics = {name: bag.add_connection(name, kind, typestore=types) for name, kind in kinds.items()}
        for stamp, messages in _messages(types.types, frames, camera_info):
            for name, message in messages.items():
                bag.write(topics[name], stamp, types.serialize_cdr(message, kinds[name]))
    return path


def write_ros1_bag(path: Path, frames: int = 5, compression: str | None = None, camera_info: bool = False) -> Path:
    """The same as a ROS 1 bag file, its chunks compressed by "LZ4" or "BZ2"."""
    types, kinds = get_typestore(Stores.ROS1_NOETIC), _TOPICS | (_CAMERA_INFO if camera_info else {})
    writer = Rosbag1Writer(path)
    if compression:
        writer.set_compression(Rosbag1Writer.CompressionFormat[compression])
    with writer as bag:
        topics = {name: bag.add_connection(name, kind, typestore=types) for name, kind in kinds.items()}
        for stamp, messages in _messages(types.types, frames, camera_info):
            for name, message in messages.items():
                bag.write(topics[name], stamp, types.serialize_ros1(message, kinds[name]))
    return path


def write_cut_bag(path: Path, frames: int = 20) -> Path:
    """An MCAP file of `frames` raw images whose last third is missing, several complete chunks being left."""
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    with BagWriter(path) as bag:
        for stamp in stamps(frames):
            bag.write_image("/camera/image_raw", stamp, "camera_optical", noise, "rgb8")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


_TOPICS = {
    "/camera/color/image_raw": "sensor_msgs/msg/Image",
    "/camera/depth/image_raw": "sensor_msgs/msg/Image",
    "/chatter": "std_msgs/msg/String",
}


_CAMERA_INFO = {"/camera/color/camera_info": "sensor_msgs/msg/CameraInfo"}


def _messages(types, frames, camera_info):
    image_type, header_type = types["sensor_msgs/msg/Image"], types["std_msgs/msg/Header"]
    sequence = {"seq": 0} if "seq" in header_type.__dataclass_fields__ else {}
    for i, stamp in enumerate(stamps(frames)):
        time = types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
        header = header_type(stamp=time, frame_id="camera_optical", **sequence)
        depth = np.nan_to_num(truth(i)["depth"] * 1000).astype(np.uint16)
        messages = {
            "/camera/color/image_raw": image_type(header, HEIGHT, WIDTH, "rgb8", 0, 3 * WIDTH, image(i).reshape(-1)),
            "/camera/depth/image_raw": image_type(
                header, HEIGHT, WIDTH, "16UC1", 0, 2 * WIDTH, depth.reshape(-1).view(np.uint8)
            ),
            "/chatter": types["std_msgs/msg/String"](data=f"frame {i}"),
        }
        if camera_info:
            messages |= {name: _info(types, header) for name in _CAMERA_INFO}
        yield stamp, messages


def _info(types, header):
    kind, region = types["sensor_msgs/msg/CameraInfo"], types["sensor_msgs/msg/RegionOfInterest"]
    d, k, r, p = np.zeros(5), K.reshape(9), np.eye(3).reshape(9), np.c_[K, np.zeros(3)].reshape(12)
    return kind(header, HEIGHT, WIDTH, "plumb_bob", d, k, r, p, 0, 0, region(0, 0, 0, 0, False))
