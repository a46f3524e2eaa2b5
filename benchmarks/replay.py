"""Measure a replay's throughput against that of the engine alone, and its memory.

python benchmarks/replay.py --json build/replay.json
python benchmarks/replay.py --seconds 3600 --rate 10 --size 160 120 --json build/replay_hour.json

The bag is made here unless one is given: a camera over a textured plane, as JPEG with CameraInfo. The replay is the
command itself in a process of its own; the engine alone is measured in this one, before and after it, with as many
threads and the images ready. `fps_ratio` is frames per second of the whole replay, judging and writing included, over
those of the engine alone; `peak_rss_mb` is the most memory that the replay's process ever had.
`bytes_a_frame` is what its maps take on the disk.
`cpu_s` is what it spent on all cores, which says how much of the ratio is for want of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.writing import BagWriter
from avtar_ros.disk.files import write_text
from avtar_ros.engines.engine import EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.resources import DEMO_MODEL, find_resource

PICTURES = 150
"""Different images in a generated bag, which are then shown again: enough that nothing remembers them."""
ENGINE_SECONDS = 10.0
MB = 1e6
PROCESS_COST = Path(__file__).with_name("process_cost.py")


@dataclass(frozen=True)
class ReplayCost:
    """What a replay took: seconds of CPU time on all cores, bytes of memory at most, and its own figures."""

    cpu_s: float
    peak_rss: int
    figures: dict[str, float]


def pictures(width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    """A camera moving over blobs of all sizes, (H, W, 3) each."""
    random = np.random.default_rng(0)
    plane = np.zeros((2 * height, 2 * width, 3), np.float32)
    for size in (2, 8, 32):
        noise = random.random((2 * height // size + 2, 2 * width // size + 2, 3), np.float32)
        plane += cv2.resize(noise, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    texture = cv2.normalize(plane, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    for turn in np.linspace(0, 2 * np.pi, PICTURES, endpoint=False):
        x, y = round((1 + np.cos(turn)) * width / 2), round((1 + np.sin(turn)) * height / 2)
        yield texture[y : y + height, x : x + width]


def write_bag(path: Path, seconds: float, rate: float, width: int, height: int) -> None:
    """A bag of `seconds` of a camera at `rate` images a second."""
    jpegs = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures(width, height)]
    k = np.array([[0.9 * width, 0, width / 2], [0, 0.9 * width, height / 2], [0, 0, 1]])
    with BagWriter(path) as bag:
        for i in range(round(seconds * rate)):
            stamp_ns = 1_700_000_000_000_000_000 + round(i * 1e9 / rate)
            bag.write_compressed("/camera/image_raw/compressed", stamp_ns, "optical", "jpeg", jpegs[i % PICTURES])
            bag.write_camera_info("/camera/camera_info", stamp_ns, "optical", width, height, k)


def engine_fps(model: Path, threads: int, seconds: float) -> float:
    """Frames per second of the engine alone, images one by one."""
    with open_engine(model, EngineOptions(threads=threads)) as engine:
        shape = (1, engine.card.height, engine.card.width, 3)
        images = [np.random.default_rng(i).integers(0, 256, shape, np.uint8) for i in range(8)]
        begin, count = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - begin) < seconds:
            engine.infer(images[count % len(images)])
            count += 1
    return count / elapsed


def replay_cost(bag: Path, out: Path, arguments: list[str]) -> ReplayCost:
    """Replay in a process of its own; raises CalledProcessError if it fails."""
    command = [sys.executable, "-m", "avtar_ros.replay.cli", str(bag), "--out", str(out), *arguments]
    result = subprocess.run([sys.executable, PROCESS_COST, *command], stdout=subprocess.PIPE, check=True)
    cost = json.loads(result.stdout)
    if cost["status"]:
        raise subprocess.CalledProcessError(cost["status"], command)
    figures: dict[str, float] = json.loads((out / "metrics.json").read_text())
    return ReplayCost(cost["cpu_s"], cost["peak_rss"], figures)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    model = options.model or find_resource(DEMO_MODEL)
    arguments = ["--model", str(model), "--threads", str(options.threads)]
    arguments += ["--exact"] if options.exact else []
    arguments += ["--map-size", options.map_size] if options.map_size else []
    bag = options.bag or folder / "camera.mcap"
    if options.bag is None:
        write_bag(bag, options.seconds, options.rate, *options.size)
    alone = [engine_fps(model, options.threads, options.engine_seconds)]
    cost = replay_cost(bag, folder / "out", arguments)
    alone.append(engine_fps(model, options.threads, options.engine_seconds))
    fps = cost.figures["fps"]
    return {
        "fps_ratio": round(fps / statistics.mean(alone), 3),
        "peak_rss_mb": round(cost.peak_rss / MB, 1),
        "replay_fps": round(fps, 2),
        "engine_fps": [round(value, 2) for value in alone],
        "cpu_s": round(cost.cpu_s, 1),
        "frames": cost.figures["frames"],
        "bytes_a_frame": round((folder / "out" / "output.mcap").stat().st_size / max(1, cost.figures["frames"])),
        "output_mb": round((folder / "out" / "output.mcap").stat().st_size / MB, 1),
        "bag": str(options.bag) if options.bag else f"{options.seconds:g} s at {options.rate:g} Hz, {options.size}",
        "model": model.name,
        "maps": f"{'exact' if options.exact else 'kept'}, {options.map_size or 'default size'}",
        "threads": options.threads,
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--bag", type=Path, help="a recording, instead of the one made here")
    parser.add_argument("--model", type=Path, help="default: the demo model")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the bag made here")
    parser.add_argument("--rate", type=float, default=30.0, help="its images a second")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--map-size", choices=("camera", "model"), help="default: the replay's own")
    parser.add_argument("--exact", action="store_true", help="raw maps, as --exact of the replay")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of the engine, 0: one a core")
    parser.add_argument("--engine-seconds", type=float, default=ENGINE_SECONDS, help="for the engine alone, twice")
    parser.add_argument("--folder", type=Path, help="for bag and maps, which may need gigabytes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = measure(options, Path(folder))
    print(json.dumps(figures, indent=2))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        write_text(options.json, json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
