"""What needs an NVIDIA GPU, and skips with the reason where there is none. `make test-gpu` runs it all."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from avtar_ros.engines.sidecar import Gpu
from engine_build.cli import main
from engine_build.machine import Machine, state, this_machine

Run = Callable[..., Any]


@pytest.fixture(scope="session")
def machine() -> Machine:
    """This machine, which has a GPU and TensorRT."""
    found = this_machine()
    if found.missing:
        pytest.skip(f"no {' and no '.join(found.missing)} here to run engines with; avtar-engine devices says why")
    return found


@pytest.fixture(scope="session")
def gpu(machine: Machine) -> Gpu:
    assert machine.gpu is not None
    return machine.gpu


@pytest.fixture(scope="session")
def avtar_engine(machine: Machine) -> Run:
    """Runs avtar-engine within this process; gives the JSON that it prints."""

    def run(*arguments: object) -> Any:
        with redirect_stdout(io.StringIO()) as printed:
            assert main([*map(str, arguments), "--json"]) == 0
        return json.loads(printed.getvalue())

    return run


@dataclass
class Measurements:
    """What was measured, for the file that is kept; nothing is kept unless $AVTAR_MEASUREMENTS names a folder."""

    machine: Machine
    engines: dict[str, Any] = field(default_factory=dict)
    bench: dict[str, Any] = field(default_factory=dict)

    def keep(self, folder: Path) -> None:
        document = {
            "machine": asdict(self.machine) | {"state": state()}, "engines": self.engines, "bench": self.bench,
        }
        name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{self.machine.name} TensorRT {self.machine.tensorrt}").strip("-")
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{name}.part"
        unfinished.write_text(json.dumps(document, indent=1) + "\n")
        unfinished.replace(folder / f"{name}.json")


@pytest.fixture(scope="session")
def measurements(machine: Machine) -> Iterator[Measurements]:
    measured = Measurements(machine)
    yield measured
    if folder := os.environ.get("AVTAR_MEASUREMENTS"):
        measured.keep(Path(folder))


@dataclass(frozen=True)
class Built:
    model: Path
    engine: Path


BATCH = 4


@pytest.fixture(scope="session", params=["avtar-demo", "avtar-demo-fp16"])
def built(
    request: pytest.FixtureRequest,
    avtar_engine: Run,
    measurements: Measurements,
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    """The demo model as an engine for this GPU, in float32 and in half precision."""
    model = repository / "models" / f"{request.param}.onnx"
    engine = tmp_path_factory.mktemp("engines") / f"{request.param}.engine"
    made = avtar_engine("build", model, "--out", engine, "--batch", BATCH, "--images", repository / "models/demo.mcap")
    sidecar = made["sidecar"]
    measurements.engines[request.param] = {"bytes": engine.stat().st_size} | {
        name: sidecar[name] for name in ("build_seconds", "workspace_mb", "options", "agreement")
    }
    return Built(model, engine)
