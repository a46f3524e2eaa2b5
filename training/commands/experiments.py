"""avtar-train experiments: do more tasks help?."""

from __future__ import annotations

import argparse
from pathlib import Path

from avtar_ros.disk.files import write_text
from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.terminal.command_line import DONE, Command, show
from training.overrides import add_set

TABLE = "table.md"
DESCRIPTION = (
    "Train a config with each task alone, with more and more of its tasks, and with all of them "
    "without TROA, TAA and TSN, with several seeds; print means, spreads and gains. Run again, it continues."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="YAML; all variants share its budget")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--out", type=Path, help="folder of all runs (default: runs/NAME OF THE CONFIG)")
    add_set(parser)


def run(options: argparse.Namespace, command: str) -> int:
    from training.config import load_config
    from training.experiments import run_experiments, table

    config = load_config(options.config, settings=options.set)
    folder = options.out or Path("runs") / config.file_name
    text = table(run_experiments(config, options.seeds, folder), config.tasks)
    with OutputFolder(folder) as output:
        output.claim(TABLE)
        write_text(folder / TABLE, text + "\n")
    show(text)
    return DONE


EXPERIMENTS = Command("do more tasks help?", DESCRIPTION, add_arguments, run)
