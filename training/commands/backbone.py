"""avtar-train backbone: a trained backbone by itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from avtar_ros.terminal.command_line import DONE, Command, show

DESCRIPTION = (
    "Write the backbone of a checkpoint of a phase that trains it as a Hugging Face folder, which a "
    "config can name as `model.backbone.pretrained`."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="last.safetensors of a phase with `trains: backbone`")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write it")


def run(options: argparse.Namespace, command: str) -> int:
    from training.build import write_backbone
    from training.checkpoint import load_checkpoint

    write_backbone(load_checkpoint(options.checkpoint), options.out)
    show(f"model: {{backbone: {{pretrained: {options.out}}}}}")
    return DONE


BACKBONE = Command("a trained backbone by itself", DESCRIPTION, add_arguments, run)
