"""Measure what the node costs: a camera of 640x480 rgb8 and a recorder in this process, the node in another.

python benchmarks/node.py --json build/node.json

All on the shipped transport profile, the demo model with one thread fewer than there are cores. The engine alone and
the node with it are measured in turns, and compared within one run. Figures, milliseconds unless they say otherwise:

fps_ratio           frames per second with all four maps recorded, of those of `engine.infer` alone on the same frames;
                    two images are always on their way, so the node never waits for the camera. Maps at the model's size
fps_ratio.camera    the same with maps at the camera's size
added_ms.p50        camera stamp to reception of the last map at half the engine's rate, less the engine's own median at
                    the same pace; maps at the model's size
python_ms.p50       of that between arrival in the node and the last map handed to ROS, without the engine
latency.p99_to_p50  of camera stamp to reception of the last map
*.camera            the same with maps at the camera's size
null_engine_hz.*    frames per second with all four maps received, of an engine that does nothing, maps at the model's
                    or the camera's size
floor_ms.*          camera stamp to reception of the last of four messages, p50 at the same pace, of a bare node that
                    publishes as many bytes as the maps have and makes nothing: of `added_ms`, what is not the node's
floor_hz.*          frames per second of that bare node
startup_s           from the start of the process to the first frame whose maps have all come
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.writing import BagWriter
from avtar_ros.engines.engine import Engine, EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.imaging.images import to_rgb
from avtar_ros.resources import DEMO_BAG, DEMO_MODEL, find_resource
from avtar_ros.ros.child_process import NodeProcess
from avtar_ros.ros.isolation import claim_ros_domain, loopback_environment
from avtar_ros.source.frame_sources import open_source
from avtar_ros.tasks import TASKS

if TYPE_CHECKING:
    from avtar_ros.demo.map_recorder import MapRecorder

WIDTH, HEIGHT = 640, 480
FRAMES = 30
"""Different images, sent again and again."""
IN_FLIGHT = 2
"""One that the node works on, and one that waits: more would be dropped."""
FEWEST = 10
"""Latencies to measure, however slow the engine is."""
LOST_S = 1.0
"""After this time without maps, images in flight are taken for lost."""
START_S = 60.0
TOPICS = [f"/camera/{task}/image" for task in TASKS]
NULL_ENGINE = Path(__file__).with_name("null_engine.py")
BARE_NODE = Path(__file__).with_name("bare_node.py")


class Nothing:
    """A bag that keeps nothing."""

    def write(self, *_: object) -> None:
        """Forget a message."""


class Bench:
    """The camera, the recorder, and the node's process."""

    def __init__(self, folder: Path, output: Any, parameters: dict[str, Any], program: Path | None = None) -> None:
        import rclpy
        from sensor_msgs.msg import CameraInfo, Image
        from std_srvs.srv import Trigger

        from avtar_ros.demo.map_recorder import MapRecorder
        from avtar_ros.geometry.camera_model import CameraModel
        from avtar_ros.ros.messages import fill_camera_info, fill_image

        self._stack = ExitStack()
        self.recorder: MapRecorder = self._stack.enter_context(MapRecorder(TOPICS, output))
        self._node = rclpy.create_node("benchmark_camera")
        self._stack.callback(self._node.destroy_node)
        self._images = self._node.create_publisher(Image, "/camera/image_raw", 5)
        infos = self._node.create_publisher(CameraInfo, "/camera/camera_info", 5)
        self._stats = self._node.create_client(Trigger, "/multitask_node/stats")
        info, messages = CameraInfo(), [Image() for _ in range(FRAMES)]
        fill_camera_info(info, CameraModel.pinhole(WIDTH, HEIGHT, 525.0))
        for message, picture in zip(messages, pictures(), strict=True):
            fill_image(message, picture, "rgb8")
        self._messages = itertools.cycle(messages)
        self.sent = 0
        self.started_ns = time.monotonic_ns()
        settings = {"cameras": ["camera"], "transport": "raw"} | parameters
        process = NodeProcess("avtar_ros.node.multitask_node", settings, folder, program)
        self.process = self._stack.enter_context(process)
        self._publish_info = lambda: infos.publish(info)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def send(self) -> None:
        message = next(self._messages)
        now = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 10**9)
        self._images.publish(message)
        self.sent += 1

    @property
    def complete(self) -> int:
        """Frames of which all maps have come."""
        return len(self.recorder.latencies)

    def await_first_maps(self) -> float:
        """Seconds from the start of the process until all maps of one frame have come."""
        while not self.complete:
            self.process.check_running()
            if self._images.get_subscription_count():
                self._publish_info()
                self.send()
            self.recorder.spin(0.1 if self.sent else 0.01)
            if time.monotonic_ns() - self.started_ns > START_S * 1e9:
                raise SystemExit(f"no maps after {START_S} s. The node said:\n{self.process.last_words()}")
        seconds = (time.monotonic_ns() - self.started_ns) / 1e9
        self.recorder.spin(1.0)  # until what was sent meanwhile is done
        return seconds

    def frames_per_second(self, seconds: float) -> float:
        """With images sent as fast as their maps come back."""
        begin = newest = time.monotonic()
        start = came = self.complete
        lost = self.sent - start
        while (now := time.monotonic()) - begin < seconds:
            while self.sent - self.complete - lost < IN_FLIGHT:
                self.send()
            self.recorder.spin_once(0.1)
            if self.complete > came:
                came, newest = self.complete, now
            elif now - newest > LOST_S:
                lost, newest = self.sent - self.complete, now
        return (self.complete - start) / (now - begin)

    def latencies_ms(self, rate: float, count: int) -> NDArray[np.float64]:
        """From stamp to reception of the last map, of `count` images sent at `rate`."""
        before, begin = self.complete, time.monotonic()
        for i in range(count):
            self.recorder.spin(max(0.0, begin + i / rate - time.monotonic()))
            self.send()
        self.recorder.spin(1.0 + 1 / rate)
        return np.array(list(self.recorder.latencies.values())[before:]) / 1e6

    def stats(self) -> dict[str, Any]:
        """What the node tells of itself."""
        import rclpy
        from std_srvs.srv import Trigger

        answer = self._stats.call_async(Trigger.Request())
        rclpy.spin_until_future_complete(self._node, answer, timeout_sec=10)
        report: dict[str, Any] = json.loads(answer.result().message)
        return report


