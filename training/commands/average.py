"""avtar-train average: the mean of several checkpoints."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from avtar_ros.disk.outputs import check_file
from avtar_ros.terminal.command_line import DONE, Command, show

DESCRIPTION = (
    "Write the weighted mean of checkpoints that started from the same weights: of several points of a run, which is "
    "often better than any of them, or of a model and what was fine-tuned from it, which gives back much of what "
    "fine-tuning on one place made it forget of others. Try a few weights and measure each with `evaluate`."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoints", type=Path, nargs="+", metavar="CHECKPOINT", help="two or more; the config is the last's"
    )
    parser.add_argument(
        "--weights",
        type=float,
        nargs="+",
        metavar="WEIGHT",
        help="how much of each, in the same order (default: the same of all)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .safetensors file to write")


def run(options: argparse.Namespace, command: str) -> int:
    from training.averaging import AVERAGED, average, is_average
    from training.checkpoint import load_checkpoint, save_checkpoint

    paths, weights = options.checkpoints, options.weights or [1.0] * len(options.checkpoints)
    check_file(options.out, paths, is_average)
    mean = average([load_checkpoint(path) for path in paths], weights)
    shares = ", ".join(f"{weight / sum(weights):.3g} of {path}" for path, weight in zip(paths, weights, strict=True))
    card = mean.card.replace(provenance={AVERAGED: shares})
    save_checkpoint(dataclasses.replace(mean, card=card), options.out)
    show(f"{options.out}: {shares}. Next: avtar-train evaluate {options.out} --manifest FILE")
    return DONE


AVERAGE = Command("the mean of several checkpoints", DESCRIPTION, add_arguments, run)
