"""avtar-train path-traced: render rooms with real furniture into a folder of images with maps."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from avtar_ros.terminal.command_line import DONE, Command, positive_int, show
from training.commands.options import image_size

DESCRIPTION = (
    "Path-trace rooms with furniture of true size into a folder of images with exact depth, normals, classes and "
    "edges, which a config reads with `dataset: folder` and `root`. An image takes a second or two of a core. Run "
    "again after an interruption, it goes on where it stopped; with more --images it adds some. Needs Mitsuba 3 (pip "
    "install 'avtar_ros[path-tracing]') and, of Debian, libllvm19 and sweethome3d-furniture (apt install)."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write them")
    parser.add_argument("--images", type=positive_int, default=3000, help="how many in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other rooms (default: %(default)s)")
    parser.add_argument(
        "--size", type=image_size, default=(280, 210), metavar="WxH", help="of the images (default: 280x210)"
    )
    parser.add_argument(
        "--samples", type=positive_int, default=5,
        help="paths a pixel; more take longer and give less noise (default: %(default)s)",
    )
    parser.add_argument(
        "--kinds", nargs="+", metavar="KIND", default=[],
        help="of these kinds of rooms alone, such as kitchen (default: all kinds, as often as there are such rooms)",
    )
    parser.add_argument(
        "--furniture", type=Path, metavar="FOLDER", help="of the .sh3f libraries (default: where Debian puts them)"
    )
    parser.add_argument(
        "--processes", type=positive_int, default=os.cpu_count() or 1,
        help="how many render at a time (default: one a core)",
    )


def run(options: argparse.Namespace, command: str) -> int:
    from training.data.path_traced_rooms.catalogue import FURNITURE
    from training.data.path_traced_rooms.write import Job, write_path_traced

    width, height = options.size
    furniture = options.furniture or FURNITURE
    kinds = tuple(options.kinds)
    job = Job(options.out, options.images, options.seed, width, height, options.samples, furniture, kinds)
    for kind, count in write_path_traced(job, options.processes).items():
        show(f"{kind:12} {count}")
    show(f"images with maps are in {options.out}; train on them with `dataset: folder` and `root: {options.out}`")
    return DONE


PATH_TRACED = Command("render rooms with real furniture", DESCRIPTION, add_arguments, run)
