"""doctor: what is right and wrong with ROS, cameras, model and machine, and the line that mends it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Sequence

from avtar_ros.doctor import machine
from avtar_ros.doctor.finding import Finding, Level
from avtar_ros.errors import AvtarError
from avtar_ros.terminal.command_line import DONE, FAILED, Command, Program, positive, show

LISTEN_S = 3.0
DESCRIPTION = """\
Look at what the node needs: ROS and its middleware, the transport profile, shared memory, the cameras that are seen,
the model, GPU and clocks. Each fault comes with the line that mends it. No node has to run.

  ros2 run avtar_ros doctor
  ros2 run avtar_ros doctor --model my.engine --seconds 10

It ends with 1 where something cannot work. Cameras and profile are judged in this shell's environment: start it in one
like the node's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="an .onnx or .engine file, or a shipped model's name (default: the demo model)")
    parser.add_argument(
        "--seconds", type=positive, default=LISTEN_S, metavar="S", help="how long to listen to cameras (default: 3)"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace, command: str) -> int:
    findings = []
    for finding in findings_of(options.model, options.seconds):
        findings.append(finding)
        if not options.json:
            show("\n".join(finding.lines()), flush=True)
    if options.json:
        show(json.dumps([dataclasses.asdict(f) | {"level": f.level.name} for f in findings], indent=1))
    return FAILED if any(finding.level is Level.ERROR for finding in findings) else DONE


def findings_of(model_name: str | None, seconds: float) -> Iterator[Finding]:
    """All there is to be found, in the order in which faults should be mended."""
    yield from _ros(seconds)
    yield machine.shared_memory()
    yield machine.gpu()
    yield from machine.clocks()
    yield from _model(model_name)


def _ros(seconds: float) -> Iterator[Finding]:
    try:
        from avtar_ros.doctor.cameras import cameras, middleware
    except ImportError as error:
        mend = "source /opt/ros/$ROS_DISTRO/setup.bash && source install/setup.bash"
        yield Finding("ROS", Level.ERROR, f"rclpy cannot be imported ({error})", mend)
        return
    name = middleware()
    yield Finding("ROS", Level.OK, f"{os.environ.get('ROS_DISTRO') or 'distribution not told'}, {name}")
    yield machine.environment_of_ros()
    yield machine.transport(os.environ, name)
    try:
        yield from cameras(seconds)
    except AvtarError as error:
        yield Finding("cameras", Level.ERROR, str(error))


def _model(name: str | None) -> list[Finding]:
    from avtar_ros.doctor.model import model
    from avtar_ros.resources import find_model

    try:
        path = find_model(name)
    except AvtarError as error:
        return [Finding("model", Level.ERROR, str(error))]
    return model(path)


PROGRAM = Program(
    name="doctor",
    description=DESCRIPTION,
    commands={},
    usual=Command("look at the machine", DESCRIPTION, add_arguments, run),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return PROGRAM.main(argv)


if __name__ == "__main__":
    sys.exit(main())
