"""avtar-train export: checkpoint to ONNX."""

from __future__ import annotations

import argparse
from pathlib import Path

from avtar_ros.agreement import PRECISIONS
from avtar_ros.terminal.command_line import DONE, Command, show
from training.commands.options import add_rooms, figures_text

DESCRIPTION = (
    "Export a checkpoint to ONNX with its model card. The file is compared with PyTorch and measured "
    "on held-out rooms, or the validation images of its data, first; where it differs, nothing is written."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="last.safetensors of the last phase")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .onnx file to write")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="pictures to compare on, beside rooms and noise")
    parser.add_argument("--manifest", type=Path, metavar="FILE",
                        help="real images to measure on for the card, too (as `evaluate --manifest`)")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32",
                        help="of weights and activations; fp16 is for TensorRT (default: %(default)s)")
    add_rooms(parser, int)  # none is a choice: a model whose card has no figures


def run(options: argparse.Namespace, command: str) -> int:
    from training.checkpoint import load_checkpoint
    from training.export import ExportOptions, export

    card = export(
        load_checkpoint(options.checkpoint),
        options.out,
        ExportOptions(options.rooms, options.seed, options.images, options.manifest, options.precision, command),
    )
    show(figures_text(card.metrics))
    for key, agreement in card.provenance.items():
        if key.startswith("fp16."):
            show(f"{key}: {agreement}")
    show(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, {', '.join(card.tasks)}")
    return DONE


EXPORT = Command("checkpoint to ONNX", DESCRIPTION, add_arguments, run)
