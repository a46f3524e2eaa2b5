"""avtar-train affinities: look at what the tasks are to each other."""

from __future__ import annotations

import argparse
from pathlib import Path

from avtar_ros.terminal.command_line import DONE, Command, show
from training.errors import TrainingError

DESCRIPTION = (
    "Print the affinity matrix of a checkpoint or an .onnx file, and draw it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="an .onnx file, or a checkpoint (.safetensors)")
    parser.add_argument("--out", type=Path, default=Path("affinities.png"), metavar="FILE",
                            help="the picture (default: %(default)s)")


def run(options: argparse.Namespace, command: str) -> int:
    from avtar_ros.model_card import read_onnx_card
    from training.affinity_pictures import affinity_text, write_affinity_picture
    from training.checkpoint import load_checkpoint

    model: Path = options.model
    card = load_checkpoint(model).card if model.suffix == ".safetensors" else read_onnx_card(model)
    try:
        show(affinity_text(card))
        write_affinity_picture(card, options.out, [model])
    except TrainingError as error:
        raise TrainingError(f"{model}: {error}") from None
    show(f"row: the task that helps, column: the task that is helped; drawn in {options.out}")
    return DONE


AFFINITIES = Command("look at what the tasks are to each other", DESCRIPTION, add_arguments, run)