def pictures() -> Iterator[NDArray[np.uint8]]:
    """Frames of the demo bag at the camera's size."""
    with open_source(str(find_resource(DEMO_BAG))) as source:
        for frame in itertools.islice(source.frames(), FRAMES):
            yield cv2.resize(to_rgb(frame.image), (WIDTH, HEIGHT)).astype(np.uint8)


def engine_ms(engine: Engine, images: list[NDArray[np.uint8]], seconds: float, rate: float = 0) -> list[float]:
    """Times of `engine.infer`, at most `rate` a second."""
    times: list[float] = []
    begin = time.monotonic()
    for i, image in enumerate(itertools.cycle(images)):
        if rate:
            time.sleep(max(0.0, begin + i / rate - time.monotonic()))
        start = time.monotonic()
        if times and start - begin > seconds:
            return times
        engine.infer(image)
        times.append(1000 * (time.monotonic() - start))
    raise AssertionError("cycles do not end")


def measure(folder: Path, seconds: float, rounds: int) -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0))
    threads = max(1, cores - 1)
    model = find_resource(DEMO_MODEL)
    result: dict[str, Any] = {"cores": cores, "threads": threads, "machine": platform.processor() or platform.machine()}
    with open_engine(model, EngineOptions(threads=threads)) as engine:
        sizes = {"model": (engine.card.width, engine.card.height), "camera": (WIDTH, HEIGHT)}
        images = [
            cv2.resize(p, sizes["model"], interpolation=cv2.INTER_AREA).astype(np.uint8)[None] for p in pictures()
        ]
        rate = 1000 / statistics.mean(engine_ms(engine, images, seconds)) / 2
        for map_size, suffix in (("model", ""), ("camera", ".camera")):
            parameters = {"threads": threads, "map_size": map_size}
            with Bench(folder, Nothing(), parameters) as bench:
                startup_s = bench.await_first_maps()
                figures = latency(bench, engine, images, rate, seconds * rounds)
            result.setdefault("startup_s", startup_s)
            result |= {name + suffix: figure for name, figure in figures.items()}
            with BagWriter(folder / f"{map_size}.mcap") as output, Bench(folder, output, parameters) as bench:
                bench.await_first_maps()
                alone, node = [], []
                for _ in range(rounds):
                    alone += engine_ms(engine, images, seconds)
                    node.append(bench.frames_per_second(seconds))
                result["fps_ratio" + suffix] = statistics.mean(node) / (1000 / statistics.mean(alone))
    for map_size, (width, height) in sizes.items():
        with Bench(folder, Nothing(), {"map_size": map_size}, NULL_ENGINE) as bench:
            bench.await_first_maps()
            result[f"null_engine_hz.{map_size}"] = max(bench.frames_per_second(seconds) for _ in range(rounds))
            result[f"null_engine_steps_ms.{map_size}"] = {k: v["p50"] for k, v in bench.stats()["latency_ms"].items()}
        with Bench(folder, Nothing(), {"width": width, "height": height}, BARE_NODE) as bench:
            bench.await_first_maps()
            latencies = bench.latencies_ms(rate, max(FEWEST, int(seconds * rounds * rate)))
            result[f"floor_ms.{map_size}"] = float(np.median(latencies))
            result[f"floor_hz.{map_size}"] = max(bench.frames_per_second(seconds) for _ in range(rounds))
    return result


def latency(
    bench: Bench, engine: Engine, images: list[NDArray[np.uint8]], rate: float, seconds: float
) -> dict[str, Any]:
    """What the node adds where it is not overloaded."""
    alone = float(np.median(engine_ms(engine, images, seconds, rate)))
    latencies = bench.latencies_ms(rate, max(FEWEST, int(seconds * rate)))
    p50, p99 = np.percentile(latencies, (50, 99))
    steps = {step: values["p50"] for step, values in bench.stats()["latency_ms"].items()}
    return {
        "engine_ms.p50": alone,
        "latency_ms.p50": p50,
        "latency_ms.p99": p99,
        "latency.p99_to_p50": p99 / p50,
        "added_ms.p50": p50 - alone,
        "python_ms.p50": steps["wait"] + steps["preprocess"] + steps["publish"],
        "steps_ms": steps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="in which engine and node take turns (%(default)s)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    domain, claim = claim_ros_domain()
    with claim, tempfile.TemporaryDirectory() as temporary:
        os.environ.update(loopback_environment(domain), ROS_LOG_DIR=temporary)
        result = measure(Path(temporary), options.seconds, options.rounds)
    text = json.dumps(result, indent=1, default=float)
    print(text)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
