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
    "without TROA, TAA and TSN, with several seeds; print means, spreads and gains, and how each task alone "
    "came to its figure: only where that has gone flat does the comparison tell of more than a start. Run again, it "
    "continues."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="YAML; all variants share its budget")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--manifest", type=Path, metavar="FILE",
                        help="measure every run on these real images, too (as `evaluate --manifest`)")
    parser.add_argument("--out", type=Path, help="folder of all runs (default: runs/NAME OF THE CONFIG)")
    add_set(parser)


def run(options: argparse.Namespace, command: str) -> int:
    from training.config import load_config
    from training.data.manifest import read_manifest
    from training.experiments import report, run_experiments

    config = load_config(options.config, settings=options.set)
    folder = options.out or Path("runs") / config.file_name
    size = config.data.width, config.data.height
    sources = read_manifest(options.manifest, *size) if options.manifest else ()
    text = report(run_experiments(config, options.seeds, folder, sources), config.tasks)
    with OutputFolder(folder) as output:
        output.claim(TABLE)
        write_text(folder / TABLE, text + "\n")
    show(text)
    return DONE


EXPERIMENTS = Command("do more tasks help?", DESCRIPTION, add_arguments, run)
