"""What is known of an engine file beside it, in `model.engine.json`: its card, what built it, and for which GPU.

A plan contains code, and runs only with the TensorRT and on the kind of GPU that built it. So nothing is loaded
whose sidecar does not say all of that, and whose bytes are not those that the sidecar was written for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from avtar_ros.agreement import Agreement
from avtar_ros.disk.files import write_text
from avtar_ros.engines.engine import INPUT, EngineError
from avtar_ros.engines.golden import Golden
from avtar_ros.errors import AvtarError
from avtar_ros.json_records import RecordError, parse_record, read_json
from avtar_ros.model_card import ModelCard

FORMAT = 1

class SidecarError(EngineError):
    """A sidecar that is missing, or does not say what it must."""


@dataclass(frozen=True)
class Gpu:
    """A GPU as far as engines depend on it. `compute_capability` is such as "8.7"."""

    name: str
    compute_capability: str
    sm_count: int

    def __str__(self) -> str:
        return f"{self.name} (compute capability {self.compute_capability}, {self.sm_count} SMs)"


@dataclass(frozen=True)
class BuildOptions:
    """What an engine was asked to be. `workspace_mb` 0 means from the memory that is free.

    `keep_fp32` names the stages of a half-precision model that compute in float32 all the same.
    """

    precision: str
    batch: int = 1
    workspace_mb: int = 0
    level: int = 3
    keep_fp32: tuple[str, ...] = ()


@dataclass(frozen=True)
class TensorInfo:
    """An input or output: dtype in NumPy's words, -1 where a dimension may vary."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"

    def size(self, batch: int) -> int:
        """Bytes of the tensor for so many images."""
        return batch * int(np.prod(self.shape[1:])) * np.dtype(self.dtype).itemsize


def interface(card: ModelCard) -> dict[str, TensorInfo]:
    """Inputs and outputs that the contract gives a model with this card; the batch may vary."""
    image = TensorInfo("uint8", (-1, card.height, card.width, 3))
    maps = {
        task.name: TensorInfo(np.dtype(task.dtype).name, (-1, *task.shape(card.height, card.width)))
        for task in card.task_records
    }
    return {INPUT: image} | maps


def is_interface(tensors: Mapping[str, TensorInfo], card: ModelCard, largest_batch: int) -> bool:
    """Whether an engine with these inputs and outputs is one of a model with this card.

    TensorRT folds a batch that cannot vary: an engine for single images says 1 where others say -1.
    """
    promised = interface(card)
    single = {name: TensorInfo(tensor.dtype, (1, *tensor.shape[1:])) for name, tensor in promised.items()}
    return tensors == promised or (largest_batch == 1 and tensors == single)


@dataclass(frozen=True)
class Sidecar:
    """All that is kept beside an engine. `gpu` is None where there was none: such an engine was only compiled.

    `workspace_mb` is what the builder was allowed in the end. `agreement` holds a task's figures of the last
    verification; `verified` is whether all of them held, on this GPU and TensorRT.
    """

    card: ModelCard
    onnx_sha256: str
    engine_sha256: str
    tensorrt: str
    cuda: str
    gpu: Gpu | None
    device: str
    options: BuildOptions
    workspace_mb: int
    tensors: dict[str, TensorInfo]
    built_at: str
    build_seconds: float
    verified: bool = False
    agreement: dict[str, Agreement] = field(default_factory=dict)
    golden: Golden | None = None
    format: int = FORMAT

    def replace(self, **changes: Any) -> Sidecar:
        return dataclasses.replace(self, **changes)


def sidecar_path(engine: Path) -> Path:
    return engine.with_name(f"{engine.name}.json")


def read_sidecar(engine: Path) -> Sidecar:
    """The sidecar of an engine file; raises SidecarError if it is missing or wrong."""
    path = sidecar_path(engine)
    try:
        raw = read_json(path.read_text(encoding="utf-8"), "the sidecar")
    except FileNotFoundError:
        raise SidecarError(
            f"{engine}: its sidecar {path.name} is missing, so nothing is known of this engine. Copy it from where "
            "the engine was built, or build again: avtar-engine build MODEL.onnx"
        ) from None
    except (UnicodeDecodeError, RecordError) as error:
        raise SidecarError(f"{path}: not JSON ({error}). Build the engine again.") from error
    except OSError as error:
        raise SidecarError(f"{path}: cannot be read ({error}).") from error
    if isinstance(raw, dict) and raw.get("format") != FORMAT:
        raise SidecarError(
            f"{path}: format {raw.get('format')!r} found, {FORMAT} wanted. Build the engine again with this avtar_ros."
        )
    try:
        return parse_record(Sidecar, raw, "sidecar", "sidecar.")
    except AvtarError as error:
        raise SidecarError(f"{path}: {error} Build the engine again.") from error


def is_sidecar(path: Path) -> bool:
    """Whether a file is the sidecar of an engine, be it of another version."""
    try:
        raw = read_json(path.read_text(encoding="utf-8"), "the sidecar")
    except (OSError, UnicodeDecodeError, RecordError):
        return False
    return isinstance(raw, dict) and "engine_sha256" in raw


def write_sidecar(engine: Path, sidecar: Sidecar) -> None:
    """Write the sidecar beside `engine`, whole or not at all."""
    write_text(sidecar_path(engine), json.dumps(dataclasses.asdict(sidecar), indent=1) + "\n")


def read_plan(engine: Path, sidecar: Sidecar) -> bytes:
    """The bytes of an engine file, which are those that its sidecar was written for."""
    try:
        plan = engine.read_bytes()
    except OSError as error:
        raise EngineError(f"{engine}: cannot be read ({error}).") from error
    if (found := hashlib.sha256(plan).hexdigest()) != sidecar.engine_sha256:
        raise EngineError(
            f"{engine}: not the file that its sidecar was written for: sha256 {found[:12]}… found, "
            f"{sidecar.engine_sha256[:12]}… wanted. It was changed, cut short or mixed up; it is not loaded. "
            "Copy both files again, or build again: avtar-engine build MODEL.onnx"
        )
    return plan


def faults(sidecar: Sidecar, tensorrt: str | None, gpu: Gpu | None) -> list[str]:
    """Why an engine with this sidecar cannot run with this TensorRT on this GPU: one sentence a reason."""
    reasons = []
    if tensorrt is None:
        reasons.append("TensorRT is not installed here.")
    elif tensorrt != sidecar.tensorrt:
        reasons.append(f"TensorRT {tensorrt} found, {sidecar.tensorrt} wanted, which built the engine.")
    if gpu is None:
        reasons.append("no NVIDIA GPU was found here.")
    elif sidecar.gpu is not None and _kind(gpu) != _kind(sidecar.gpu):
        reasons.append(f"GPU {gpu} found, {sidecar.gpu} wanted, for which the engine was built.")
    return reasons


def _kind(gpu: Gpu) -> tuple[str, int]:
    return gpu.compute_capability, gpu.sm_count
