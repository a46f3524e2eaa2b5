"""avtar-replay BAG --out DIR: run a model over a bag."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

from avtar_ros.bags.recorded_frames import Selection
from avtar_ros.engines.engine import EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.perception import MapSize
from avtar_ros.replay.running.bag_replay import ReplayOptions, replay_bag
from avtar_ros.replay.running.frame_files import FORMATS
from avtar_ros.resources import DEMO_MODEL, find_resource
from avtar_ros.tasks import TASKS

DESCRIPTION = (
    "Run a model over a bag (ROS 1, SQLite or MCAP). Writes the maps to OUT/output.mcap, and how\n"
    "good and how fast they were to OUT/report.html and OUT/metrics.json. Interrupted, it continues\n"
    "where it was when the same command is given again."
)
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="a bag's folder, or a .mcap, .db3 or .bag file")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--model", type=Path, help="model file (default: the demo model)")
    parser.add_argument("--rerun", type=Path, metavar="FILE", help="write images, maps and figures to an .rrd file too")
    add_run_arguments(parser)


def add_run_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The arguments that say how to replay, whatever bag and model."""
    parser.add_argument(
        "--topic", action="append", default=[], help="camera topic (default: the colour camera found); repeat for more"
    )
    parser.add_argument("--every", type=_positive(int), default=1, metavar="N", help="take every N-th frame only")
    parser.add_argument("--start", type=_seconds, default=0.0, metavar="S", help="begin S seconds after its start")
    parser.add_argument("--duration", type=_positive(float), metavar="S", help="take S seconds only")
    parser.add_argument(
        "--tasks", type=_tasks, metavar="A,B", help=f"of {', '.join(TASKS)} (default: all that the model has)"
    )
    parser.add_argument(
        "--map-size", choices=get_args(MapSize), default="camera", help="size of the maps (default: %(default)s's)"
    )
    parser.add_argument(
        "--passthrough", action="store_true", help="copy images, CameraInfo and ground truth into the output as well"
    )
    parser.add_argument("--per-frame", choices=FORMATS, help="write each frame's maps to OUT/frames as well")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads (default: one a core)")
    parser.add_argument(
        "--max-depth", type=_positive(float), metavar="M", help="judge depth only where it is truly below M metres"
    )
    parser.add_argument(
        "--tolerance", type=_positive(float), metavar="MS",
        help="how far apart stamps of image and truth may be (default: half the camera's interval, 50 at most)",
    )  # fmt: skip
    parser.add_argument("--interpolate", action="store_true", help="judge against depth between two depth images")


def options_of(options: argparse.Namespace, bag: Path, out: Path, model: Path) -> ReplayOptions:
    """The options that `add_run_arguments` has parsed, for one bag and model."""
    return ReplayOptions(
        bag=bag,
        out=out,
        model=model,
        topics=tuple(options.topic),
        selection=Selection(options.every, options.start, options.duration),
        tasks=options.tasks,
        map_size=options.map_size,
        passthrough=options.passthrough,
        per_frame=options.per_frame,
        threads=options.threads,
        max_depth_m=options.max_depth,
        tolerance_ms=options.tolerance,
        interpolate=options.interpolate,
    )


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        if not (value := kind(text)) > 0:
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return value

    return parse


def _seconds(text: str) -> float:
    if (value := float(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def _tasks(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in TASKS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is no task; there are {', '.join(TASKS)}")
    return names


def run(options: argparse.Namespace, command: str) -> int:
    """Replay one bag; returns the exit code."""
    chosen = options_of(options, options.bag, options.out, options.model or find_resource(DEMO_MODEL))
    chosen = replace(chosen, rerun=options.rerun)
    with open_engine(chosen.model, EngineOptions(threads=chosen.threads)) as engine:
        replayed = replay_bag(chosen, engine, command)
    print(f"{replayed.run.table()}\n{chosen.out / 'report.html'}")
    for note in replayed.run.notes:
        print(f"avtar-replay: {note}", file=sys.stderr)
    return INTERRUPTED if replayed.interrupted else 1 if replayed.damaged else 0
