"""avtar-engine inspect: say what is in a model or engine file."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from avtar_ros.agreement import describe
from avtar_ros.engines.engine import INPUT
from avtar_ros.terminal.command_line import DONE, Command, positive_int, show
from engine_build.commands.options import add_json, print_json

DESCRIPTION = (
    "Show a file's card, its inputs and outputs, what built it, where its time or size goes, and "
    "whether this machine can run it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="FILE", help="an .onnx or .engine file")
    parser.add_argument("--layers", type=positive_int, default=15, metavar="N",
                         help="rows of the layer table (default: 15)")
    add_json(parser)


def run(options: argparse.Namespace, command: str) -> int:
    from engine_build.inspection import inspect

    found = inspect(options.model)
    if options.json:
        print_json(dataclasses.asdict(found))
        return DONE
    card, sidecar = found.card, found.sidecar
    show(f"{options.model}: {found.kind}, {found.size / 1e6:.1f} MB")
    show(f"  model    {card.name}: {', '.join(card.tasks)}; licence {card.licence or 'not stated'}")
    show(f"  trained  on {card.training_data or 'not stated'}")
    if card.classes:
        show(f"  classes  {', '.join(each.name for each in card.classes)}")
    if (depth := card.depth) is not None:
        show(f"  depth    {depth.min_m:g} to {depth.max_m:g} m, at a focal length of {depth.focal_px:g} px")
    for name, figure in card.metrics.items():
        show(f"  measured {name} {figure:g}")
    for what, text in card.provenance.items():
        show(f"  origin   {what}: {text}")
    for name, tensor in found.tensors.items():
        show(f"  {'input ' if name == INPUT else 'output'}   {name}: {tensor}")
    if sidecar is not None:
        kept = ", ".join(sidecar.options.keep_fp32) or "nothing"
        show(f"  built    {sidecar.built_at} in {sidecar.build_seconds:.0f} s, by TensorRT {sidecar.tensorrt}")
        show(f"  for      {sidecar.gpu or 'no GPU; it was only compiled'}, batches of up to {sidecar.options.batch}")
        show(f"  options  level {sidecar.options.level}, {sidecar.workspace_mb} MB of workspace, in float32: {kept}")
        show(f"  verified {'yes' if sidecar.verified else 'no'}")
        show(describe(sidecar.agreement), end="\n" if sidecar.agreement else "")
    for layer in found.layers[: options.layers]:
        show(f"  {layer.amount:12,.{3 if found.unit == 'ms' else 0}f} {found.unit}  {layer.name}")
    show("This machine can run it." if not found.obstacles else "This machine cannot run it:")
    for obstacle in found.obstacles:
        show(f"  {obstacle}")
    return DONE


INSPECT = Command("say what is in a model or engine file", DESCRIPTION, add_arguments, run)
