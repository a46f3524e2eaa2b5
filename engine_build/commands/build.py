"""avtar-engine build: ONNX model to engine."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from avtar_ros.agreement import PRECISIONS, describe
from avtar_ros.terminal.command_line import DONE, Command, positive_int, show
from engine_build.commands.options import add_images, add_json, print_json

AUTO = "auto"


DESCRIPTION = (
    "Build an engine for this machine, compare it with its model, and only then give it its name. "
    "Where the engine is there and nothing has changed, nothing is done."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="an .onnx file made by avtar-train export")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the engine (default: the model's name, .engine)")
    parser.add_argument("--precision", choices=PRECISIONS, help="refuse a model of the other (default: the model's)")
    parser.add_argument("--batch", type=positive_int, default=1, metavar="N", help="most images at once (default: 1)")
    parser.add_argument("--keep-fp32", nargs="+", default=[], metavar="STAGE",
                       help="compute these stages of a half-precision model in float32 (see inspect); "
                       "auto: find the fewest that make it agree with its model")
    parser.add_argument("--workspace", type=positive_int, default=0, metavar="MB",
                       help="the builder's working memory (default: half of what is free)")
    parser.add_argument("--level", type=int, choices=range(6), default=3,
                       help="how long to look for fast kernels (default: %(default)s)")
    parser.add_argument("--device", metavar="NAME", help="refuse to build on any other; see avtar-engine devices")
    parser.add_argument(
        "--compile-only", action="store_true",
        help="on a machine that cannot run it: do not verify; the node refuses it until that is done",
    )
    parser.add_argument("--force", action="store_true", help="build also where nothing has changed")
    add_images(parser)
    add_json(parser)


def run(options: argparse.Namespace, command: str) -> int:
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
            keep_fp32=() if options.keep_fp32 == [AUTO] else tuple(options.keep_fp32),
            find_keep_fp32=options.keep_fp32 == [AUTO],
            device=options.device,
            compile_only=options.compile_only,
            force=options.force,
            compared_on=ComparedOn(options.images, options.every),
        )
    )
    sidecar = result.sidecar
    if options.json:
        print_json({"engine": str(out), "changes": result.changes, "sidecar": dataclasses.asdict(sidecar)})
        return DONE
    if result.changes:
        size = out.stat().st_size / 1e6
        show(f"{out}: {size:.1f} MB, {sidecar.options.precision}, built in {sidecar.build_seconds:.0f} s, because")
        show("".join(f"  {change}\n" for change in result.changes), end="")
    else:
        show(f"{out}: up to date; model, options, TensorRT and GPU are those that it was built with.")
    if sidecar.verified:
        show(f"It gives its model's maps:\n{describe(sidecar.agreement)}")
    else:
        show(f"Not verified. On the machine that will run it: avtar-engine verify {out} --against {options.model}")
    return DONE


BUILD = Command("ONNX model to engine", DESCRIPTION, add_arguments, run)
