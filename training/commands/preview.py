"""avtar-train preview: look at the data of a config."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from avtar_ros.terminal.command_line import DONE, Command, positive_int, show
from training.overrides import add_set

if TYPE_CHECKING:
    from training.data.config import Split


DESCRIPTION = (
    "Write pictures of samples of a config's data with all their maps, as training would get them."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="YAML; ready ones lie in training/configs/")
    parser.add_argument("--out", type=Path, default=Path("previews"), metavar="FOLDER",
                         help="where to write them (default: %(default)s)")
    parser.add_argument("--count", type=positive_int, default=12, help="how many, evenly spread (default: %(default)s)")
    parser.add_argument("--validation", action="store_true", help="of the images that are kept from training")
    parser.add_argument("--augmented", action="store_true", help="changed at random as training changes them")
    add_set(parser)


def run(options: argparse.Namespace, command: str) -> int:
    from training.config import load_config
    from training.previews import write_data_previews

    split: Split = "validation" if options.validation else "train"
    config = load_config(options.config, settings=options.set)
    write_data_previews(config, options.out, options.count, split, options.augmented)
    show(f"pictures are in {options.out}")
    return DONE


PREVIEW = Command("look at the data of a config", DESCRIPTION, add_arguments, run)
