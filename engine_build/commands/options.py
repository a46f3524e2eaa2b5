"""Options that several commands of avtar-engine have."""

from __future__ import annotations

import argparse
import json
from typing import Any

from avtar_ros.terminal.command_line import positive_int, show


def add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", metavar="DIR|BAG", help="compare on these as well: pictures, a video or a bag")
    parser.add_argument(
        "--every", type=positive_int, default=1, metavar="N", help="take every N-th of them (default: 1)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")


def print_json(document: Any) -> None:
    show(json.dumps(document, indent=1))
