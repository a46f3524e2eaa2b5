"""Measure what it saves to run camera source and node in one process: images handed over in memory, not by middleware.

python -m benchmarks.one_process --json build/one_process.json

A recording of rgb8 images is played through the node, with an engine that does nothing and maps at the model's size;
all four maps are received in this process. Two processes and one take turns. Figures, medians over rounds:

cpu_ms      CPU time of a frame, of all threads of source and node; hardly depends on what else runs
latency_ms  camera stamp to reception of the last map, p50
saved       1 - one process / two processes, of either
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from avtar_ros.bags.writing import BagWriter
from avtar_ros.disk.files import write_text
from avtar_ros.resources import DEMO_MODEL, find_resource
from avtar_ros.ros.child_process import NodeProcess
from avtar_ros.ros.isolation import claim_ros_domain, loopback_environment
from benchmarks.node import NULL_ENGINE, TOPICS, Nothing, pictures
from benchmarks.rates import cpu_s

NULL_PAIR = Path(__file__).with_name("null_pair.py")
SIZES = ((640, 480), (1920, 1080))
RATE = 30.0
WARM = 10
"""Frames before it is measured."""
START_S = 60.0
FIRST_NS = 1_700_000_000 * 10**9
"""The first stamp."""


def write_recording(path: Path, width: int, height: int) -> Path:
    with BagWriter(path) as bag:
        for number, picture in enumerate(pictures()):
            image = cv2.resize(picture, (width, height)).astype(np.uint8)
            bag.write_image("/camera/image_raw", FIRST_NS + int(number * 1e9 / RATE), "lens", image, "rgb8")
    return path


def measure(folder: Path, recording: Path, one: bool, frames: int) -> dict[str, float]:
    """Play the recording through both nodes, in one process or in two."""
    from avtar_ros.demo.map_recorder import MapRecorder

    source = {"source": str(recording), "loop": True, "rate": RATE, "wait_for_subscriber": START_S}
    node = {"map_size": "model", "model": str(find_resource(DEMO_MODEL))}
    with MapRecorder(TOPICS, Nothing()) as recorder, ExitStack() as stack:  # type: ignore[arg-type]

        def started(module: str, settings: dict[str, Any], program: Path | None) -> NodeProcess:
            return stack.enter_context(NodeProcess(module, settings, folder, program))

        if one:
            processes = [started("avtar_ros.source.camera_to_maps", source | node, NULL_PAIR)]
        else:
            processes = [
                started("avtar_ros.node.multitask_node", node, NULL_ENGINE),
                started("avtar_ros.source.camera_source", source, None),
            ]

        def receive(count: int) -> None:
            """Wait until so many frames have come."""
            deadline = time.monotonic() + START_S + 2 * count / RATE
            while len(recorder.latencies) < count:
                for process in processes:
                    process.check_running()
                recorder.spin_once(0.1)
                if time.monotonic() > deadline:
                    raise SystemExit(f"only {len(recorder.latencies)} frames came: {processes[0].last_words()}")

        receive(WARM)
        before, used = len(recorder.latencies), sum(cpu_s(process.pid) for process in processes)
        receive(before + frames)
        spent = sum(cpu_s(process.pid) for process in processes) - used
        latencies = list(recorder.latencies.values())[before:]
    return {"cpu_ms": 1000 * spent / len(latencies), "latency_ms": statistics.median(latencies) / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200, help="of each measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="in which both take turns (%(default)s)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    domain, claim = claim_ros_domain()
    result: dict[str, Any] = {}
    with claim, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ.update(loopback_environment(domain), ROS_LOG_DIR=temporary)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(NULL_PAIR.parents[1]), os.environ.get("PYTHONPATH", "")])
        for width, height in SIZES:
            recording = write_recording(folder / f"{width}x{height}.mcap", width, height)
            runs = {"two": list[dict[str, float]](), "one": list[dict[str, float]]()}
            for _ in range(options.rounds):
                for name, found in runs.items():
                    found.append(measure(folder, recording, name == "one", options.frames))
            medians = {
                name: {figure: round(statistics.median(run[figure] for run in found), 3) for figure in found[0]}
                for name, found in runs.items()
            }
            saved = {figure: round(1 - medians["one"][figure] / medians["two"][figure], 3) for figure in medians["two"]}
            result[f"{width}x{height}"] = medians | {"saved": saved}
            print(json.dumps({f"{width}x{height}": result[f"{width}x{height}"]}), flush=True)
    if options.json:
        write_text(options.json, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
