"""avtar-engine: from an ONNX model to a TensorRT engine for the device at hand."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avtar_ros.agreement import FIGURES, PRECISIONS, describe
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

    build = commands.add_parser(
        "build", help="ONNX model to engine",
        description="Build an engine for this machine, compare it with its model, and only then give it its name. "
        "Where the engine is there and nothing has changed, nothing is done.",
    )  # fmt: skip
    build.add_argument("model", type=Path, help="an .onnx file made by avtar-train export")
    build.add_argument("--out", type=Path, metavar="FILE", help="the engine (default: the model's name, .engine)")
    build.add_argument("--precision", choices=PRECISIONS, help="refuse a model of the other (default: the model's)")
    build.add_argument("--batch", type=_positive, default=1, metavar="N", help="most images at once (default: 1)")
    build.add_argument("--workspace", type=_positive, default=0, metavar="MB",
                       help="the builder's working memory (default: half of what is free)")  # fmt: skip
    build.add_argument("--level", type=int, choices=range(6), default=3,
                       help="how long to look for fast kernels (default: %(default)s)")  # fmt: skip
    build.add_argument("--device", metavar="NAME", help="refuse to build on any other; see avtar-engine devices")
    build.add_argument(
        "--compile-only", action="store_true",
        help="on a machine that cannot run it: do not verify; the node refuses it until that is done",
    )  # fmt: skip
    build.add_argument("--force", action="store_true", help="build also where nothing has changed")
    _add_images(build)
    _add_json(build)
    build.set_defaults(run=_build)

    verify = commands.add_parser(
        "verify", help="compare an engine with its model",
        description="Compare an engine (or a half-precision ONNX model) with an ONNX model, on made-up images and on "
        "those given. An engine's sidecar keeps the outcome.",
        epilog=f"At most, for each task: {_limits()}.",
    )  # fmt: skip
    verify.add_argument("model", type=Path, metavar="ENGINE", help="an .engine or .onnx file")
    verify.add_argument("--against", type=Path, required=True, metavar="MODEL", help="the .onnx file it came from")
    _add_images(verify)
    _add_json(verify)
    verify.set_defaults(run=_verify)
    return parser


def _limits() -> str:
    return "; ".join(
        f"{task} {figure.title} {', '.join(f'{limit:g}{figure.unit} ({p})' for p, limit in figure.limits.items())}"
        for task, figure in FIGURES.items()
    ).replace("%", "%%")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive whole number")
    return int(text)


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", metavar="DIR|BAG", help="compare on these as well: pictures, a video or a bag")
    parser.add_argument("--every", type=_positive, default=1, metavar="N", help="take every N-th of them (default: 1)")


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
    for reason in machine.missing.values():
        print(f"  {reason}")
    print(f"More devices can be described in {user_table()}.")


def _build(options: argparse.Namespace) -> None:
    from engine_build.build import BuildRequest, build
    from engine_build.verify import ComparedOn

    out = options.out or options.model.with_suffix(".engine")
    result = build(
        BuildRequest(
            model=options.model,
            out=out,
            precision=options.precision,
            batch=options.batch,
            workspace_mb=options.workspace,
            level=options.level,
            device=options.device,
            compile_only=options.compile_only,
            force=options.force,
            compared_on=ComparedOn(options.images, options.every),
        )
    )
    sidecar = result.sidecar
    if options.json:
        _print_json({"engine": str(out), "changes": result.changes, "sidecar": dataclasses.asdict(sidecar)})
        return
    if result.changes:
        size = out.stat().st_size / 1e6
        print(f"{out}: {size:.1f} MB, {sidecar.options.precision}, built in {sidecar.build_seconds:.0f} s, because")
        print("".join(f"  {change}\n" for change in result.changes), end="")
    else:
        print(f"{out}: up to date; model, options, TensorRT and GPU are those that it was built with.")
    if sidecar.verified:
        print(f"It gives its model's maps:\n{describe(sidecar.agreement)}")
    else:
        print(f"Not verified. On the machine that will run it: avtar-engine verify {out} --against {options.model}")


def _verify(options: argparse.Namespace) -> None:
    from engine_build.verify import ComparedOn, verify

    agreements = verify(options.model, options.against, ComparedOn(options.images, options.every))
    if options.json:
        _print_json({task: dataclasses.asdict(agreement) for task, agreement in agreements.items()})
    else:
        print(f"{options.model} gives the maps of {options.against}:\n{describe(agreements)}")


if __name__ == "__main__":
    sys.exit(main())
