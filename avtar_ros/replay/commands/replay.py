"""avtar-replay BAG --out DIR: run a model over a bag."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from avtar_ros.engines.engine import EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.replay.commands.run_options import add_run_arguments, options_of
from avtar_ros.replay.running.bag_replay import replay_bag
from avtar_ros.resources import DEMO_MODEL, find_resource
from avtar_ros.terminal.command_line import DONE, FAILED, INTERRUPTED, Command, show

DESCRIPTION = (
    "Run a model over a bag (ROS 1, SQLite or MCAP). Writes the maps to OUT/output.mcap, and how "
    "good and how fast they were to OUT/report.html and OUT/metrics.json. Interrupted, it continues "
    "where it was when the same command is given again."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="a bag's folder, or a .mcap, .db3 or .bag file")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--model", type=Path, help="model file (default: the demo model)")
    parser.add_argument("--rerun", type=Path, metavar="FILE", help="write images, maps and figures to an .rrd file too")
    add_run_arguments(parser)


def run(options: argparse.Namespace, command: str) -> int:
    """Replay one bag; returns the exit code."""
    chosen = options_of(options, options.bag, options.out, options.model or find_resource(DEMO_MODEL))
    chosen = replace(chosen, rerun=options.rerun)
    with open_engine(chosen.model, EngineOptions(threads=chosen.threads)) as engine:
        replayed = replay_bag(chosen, engine, command)
    show(f"{replayed.run.table()}\n{chosen.out / 'report.html'}")
    for note in replayed.run.notes:
        show(f"avtar-replay: {note}", sys.stderr)
    return INTERRUPTED if replayed.interrupted else FAILED if replayed.damaged else DONE


REPLAY = Command("run a model over a bag", DESCRIPTION, add_arguments, run)
