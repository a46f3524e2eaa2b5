"""avtar-engine bench: measure how fast models run here."""

from __future__ import annotations

import argparse
import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from avtar_ros.terminal.command_line import DONE, Command, not_negative, positive, positive_int, show
from engine_build.bench import Measured, Spread
from engine_build.commands.options import add_json, print_json
from engine_build.errors import BuildError

DESCRIPTION = (
    "Measure how fast models run here, in trtexec's terms: throughput, latency (H2D + GPU compute + "
    "D2H), enqueue time, and host latency, which is from the call to the maps."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL", help=".onnx or .engine files")
    parser.add_argument("--compare", action="store_true", help="run two in turn and give the ratio of their times")
    parser.add_argument("--batch", type=positive_int, nargs="+", default=[1], metavar="N",
                       help="images at once (default: 1)")
    parser.add_argument("--seconds", type=positive, default=10, help="for each measurement (default: %(default)g)")
    parser.add_argument(
        "--warmup", type=not_negative, default=2, metavar="SECONDS", help="before it (default: %(default)g)"
    )
    parser.add_argument("--threads", type=int, default=0, help="of ONNX Runtime (default: one a core)")
    parser.add_argument("--zero-copy", action="store_true", help="on a Jetson: let the GPU work in the CPU's memory")
    add_json(parser)


def run(options: argparse.Namespace, command: str) -> int:
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
                show(f"{path}\n{engine.description}; {machine.name}\n{''.join(map(_describe_measured, measured))}")
        if options.compare:
            engine, other = engines
            first, second = options.models
            ratios = {
                batch: compare(engine, other, batch, options.seconds, options.warmup) for batch in options.batch
            }
            document["ratios"] = {batch: dataclasses.asdict(ratio) for batch, ratio in ratios.items()}
            for batch, ratio in ratios.items() if not options.json else ():
                show(
                    f"batch {batch}: {first} takes {ratio.median:.3f} times as long as {second} "
                    f"(middle half of {ratio.rounds} rounds: {ratio.low:.3f} to {ratio.high:.3f})"
                )
    if options.json:
        print_json(document)
    return DONE


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


BENCH = Command("measure how fast models run here", DESCRIPTION, add_arguments, run)
