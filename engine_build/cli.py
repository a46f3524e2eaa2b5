"""avtar-engine: from an ONNX model to a TensorRT engine for the device at hand."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from avtar_ros.agreement import PRECISIONS, describe
from avtar_ros.engines.engine import INPUT
from avtar_ros.errors import AvtarError
from avtar_ros.tasks import TASKS
from engine_build.bench import Measured, Spread
from engine_build.errors import BuildError, VerificationError

INTERRUPTED = 130
AUTO = "auto"
DIFFERENT = 3
"""Exit code where an engine runs but does not give its model's maps."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit code: 0, 1 after an error, 3 after a failed verification, 130 interrupted."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    if not options.verbose:  # its errors are part of ours
        logging.getLogger("avtar_ros.engines.tensorrt").setLevel(logging.CRITICAL)
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
    parser.add_argument("--verbose", action="store_true", help="show what TensorRT has to say, too")
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
    build.add_argument("--keep-fp32", nargs="+", default=[], metavar="STAGE",
                       help="compute these stages of a half-precision model in float32 (see inspect); "
                       "auto: find the fewest that make it agree with its model")  # fmt: skip
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
        description="Compare an engine with an ONNX model, on made-up images and on those given. Its sidecar keeps the "
        "outcome, and nothing runs an engine that has not agreed with its model.",
        epilog=f"At most, for each task: {_limits()}.",
    )  # fmt: skip
    verify.add_argument("engine", type=Path, metavar="ENGINE", help="an .engine file made by avtar-engine build")
    verify.add_argument("--against", type=Path, required=True, metavar="MODEL",
                        help="the .onnx file it came from, or the same model in float32")  # fmt: skip
    _add_images(verify)
    _add_json(verify)
    verify.set_defaults(run=_verify)

    bench = commands.add_parser(
        "bench", help="measure how fast models run here",
        description="Measure how fast models run here, in trtexec's terms: throughput, latency (H2D + GPU compute + "
        "D2H), enqueue time, and host latency, which is from the call to the maps.",
    )  # fmt: skip
    bench.add_argument("models", type=Path, nargs="+", metavar="MODEL", help=".onnx or .engine files")
    bench.add_argument("--compare", action="store_true", help="run two in turn and give the ratio of their times")
    bench.add_argument("--batch", type=_positive, nargs="+", default=[1], metavar="N",
                       help="images at once (default: 1)")  # fmt: skip
    bench.add_argument("--seconds", type=float, default=10, help="for each measurement (default: %(default)g)")
    bench.add_argument("--warmup", type=float, default=2, metavar="SECONDS", help="before it (default: %(default)g)")
    bench.add_argument("--threads", type=int, default=0, help="of ONNX Runtime (default: one a core)")
    bench.add_argument("--zero-copy", action="store_true", help="on a Jetson: let the GPU work in the CPU's memory")
    _add_json(bench)
    bench.set_defaults(run=_bench)

    inspect = commands.add_parser(
        "inspect", help="say what is in a model or engine file",
        description="Show a file's card, its inputs and outputs, what built it, where its time or size goes, and "
        "whether this machine can run it.",
    )  # fmt: skip
    inspect.add_argument("model", type=Path, metavar="FILE", help="an .onnx or .engine file")
    inspect.add_argument("--layers", type=_positive, default=15, metavar="N",
                         help="rows of the layer table (default: 15)")  # fmt: skip
    _add_json(inspect)
    inspect.set_defaults(run=_inspect)
    return parser


def _limits() -> str:
    return "; ".join(
        f"{name} {d.title} {', '.join(f'{limit:g}{d.unit} ({precision})' for precision, limit in d.limits.items())}"
        for name, d in ((task.name, task.difference) for task in TASKS.values())
    )


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

    agreements = verify(options.engine, options.against, ComparedOn(options.images, options.every))
    if options.json:
        _print_json({task: dataclasses.asdict(agreement) for task, agreement in agreements.items()})
    else:
        print(f"{options.engine} gives the maps of {options.against}:\n{describe(agreements)}")


