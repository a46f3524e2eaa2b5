"""avtar-train teach: labels for any recording or pictures, by public models."""

from __future__ import annotations

import argparse
from pathlib import Path

from avtar_ros.terminal.command_line import DONE, Command, show
from training.overrides import add_set

DESCRIPTION = (
    "Let a config's teachers label all frames of a recording, or pictures, and write them as a folder of images with "
    "maps: `dataset: folder` reads it. Look at them, correct them with any painting program, train. Labels are "
    "kept: an interrupted run goes on."
)


def add_source(parser: argparse.ArgumentParser) -> None:
    """What is labelled, and by whom."""
    parser.add_argument("source", type=Path, metavar="BAG", help="a recording, or a folder of pictures")
    parser.add_argument("--config", type=Path, help="with `dataset: taught` (default: training/configs/taught.yaml)")
    add_set(parser)


def default_config() -> Path:
    return Path(__file__).parents[1] / "configs" / "taught.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write them")


def run(options: argparse.Namespace, command: str) -> int:
    from training.config import load_config
    from training.teach import source_settings, write_taught

    settings = [*source_settings(options.source), *options.set]
    config = load_config(options.config or default_config(), settings=settings)
    count = write_taught(config, options.out, options.source)
    show(f"{options.out}: {count} images with labels. Next: data: {{dataset: folder, root: {options.out}}}")
    return DONE


TEACH = Command("label a recording or pictures by public models", DESCRIPTION, add_arguments, run)
