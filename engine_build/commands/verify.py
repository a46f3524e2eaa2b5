"""avtar-engine verify: compare an engine with its model."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from avtar_ros.agreement import describe
from avtar_ros.tasks import TASKS
from avtar_ros.terminal.command_line import DONE, Command, show
from engine_build.commands.options import add_images, add_json, print_json

DESCRIPTION = (
    "Compare an engine with an ONNX model, on made-up images and on those given. Its sidecar keeps the "
    "outcome, and nothing runs an engine that has not agreed with its model."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("engine", type=Path, metavar="ENGINE", help="an .engine file made by avtar-engine build")
    parser.add_argument("--against", type=Path, required=True, metavar="MODEL",
                        help="the .onnx file it came from, or the same model in float32")
    add_images(parser)
    add_json(parser)


def run(options: argparse.Namespace, command: str) -> int:
    from engine_build.verify import ComparedOn, verify

    agreements = verify(options.engine, options.against, ComparedOn(options.images, options.every))
    if options.json:
        print_json({task: dataclasses.asdict(agreement) for task, agreement in agreements.items()})
    else:
        show(f"{options.engine} gives the maps of {options.against}:\n{describe(agreements)}")
    return DONE


def _limits() -> str:
    return "; ".join(
        f"{name} {d.title} {', '.join(f'{limit:g}{d.unit} ({precision})' for precision, limit in d.limits.items())}"
        for name, d in ((task.name, task.difference) for task in TASKS.values())
    )


VERIFY = Command(
    "compare an engine with its model", DESCRIPTION, add_arguments, run, f"At most, for each task: {_limits()}."
)
