"""The model that a node would load: does it, and how long does a frame take. No ROS."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from avtar_ros.doctor.finding import Finding, Level
from avtar_ros.engines.opening import open_engine
from avtar_ros.errors import AvtarError

RUNS = 5


def model(path: Path) -> list[Finding]:
    """Load the model and run it a few times."""
    try:
        engine = open_engine(path)
    except AvtarError as error:
        return [Finding("model", Level.ERROR, str(error), "ros2 run avtar_ros doctor --model /path/to/another")]
    with engine:
        card = engine.card
        tasks = ", ".join(task.name for task in card.task_records)
        image = np.zeros((1, card.height, card.width, 3), np.uint8)
        times_ms = []
        for _ in range(RUNS):
            begin = time.perf_counter()
            engine.infer(image)
            times_ms.append((time.perf_counter() - begin) * 1e3)
        p50 = statistics.median(times_ms)
        return [
            Finding("model", Level.OK, f"{card.name}, {card.width} x {card.height}: {tasks} ({path})"),
            Finding("engine", Level.OK, f"{engine.description}: {p50:.1f} ms a frame, up to {1e3 / p50:.0f} a second"),
        ]
