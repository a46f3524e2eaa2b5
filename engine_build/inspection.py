"""What is in a model or engine file, and whether this machine can run it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avtar_ros.engines.engine import EngineError, EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.engines.sidecar import Sidecar, TensorInfo, faults, interface, read_plan, read_sidecar
from avtar_ros.engines.tensorrt import TensorRTEngine
from avtar_ros.model_card import ModelCard
from engine_build.machine import Machine, this_machine
from engine_build.onnx_model import read_model
from engine_build.stages import stage_of


@dataclass(frozen=True)
class Layer:
    """A row of the layer table: milliseconds of one image where it could be run, else bytes of weights."""

    name: str
    amount: float


@dataclass(frozen=True)
class Inspection:
    """`obstacles` is why this machine cannot run the file, one sentence each; empty where it can."""

    kind: str
    size: int
    card: ModelCard
    sidecar: Sidecar | None
    tensors: dict[str, TensorInfo]
    layers: tuple[Layer, ...]
    unit: str
    obstacles: tuple[str, ...]


def inspect(path: Path) -> Inspection:
    """Look into a file; raises AvtarError or BuildError if it is not what its name says."""
    return _inspect_engine(path) if path.suffix == ".engine" else _inspect_onnx(path)


def _inspect_onnx(path: Path) -> Inspection:
    model = read_model(path)
    sizes = {tensor.name: len(tensor.raw_data) for tensor in model.graph.graph.initializer}
    table: Counter[str] = Counter()
    for node in model.graph.graph.node:
        for name in node.input:
            table[stage_of(node)] += sizes.pop(name, 0)  # weights that are shared count once
    try:
        open_engine(path).close()
        obstacles: tuple[str, ...] = ()
    except EngineError as error:
        obstacles = (str(error),)
    layers = tuple(Layer(name, size) for name, size in table.most_common() if size)
    kind = f"ONNX, {model.precision}"
    return Inspection(kind, path.stat().st_size, model.card, None, interface(model.card), layers, "bytes", obstacles)


def _inspect_engine(path: Path) -> Inspection:
    sidecar = read_sidecar(path)
    size = len(read_plan(path, sidecar))
    obstacles = _obstacles(path, sidecar, this_machine())
    layers: tuple[Layer, ...] = ()
    if not obstacles:
        engine = TensorRTEngine(path, EngineOptions())
        with engine:
            blank = np.zeros((1, engine.card.height, engine.card.width, 3), np.uint8)
            times = engine.layer_times(blank)
        layers = tuple(Layer(*item) for item in sorted(times.items(), key=lambda item: -item[1]))
    kind = f"TensorRT engine, {sidecar.options.precision}"
    return Inspection(kind, size, sidecar.card, sidecar, sidecar.tensors, layers, "ms", obstacles)


def _obstacles(path: Path, sidecar: Sidecar, machine: Machine) -> tuple[str, ...]:
    reasons = faults(sidecar, machine.tensorrt, machine.gpu)
    if not sidecar.verified:
        reasons.append(f"It is not verified yet: avtar-engine verify {path} --against MODEL.onnx")
    return tuple(reasons)
