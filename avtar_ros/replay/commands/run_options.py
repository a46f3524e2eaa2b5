"""The options of every command that replays bags."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from avtar_ros.bags.recorded_frames import Selection, TopicOptions
from avtar_ros.perception import MapSize
from avtar_ros.replay.running.bag_replay import ReplayOptions
from avtar_ros.replay.running.frame_files import FORMATS
from avtar_ros.tasks import TASKS
from avtar_ros.terminal.command_line import Arguments, not_negative, positive, positive_int


def add_run_arguments(parser: Arguments) -> None:
    """The arguments that say how to replay, whatever bag and model."""
    parser.add_argument(
        "--topic", action="append", default=[], help="camera topic (default: the colour camera found); repeat for more"
    )
    parser.add_argument("--depth-topic", metavar="TOPIC", help="true depth (default: the topic that fits the camera)")
    parser.add_argument("--info-topic", metavar="TOPIC", help="CameraInfo (default: the topic that fits the camera)")
    parser.add_argument(
        "--rectified", action=argparse.BooleanOptionalAction,
        help="whether images are rectified, so that P of CameraInfo is their lens (default: if the topic says so)",
    )
    parser.add_argument("--every", type=positive_int, default=1, metavar="N", help="take every N-th frame only")
    parser.add_argument("--start", type=not_negative, default=0.0, metavar="S", help="begin S seconds after its start")
    parser.add_argument("--duration", type=positive, metavar="S", help="take S seconds only")
    parser.add_argument(
        "--tasks", type=_tasks, metavar="A,B", help=f"of {', '.join(TASKS)} (default: all that the model has)"
    )
    parser.add_argument(
        "--map-size", choices=get_args(MapSize), help="size of maps (default: the model's; with --exact the camera's)"
    )
    parser.add_argument(
        "--exact", action="store_true",
        help="write maps as the raw real numbers of a live node, forty times as large as the pictures otherwise",
    )
    parser.add_argument(
        "--passthrough", action="store_true", help="copy images, CameraInfo and ground truth into the output as well"
    )
    parser.add_argument("--per-frame", choices=FORMATS, help="write each frame's maps to OUT/frames as well")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads (default: one a core)")
    parser.add_argument(
        "--max-depth", type=positive, metavar="M", help="judge depth only where it is truly below M metres"
    )
    parser.add_argument(
        "--tolerance", type=positive, metavar="MS",
        help="how far apart stamps of image and truth may be (default: half the camera's interval, 50 at most)",
    )
    parser.add_argument("--interpolate", action="store_true", help="judge against depth between two depth images")


def options_of(options: argparse.Namespace, bag: Path, out: Path, model: Path) -> ReplayOptions:
    """The options that `add_run_arguments` has parsed, for one bag and model."""
    return ReplayOptions(
        bag=bag,
        out=out,
        model=model,
        topics=tuple(options.topic),
        named=TopicOptions(options.depth_topic, options.info_topic, options.rectified),
        selection=Selection(options.every, options.start, options.duration),
        tasks=options.tasks,
        map_size=options.map_size,
        exact=options.exact,
        passthrough=options.passthrough,
        per_frame=options.per_frame,
        threads=options.threads,
        max_depth_m=options.max_depth,
        tolerance_ms=options.tolerance,
        interpolate=options.interpolate,
    )


def _tasks(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in TASKS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not a task; there are {', '.join(TASKS)}")
    return names
