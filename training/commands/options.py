"""Options that several commands of avtar-train have, and how figures are printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from training import seeds


def add_rooms(parser: argparse.ArgumentParser, count: Callable[[str], int]) -> None:
    parser.add_argument("--rooms", type=count, default=seeds.HELD_OUT_ROOMS, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=seeds.HELD_OUT, help="of the first room (default: %(default)s)")


def figures_text(figures: Mapping[str, float]) -> str:
    from avtar_ros import plain_figures
    from avtar_ros.metrics import known_figures

    return plain_figures.figures_text(figures, known_figures())
