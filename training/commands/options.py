"""Options that several commands of avtar-train have, and how figures are printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from training import seeds


def add_rooms(parser: argparse.ArgumentParser, count: Callable[[str], int]) -> None:
    parser.add_argument(
        "--rooms", type=count, default=seeds.HELD_OUT_ROOMS,
        help=f"how many rooms (default: {seeds.HELD_OUT_ROOMS}), or how many images at most",
    )
    parser.add_argument("--seed", type=int, default=seeds.HELD_OUT, help="of the first room (default: %(default)s)")


def image_size(text: str) -> tuple[int, int]:
    """Width and height from WIDTHxHEIGHT."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 32 and int(height) >= 32):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write WIDTHxHEIGHT, such as 256x192, at least 32x32")
    return int(width), int(height)


def figures_text(figures: Mapping[str, float]) -> str:
    from avtar_ros import plain_figures
    from avtar_ros.metrics import known_figures

    return plain_figures.figures_text(figures, known_figures())
