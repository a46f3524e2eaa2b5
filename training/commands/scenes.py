"""avtar-train scenes: look at synthetic rooms."""

from __future__ import annotations

import argparse
from pathlib import Path

from avtar_ros.terminal.command_line import DONE, Command, positive_int
from training import seeds
from training.commands.options import image_size

DESCRIPTION = (
    "Write previews of synthetic rooms, or a bag of a camera walking through one, with ground truth."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, metavar="FOLDER", help="write a preview picture a room here")
    target.add_argument("--bag", type=Path, metavar="FILE", help="write an MCAP bag here")
    parser.add_argument("--seed", type=int, default=seeds.HELD_OUT, help="of the (first) room (default: %(default)s)")
    parser.add_argument("--rooms", type=positive_int, default=12, help="previews to write (default: %(default)s)")
    parser.add_argument("--frames", type=positive_int, default=90, help="frames of the bag (default: %(default)s)")
    parser.add_argument("--rate", type=_rate, default=15.0, help="frames per second of the bag (default: %(default)s)")
    parser.add_argument(
        "--size", type=image_size, default=(256, 192), metavar="WxH", help="of the images (default: 256x192)"
    )


def run(options: argparse.Namespace, command: str) -> int:
    from training.scenes import write_bag, write_previews

    width, height = options.size
    if options.bag:
        write_bag(options.bag, options.seed, options.frames, options.rate, width, height)
    else:
        write_previews(options.out, range(options.seed, options.seed + options.rooms), width, height)
    return DONE


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate between 0 and 1000 Hz")
    return rate


SCENES = Command("look at synthetic rooms", DESCRIPTION, add_arguments, run)
