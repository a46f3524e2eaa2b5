"""avtar-engine: from an ONNX model to a TensorRT engine for the device at hand."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

from avtar_ros.errors import AvtarError
from engine_build.errors import BuildError, VerificationError

INTERRUPTED = 130
DIFFERENT = 3
"""Exit code where an engine runs but does not give its model's maps."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit code: 0, 1 after an error, 3 after a failed verification, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except VerificationError as error:
        print(f"avtar-engine: {error}", file=sys.stderr)
        return DIFFERENT
    except (BuildError, AvtarError, OSError) as error:
        print(f"avtar-engine: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("avtar-engine: interrupted; nothing unfinished is left.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="avtar-engine",
        description="Build TensorRT engines from ONNX models, check them and measure them.",
        epilog="Exit codes: 0 done, 1 could not be done, 2 wrong usage, 3 the engine's maps differ, 130 interrupted.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    devices = commands.add_parser(
        "devices", help="list the known devices",
        description="List the devices that engines are built for, and mark the one this is.",
    )  # fmt: skip
    _add_json(devices)
    devices.set_defaults(run=_devices)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=1))


def _devices(options: argparse.Namespace) -> None:
    from engine_build.devices import known_devices, user_table
    from engine_build.machine import this_machine

    machine, devices = this_machine(), known_devices().values()
    if options.json:
        listed = [dataclasses.asdict(device) | {"this": device.is_like(machine)} for device in devices]
        _print_json({"machine": dataclasses.asdict(machine), "devices": listed})
        return
    print(f"  {'device':15} {'GPU':>5} {'SMs':>4} {'GB':>4} {'GB/s':>6} {'TFLOPS':>7}  FP16, dense")
    for device in devices:
        mark = "*" if device.is_like(machine) else " "
        figures = (device.sm_count, device.memory_gb, device.bandwidth_gb_s, device.fp16_tflops)
        sms, memory, bandwidth, tflops = (f"{figure:g}" if figure else "" for figure in figures)
        print(
            f"{mark} {device.name:15} {device.compute_capability:>5} {sms:>4} {memory:>4} {bandwidth:>6} {tflops:>7}  "
            f"{device.title}"
        )
    print(f"\nThis machine: {machine.name}; GPU: {machine.gpu or 'none'}; TensorRT: {machine.tensorrt or 'none'}.")
    for reason in machine.missing:
        print(f"  {reason}")
    print(f"More devices can be described in {user_table()}.")


if __name__ == "__main__":
    sys.exit(main())
