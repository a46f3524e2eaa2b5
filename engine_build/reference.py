"""What engines are compared with: their model in ONNX Runtime, with all of it computed in float32."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx

from avtar_ros.engines.digest import append_digest
from avtar_ros.engines.engine import Engine
from avtar_ros.engines.opening import open_engine
from engine_build.onnx_model import read_model
from engine_build.stages import half_precision_stages, keep_in_float32


@contextmanager
def open_reference(path: Path) -> Iterator[Engine]:
    """The model at `path`; of a half-precision one, every stage in float32 on the weights as they are.

    On x86 ONNX Runtime computes half precision in float32, on ARM in half precision, wholly or in part. Then what
    rounding costs the engine would not show, or the reference's own rounding would count against it.
    """
    model = read_model(path)
    with tempfile.TemporaryDirectory(prefix="avtar-reference-") as folder:
        exact = path
        if stages := half_precision_stages(model.graph):
            exact = Path(folder) / path.name
            onnx.save(keep_in_float32(model.graph, stages), str(exact))
            append_digest(exact)  # its own: the model's is not that of a changed graph
        with open_engine(exact) as engine:
            yield engine