def _bench(options: argparse.Namespace) -> None:
    from avtar_ros.engines.engine import EngineOptions
    from avtar_ros.engines.opening import open_engine
    from engine_build.bench import bench, compare
    from engine_build.machine import state, this_machine

    if options.compare and len(options.models) != 2:
        raise BuildError("--compare takes two models.")
    how = EngineOptions(threads=options.threads, zero_copy=options.zero_copy)
    machine = this_machine()
    document: dict[str, Any] = {"machine": dataclasses.asdict(machine) | {"state": state()}, "models": []}
    with ExitStack() as opened:
        engines = [opened.enter_context(open_engine(path, how)) for path in options.models]
        for path, engine in zip(options.models, engines, strict=True):
            measured = [bench(engine, batch, options.seconds, options.warmup) for batch in options.batch]
            document["models"].append(
                {"model": str(path), "engine": engine.description, "measured": list(map(dataclasses.asdict, measured))}
            )
            if not options.json:
                print(f"{path}\n{engine.description}; {machine.name}\n{''.join(map(_describe_measured, measured))}")
        if options.compare:
            engine, other = engines
            first, second = options.models
            ratios = {
                batch: compare(engine, other, batch, options.seconds, options.warmup) for batch in options.batch
            }
            document["ratios"] = {batch: dataclasses.asdict(ratio) for batch, ratio in ratios.items()}
            for batch, ratio in ratios.items() if not options.json else ():
                print(
                    f"batch {batch}: {first} takes {ratio.median:.3f} times as long as {second} "
                    f"(middle half of {ratio.rounds} rounds: {ratio.low:.3f} to {ratio.high:.3f})"
                )
    if options.json:
        _print_json(document)


def _describe_measured(measured: Measured) -> str:
    names = [field.name for field in dataclasses.fields(Spread)]
    head = (
        f"  batch {measured.batch}: throughput {measured.throughput:.1f} queries/s, "
        f"{measured.images_per_second:.1f} images/s\n  {'ms':13}{''.join(f'{name:>9}' for name in names)}\n"
    )
    rows = (
        f"  {what:13}{''.join(f'{value:9.3f}' for value in dataclasses.astuple(spread))}\n"
        for what, spread in measured.spreads.items()
    )
    return head + "".join(rows)


def _inspect(options: argparse.Namespace) -> None:
    from engine_build.inspection import inspect

    found = inspect(options.model)
    if options.json:
        _print_json(dataclasses.asdict(found))
        return
    card, sidecar = found.card, found.sidecar
    print(f"{options.model}: {found.kind}, {found.size / 1e6:.1f} MB")
    print(f"  model    {card.name}: {', '.join(card.tasks)}; licence {card.licence or 'not stated'}")
    print(f"  trained  on {card.training_data or 'not stated'}")
    if card.classes:
        print(f"  classes  {', '.join(each.name for each in card.classes)}")
    if (depth := card.depth) is not None:
        print(f"  depth    {depth.min_m:g} to {depth.max_m:g} m, at a focal length of {depth.focal_px:g} px")
    for name, figure in card.metrics.items():
        print(f"  measured {name} {figure:g}")
    for what, text in card.provenance.items():
        print(f"  origin   {what}: {text}")
    for name, tensor in found.tensors.items():
        print(f"  {'input ' if name == INPUT else 'output'}   {name}: {tensor}")
    if sidecar is not None:
        kept = ", ".join(sidecar.options.keep_fp32) or "nothing"
        print(f"  built    {sidecar.built_at} in {sidecar.build_seconds:.0f} s, by TensorRT {sidecar.tensorrt}")
        print(f"  for      {sidecar.gpu or 'no GPU; it was only compiled'}, batches of up to {sidecar.options.batch}")
        print(f"  options  level {sidecar.options.level}, {sidecar.workspace_mb} MB of workspace, in float32: {kept}")
        print(f"  verified {'yes' if sidecar.verified else 'no'}")
        print(describe(sidecar.agreement), end="\n" if sidecar.agreement else "")
    for layer in found.layers[: options.layers]:
        print(f"  {layer.amount:12,.{3 if found.unit == 'ms' else 0}f} {found.unit}  {layer.name}")
    print("This machine can run it." if not found.obstacles else "This machine cannot run it:")
    for obstacle in found.obstacles:
        print(f"  {obstacle}")


if __name__ == "__main__":
    sys.exit(main())
