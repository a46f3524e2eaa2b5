"""An ONNX model to an engine file with its sidecar, which get their names only when they have proved right."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from avtar_ros.disk.outputs import check_file
from avtar_ros.engines.self_test import golden_from_metadata
from avtar_ros.engines.sidecar import (
    BuildOptions,
    Sidecar,
    SidecarError,
    is_sidecar,
    read_plan,
    read_sidecar,
    sidecar_path,
    write_sidecar,
)
from avtar_ros.engines.tensorrt import load_tensorrt
from avtar_ros.errors import AvtarError
from avtar_ros.terminal.progress import Progress
from engine_build.compiler import MEBIBYTE, compile_model
from engine_build.devices import devices_like, find_device
from engine_build.errors import BuildError, VerificationError, writing
from engine_build.graph_rules import broken_rules
from engine_build.machine import Machine, this_machine
from engine_build.onnx_model import OnnxModel, read_model
from engine_build.stages import fewest, half_precision_stages, keep_in_float32
from engine_build.timing_cache import cache_path
from engine_build.verify import ComparedOn, verify

log = logging.getLogger(__name__)

SHARE_OF_MEMORY = 0.5
"""Of the memory that is free, what the builder may use for workspace; the rest is for weights and the system."""


@dataclass(frozen=True)
class BuildRequest:
    """`precision` None takes the model's own; `device` names the one that this must be.

    `keep_fp32` are stages of a half-precision model to compute in float32; with `find_keep_fp32` the fewest that do.
    """

    model: Path
    out: Path
    precision: str | None = None
    batch: int = 1
    workspace_mb: int = 0
    level: int = 3
    keep_fp32: tuple[str, ...] = ()
    find_keep_fp32: bool = False
    device: str | None = None
    compile_only: bool = False
    force: bool = False
    compared_on: ComparedOn = field(default_factory=ComparedOn)


@dataclass(frozen=True)
class BuildResult:
    """`changes` says why it was built; none where the engine that was there is up to date."""

    sidecar: Sidecar
    changes: tuple[str, ...]


def build(request: BuildRequest) -> BuildResult:
    """Build what `request` asks for, unless it is there. Raises BuildError, AvtarError; then nothing is changed."""
    machine = this_machine()
    model = read_model(request.model)
    _check_request(request, model, machine)
    for rule in broken_rules(model.graph):
        log.warning("%s: %s TensorRT 10.3 may refuse that; export the model again.", request.model, rule)
    changes = ("a new build was asked for",) if request.force else _changes(request, model, machine)
    if not changes:
        if not request.compile_only and not read_sidecar(request.out).verified:
            verify(request.out, request.model, request.compared_on)
        return BuildResult(read_sidecar(request.out), ())
    with _draft(request.out) as draft:
        if request.find_keep_fp32:
            request = dataclasses.replace(request, keep_fp32=_stages_to_keep(request, model, machine, draft))
        sidecar = compile_engine(request, model, machine, draft)
        if not request.compile_only:
            verify(draft, request.model, request.compared_on)
            sidecar = read_sidecar(draft)
        # In between, the engine there is does not fit its sidecar, and is not loaded.
        sidecar_path(draft).replace(sidecar_path(request.out))
        draft.replace(request.out)
    return BuildResult(sidecar, changes)


def options_of(request: BuildRequest, model: OnnxModel) -> BuildOptions:
    return BuildOptions(model.precision, request.batch, request.workspace_mb, request.level, request.keep_fp32)


def compile_engine(request: BuildRequest, model: OnnxModel, machine: Machine, path: Path) -> Sidecar:
    """Write the engine of `model` and its sidecar, not verified, to `path`."""
    trt = load_tensorrt()
    workspace_mb = request.workspace_mb or int(SHARE_OF_MEMORY * machine.free_memory / MEBIBYTE)
    begun = time.monotonic()
    options = options_of(request, model)
    graph = keep_in_float32(model.graph, options.keep_fp32) if options.keep_fp32 else model.graph
    timings = cache_path(str(trt.__version__), machine.gpu)
    compiled = compile_model(
        trt, dataclasses.replace(model, graph=graph), options, workspace_mb, timings, machine.cuda
    )
    sidecar = Sidecar(
        card=model.card,
        onnx_sha256=model.sha256,
        engine_sha256=hashlib.sha256(compiled.plan).hexdigest(),
        tensorrt=str(trt.__version__),
        cuda=machine.cuda or "",
        gpu=machine.gpu,
        device=request.device or ", ".join(device.name for device in devices_like(machine)),
        options=options,
        workspace_mb=workspace_mb,
        tensors=compiled.tensors,
        built_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        build_seconds=round(time.monotonic() - begun, 1),
        golden=golden_from_metadata({entry.key: entry.value for entry in model.graph.metadata_props}, model.path),
    )
    path.write_bytes(compiled.plan)
    write_sidecar(path, sidecar)
    return sidecar


def _stages_to_keep(request: BuildRequest, model: OnnxModel, machine: Machine, draft: Path) -> tuple[str, ...]:
    """The fewest stages that must compute in float32 for the engine to agree with its model, found by building."""
    stages = half_precision_stages(model.graph)

    def agrees(kept: Sequence[str]) -> bool:
        Progress.remark(f"trying float32 in: {', '.join(kept) or 'nothing'}", file=sys.stderr)
        compile_engine(dataclasses.replace(request, keep_fp32=tuple(kept)), model, machine, draft)
        try:
            verify(draft, request.model, request.compared_on)
        except VerificationError:
            return False
        return True

    if not agrees(stages):
        raise VerificationError(
            f"{model.path}: differs even with every stage in float32, so rounding is not the cause. Build the float32 "
            "model, and compare with that: avtar-engine verify ENGINE --against FLOAT32.onnx"
        )
    return tuple(fewest(stages, agrees))


def _check_request(request: BuildRequest, model: OnnxModel, machine: Machine) -> None:
    if request.out.suffix != ".engine" or request.out.is_dir():
        raise BuildError(f"{request.out}: engines are files called SOMETHING.engine. Choose another name with --out.")
    if not request.out.parent.is_dir():
        raise BuildError(f"{request.out.parent}: no such folder. Make it, or choose another with --out.")
    check_file(request.out, [request.model], _has_sidecar)
    check_file(sidecar_path(request.out), [request.model], is_sidecar)
    if request.precision not in (None, model.precision):
        raise BuildError(
            f"{model.path}: this is a {model.precision} model, and {request.precision} was asked for. TensorRT takes "
            "every type as the ONNX file has it, so precision is chosen at export: "
            f"avtar-train export CHECKPOINT --precision {request.precision} --out FILE"
        )
    if (request.keep_fp32 or request.find_keep_fp32) and model.precision == "fp32":
        raise BuildError(f"{model.path}: this is a float32 model; there is nothing to keep in float32.")
    if request.find_keep_fp32 and request.compile_only:
        raise BuildError("what must be kept in float32 is found by running engines. Leave out --compile-only.")
    if request.device and not find_device(request.device).is_like(machine):
        here = ", ".join(device.name for device in devices_like(machine)) or "none of the known devices"
        raise BuildError(
            f"an engine for {request.device} must be built on one; this is {machine.name} ({here}). "
            "Copy the ONNX file there and build it there."
        )
    if not request.compile_only and machine.gpu is None:
        raise BuildError(
            f"no GPU to try the engine on: {machine.missing['gpu']} Build on the machine that will run it; "
            "--compile-only compiles all the same, and the engine must then be verified there."
        )


def _has_sidecar(engine: Path) -> bool:
    return is_sidecar(sidecar_path(engine))


def _changes(request: BuildRequest, model: OnnxModel, machine: Machine) -> tuple[str, ...]:
    """What speaks against the engine that is there; nothing where it is what a build would give."""
    if not request.out.is_file():
        return (f"there is no {request.out.name} yet",)
    try:
        sidecar = read_sidecar(request.out)
        read_plan(request.out, sidecar)
    except SidecarError:
        return ("the engine that is there has no usable sidecar",)
    except AvtarError:
        return ("the engine that is there is not the one of its sidecar",)
    options = options_of(request, model)
    wanted: dict[str, tuple[object, object]] = {
        "ONNX content": (sidecar.onnx_sha256[:12], model.sha256[:12]),
        "TensorRT": (sidecar.tensorrt, machine.tensorrt),
        "GPU": (str(sidecar.gpu or "none"), str(machine.gpu or "none")),
        "precision": (sidecar.options.precision, options.precision),
        "batch": (sidecar.options.batch, options.batch),
        "workspace in MB": (sidecar.options.workspace_mb or "automatic", options.workspace_mb or "automatic"),
        "level": (sidecar.options.level, options.level),
    }
    if not request.find_keep_fp32:
        before, now = (", ".join(stages) or "nothing" for stages in (sidecar.options.keep_fp32, options.keep_fp32))
        wanted["kept in float32"] = (before, now)
    return tuple(f"{what}: {old} → {new}" for what, (old, new) in wanted.items() if old != new)


@contextmanager
def _draft(out: Path) -> Iterator[Path]:
    """A place beside `out`, for an engine that has yet to prove right; nothing stays of it."""
    with writing(out), tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        yield Path(folder) / out.name
