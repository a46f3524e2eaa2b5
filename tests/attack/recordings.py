"""Whole recordings with odd messages among good ones, replayed to the end."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from avtar_ros.engines.opening import open_engine
from avtar_ros.replay.running.bag_replay import ReplayOptions, replay_bag
from tests.tiny_bags import HEIGHT, WIDTH, K, image, stamps, truth
from tests.tiny_models import write_tiny_model

GOOD = 4
COLOUR, PACKED, DEPTH, DEPTH_PACKED = "/cam/image_raw", "/cam/image_raw/compressed", "/cam/depth/image_raw", (
    "/cam/depth/image_raw/compressedDepth"
)
INFO, NAMES = "/cam/camera_info", "/cam/segmentation/names"
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
KINDS = {
    COLOUR: IMAGE, PACKED: COMPRESSED, DEPTH: IMAGE, DEPTH_PACKED: COMPRESSED, INFO: "sensor_msgs/msg/CameraInfo",
    NAMES: "std_msgs/msg/String",
}
ENCODINGS = [
    "rgb8", "bgra8", "mono8", "mono16", "16UC1", "32FC1", "bayer_grbg8", "yuv422_yuy2", "nv12", "64FC1", "", "x" * 999
]
FORMATS = ["jpeg", "png", "", "rgb8; jpeg compressed bgr8", "16UC1; compressedDepth png", "32FC1; compressedDepth rvl"]
SIZES = [0, 1, 2, 11, WIDTH, HEIGHT, 4096, 2**32 - 1]
NUMBERS = [0.0, -1.0, 1e-300, 1e300, float("nan"), float("inf"), 0.5, 60.0]


class Oddities:
    """Messages of the kinds that are recorded: good ones, and odd ones of a seed."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.store = get_typestore(Stores.ROS2_HUMBLE)
        self.types = self.store.types

    def header(self, stamp: int, frame: str = "lens") -> Any:
        time = self.types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
        return self.types["std_msgs/msg/Header"](stamp=time, frame_id=frame)

    def odd_header(self, stamp: int) -> Any:
        rng = self.rng
        seconds = rng.choice([stamp // 10**9, 0, -1, -(2**31), 2**31 - 1])
        time = self.types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=rng.choice([0, 5, 2**32 - 1]))
        frame = rng.choice(["lens", "", "/../x", "a\nb", "x" * 999])
        return self.types["std_msgs/msg/Header"](stamp=time, frame_id=frame)

    def good(self, number: int, stamp: int) -> dict[str, Any]:
        depth = np.nan_to_num(truth(number)["depth"] * 1000).astype(np.uint16)
        header = self.header(stamp)
        pixels, metres = image(number).reshape(-1), depth.reshape(-1).view(np.uint8)
        png = cv2.imencode(".png", depth)[1].reshape(-1)
        jpeg = cv2.imencode(".jpg", image(number))[1].reshape(-1)
        packed, raw = self.types[COMPRESSED], self.types[IMAGE]
        return {
            COLOUR: raw(header, HEIGHT, WIDTH, "rgb8", 0, 3 * WIDTH, pixels),
            PACKED: packed(header, "jpeg", jpeg),
            DEPTH: raw(header, HEIGHT, WIDTH, "16UC1", 0, 2 * WIDTH, metres),
            DEPTH_PACKED: packed(header, FORMATS[4], np.concatenate([np.zeros(12, np.uint8), png])),
            INFO: self.info(header, HEIGHT, WIDTH, np.zeros(5), K.reshape(9)),
            NAMES: self.types["std_msgs/msg/String"](data='{"classes": [{"id": 1, "name": "a"}]}'),
        }

    def info(self, header: Any, height: int, width: int, d: Any, k: Any, model: str = "plumb_bob") -> Any:
        region = self.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        p = np.c_[np.asarray(k).reshape(3, 3), np.zeros(3)].reshape(12)
        return self.types[KINDS[INFO]](header, height, width, model, d, k, np.eye(3).reshape(9), p, 0, 0, region)

    def odd(self, topic: str, number: int, stamp: int) -> Any:
        rng, header = self.rng, self.odd_header(stamp)
        if KINDS[topic] == IMAGE:
            width, height, encoding = rng.choice(SIZES), rng.choice(SIZES), rng.choice(ENCODINGS)
            step = rng.choice([0, 1, width, 2 * width, 3 * width, 4 * width, 2**32 - 1]) % 2**32
            data = np.zeros(min(step * height, 10**6) if rng.random() < 0.7 else rng.choice([0, 1, 5000]), np.uint8)
            return self.types[IMAGE](header, height, width, encoding, rng.choice([0, 1, 255]), step, data)
        if KINDS[topic] == COMPRESSED:
            good = self.good(number, stamp)[topic].data
            data = rng.choice([good[: rng.randrange(len(good))], np.zeros(30, np.uint8), good, good[:0]])
            return self.types[COMPRESSED](header, rng.choice(FORMATS), np.array(data))
        if topic == INFO:
            k = np.array([rng.choice(NUMBERS) for _ in range(9)]) if rng.random() < 0.7 else K.reshape(9)
            d = np.array([rng.choice(NUMBERS) for _ in range(rng.choice([0, 3, 5, 8, 14, 999]))], np.float64)
            model = rng.choice(["plumb_bob", "equidistant", "", "x\n"])
            return self.info(header, rng.choice(SIZES), rng.choice(SIZES), d, k, model)
        texts = ["", "[" * 50_000, '{"classes": [{"id": 1e999, "name": []}]}', '{"classes": 5}', "null", "{" * 9]
        return self.types["std_msgs/msg/String"](data=rng.choice(texts))


def write_odd(path: Path, oddities: Oddities) -> Path:
    """GOOD good frames, and with each a few odd messages on the topics there are."""
    rng = oddities.rng
    chosen = [topic for topic in KINDS if rng.random() < 0.7] or [COLOUR]
    storage = rng.choice([StoragePlugin.MCAP, StoragePlugin.SQLITE3])
    with Writer(path, version=9, storage_plugin=storage) as bag:
        topics = {t: bag.add_connection(t, KINDS[t], typestore=oddities.store) for t in chosen}
        for number, stamp in enumerate(stamps(GOOD)):
            good = oddities.good(number, stamp)
            odd = [(t, oddities.odd(t, number, stamp)) for t in rng.choices(chosen, k=rng.randrange(4))]
            for topic, message in [*((t, good[t]) for t in chosen), *odd]:
                bag.write(topics[topic], stamp, oddities.store.serialize_cdr(message, KINDS[topic]))
    return path


def recordings(rng: random.Random, folder: Path) -> Iterator[Callable[[], object]]:
    """Replays, with maps at both sizes and with and without the camera's own images, each of an odd recording."""
    oddities, model = Oddities(rng), folder / "tiny.onnx"
    write_tiny_model(model)
    while True:
        shutil.rmtree(folder / "bag", ignore_errors=True)
        shutil.rmtree(folder / "out", ignore_errors=True)
        bag = write_odd(folder / "bag", oddities)
        options = ReplayOptions(
            bag=bag, out=folder / "out", model=model, threads=1, exact=rng.random() < 0.5,
            passthrough=rng.random() < 0.3, per_frame=rng.choice([None, None, "png", "npz"]),
        )
        yield lambda options=options: _replay(options)


def _replay(options: ReplayOptions) -> object:
    with open_engine(options.model) as engine:
        return replay_bag(options, engine, "attack")
