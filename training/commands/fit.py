"""avtar-train fit: train as a config says."""

from __future__ import annotations

import argparse
from pathlib import Path

from avtar_ros.terminal.command_line import DONE, Command, show
from training.overrides import add_set

DESCRIPTION = (
    "Train as a config says. Run again after an interruption, it continues from the last checkpoint."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="YAML; ready ones lie in training/configs/")
    parser.add_argument("--out", type=Path, help="folder for checkpoints and logs (default: runs/NAME OF THE CONFIG)")
    parser.add_argument("--from", dest="start_from", type=Path, metavar="CHECKPOINT",
                     help="continue from another run's checkpoint (`start_from` in the config)")
    parser.add_argument("--dry-run", action="store_true", help="build everything and run one step on random images")
    parser.add_argument("--tensorboard", action="store_true", help="write files for TensorBoard beside the log as well")
    add_set(parser)


def run(options: argparse.Namespace, command: str) -> int:
    from training.config import load_config
    from training.fit import fit

    config = load_config(options.config, options.start_from, options.set)
    if options.dry_run:
        from training.dry_run import dry_run

        dry_run(config)
        return DONE
    checkpoint = fit(config, options.out or Path("runs") / config.file_name, options.tensorboard)
    show(f"trained. Next: avtar-train export {checkpoint} --out {config.file_name}.onnx")
    return DONE


FIT = Command("train as a config says", DESCRIPTION, add_arguments, run)
