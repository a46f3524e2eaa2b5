"""Measure what the node's own work costs by size and encoding of the camera's images, with an engine that does nothing.

python -m benchmarks.rates --json build/rates.json

One image at a time, on the shipped transport profile, all four maps received in this process. Figures:

came        of the images sent, the share whose maps all came
cpu_ms      CPU time of the node's process, all of its threads, for a frame; hardly depends on what else runs
per_second  frames that one core of that node can carry: 1000 / cpu_ms
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.disk.files import write_text
from avtar_ros.resources import DEMO_MODEL, find_resource
from avtar_ros.ros.child_process import NodeProcess
from avtar_ros.ros.isolation import claim_ros_domain, loopback_environment
from avtar_ros.tasks import TASKS
from benchmarks.node import NULL_ENGINE, Nothing

SIZES = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))
ENCODINGS = ("rgb8", "bgr8", "mono8", "bayer_rggb8", "jpeg")
WARM = 5
PATIENCE_S = 3.0
"""For the maps of a frame, before it is taken for lost."""
START_S = 60.0


def messages(width: int, height: int, encoding: str) -> Any:
    """One image of a smooth scene as a message."""
    from sensor_msgs.msg import CompressedImage, Image

    from avtar_ros.ros.messages import data_array, fill_image

    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    picture: NDArray[np.uint8] = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    if encoding == "jpeg":
        message = CompressedImage(format="jpeg")
        message.data = data_array(cv2.imencode(".jpg", picture)[1])
        return message
    message = Image()
    fill_image(message, picture if encoding in ("rgb8", "bgr8") else picture[..., 0].copy(), encoding)
    return message


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, by the clock that the kernel keeps of it (clock_getcpuclockid)."""
    return time.clock_gettime(~pid << 3 | 2)


def measure(folder: Path, message: Any, map_size: str, frames: int) -> dict[str, float]:
    import rclpy

    from avtar_ros.demo.map_recorder import MapRecorder

    settings = {"cameras": ["camera"], "map_size": map_size, "model": str(find_resource(DEMO_MODEL))}
    topics = [f"/camera/{task}/image" for task in TASKS]
    with MapRecorder(topics, Nothing()) as recorder:  # type: ignore[arg-type]
        node = rclpy.create_node("benchmark_camera")
        name = "/camera/image_raw" + "/compressed" * hasattr(message, "format")
        images = node.create_publisher(type(message), name, 2)
        with NodeProcess("avtar_ros.node.multitask_node", settings, folder, NULL_ENGINE) as process:

            def send() -> bool:
                before = len(recorder.latencies)
                message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
                images.publish(message)
                deadline = time.monotonic() + PATIENCE_S
                while len(recorder.latencies) == before and time.monotonic() < deadline:
                    recorder.spin_once(0.05)
                return len(recorder.latencies) > before

            begin = time.monotonic()
            while not images.get_subscription_count():
                process.check_running()
                recorder.spin_once(0.05)
                if time.monotonic() - begin > START_S:
                    raise SystemExit(f"the node did not subscribe. It said:\n{process.last_words()}")
            recorder.spin(1.0)
            for _ in range(WARM):
                send()
            start = cpu_s(process.pid)
            came = sum(send() for _ in range(frames))
            cost_ms = 1000 * (cpu_s(process.pid) - start) / frames
        node.destroy_node()
    return {"came": came / frames, "cpu_ms": round(cost_ms, 2), "per_second": round(1000 / max(cost_ms, 1e-3), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=60, help="of each measurement (%(default)s)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    domain, claim = claim_ros_domain()
    results = []
    with claim, tempfile.TemporaryDirectory() as folder:
        os.environ.update(loopback_environment(domain), ROS_LOG_DIR=folder)
        for (width, height), encoding, map_size in itertools.product(SIZES, ENCODINGS, ("model", "camera")):
            if map_size == "camera" and encoding != "rgb8":
                continue  # the maps cost the same
            figures = measure(Path(folder), messages(width, height, encoding), map_size, options.frames)
            results.append({"size": f"{width}x{height}", "encoding": encoding, "maps": map_size} | figures)
            print(json.dumps(results[-1]), flush=True)
    if options.json:
        write_text(options.json, json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
