"""Engine files as avtar-engine leaves them on an Orin, but with a plan that only a stand-in takes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from avtar_ros.engines.sidecar import BuildOptions, Sidecar, interface, write_sidecar
from avtar_ros.model_card import ModelCard
from tests.avtar_ros.engines.recording import ORIN
from tests.tiny_models import CLASSES, DEPTH

CARD = ModelCard("tiny", ("segmentation", "depth", "normals", "edges"), 6, 4, CLASSES, DEPTH)
BATCH = 2
PLAN = b"a plan"


def sidecar(**changes: Any) -> Sidecar:
    return Sidecar(
        card=CARD,
        onnx_sha256="0" * 64,
        engine_sha256=hashlib.sha256(PLAN).hexdigest(),
        tensorrt="10.3.0.30",
        cuda="12.6",
        gpu=ORIN,
        device="orin-nano-8",
        options=BuildOptions("fp16", BATCH),
        workspace_mb=512,
        tensors=interface(CARD),
        built_at="2026-01-01T00:00:00+00:00",
        build_seconds=60.0,
        verified=True,
    ).replace(**changes)


def write_engine(path: Path) -> Path:
    path.write_bytes(PLAN)
    write_sidecar(path, sidecar())
    return path
