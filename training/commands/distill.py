"""avtar-train distill: from a recording to a model that runs, in one command."""

from __future__ import annotations

import argparse
from pathlib import Path

from avtar_ros.terminal.command_line import DONE, Command, show
from training.commands.options import figures_text
from training.commands.teach import add_source, default_config

DESCRIPTION = (
    "Let a config's teachers label a recording or pictures, train the model of the config on their labels, measure it "
    "on frames kept from training, against the teachers and against a sensor's depth where there is some, and export "
    "it. What it will take is said first. Run again after an interruption, it goes on."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument("--from", dest="start_from", type=Path, metavar="CHECKPOINT",
                        help="go on from this model (default: the demo model, unless --config is given)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for checkpoints, log and the model")


def run(options: argparse.Namespace, command: str) -> int:
    from avtar_ros.resources import DEMO_MODEL, find_resource
    from training.checkpoint import load_checkpoint
    from training.config import load_config
    from training.distil import distil, estimated, measured
    from training.export import ExportOptions, export
    from training.teach import source_settings

    start_from = options.start_from
    if start_from is None and options.config is None:
        start_from = find_resource(DEMO_MODEL).with_suffix(".safetensors")
    settings = [*source_settings(options.source), *options.set]
    config = load_config(options.config or default_config(), start_from, settings)
    show(estimated(config, options.out))
    checkpoint = distil(config, options.out)
    model = options.out / f"{config.file_name}.onnx"
    card = export(load_checkpoint(checkpoint), model, ExportOptions(command=command))
    for what, figures in measured(config, model).items():
        show(f"{what}:\n{figures_text(figures)}")
    show(f"{model}: {', '.join(card.tasks)}; licence: {card.licence or 'none given'}")
    show(f"Next: avtar-replay BAG --model {model} --out FOLDER")
    return DONE


DISTILL = Command("label, train, measure and export in one go", DESCRIPTION, add_arguments, run)
