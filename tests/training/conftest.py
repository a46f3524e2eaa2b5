"""Training's tests work on one thread: their tensors are tiny, and threads that wait for each other cost more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Read when torch is first imported; the processes that tests start inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a small adapter phase, whose tasks all differ."""
    from tests.training import tiny
    from training.checkpoint import save_checkpoint

    path = tmp_path_factory.mktemp("checkpoint") / "last.safetensors"
    save_checkpoint(tiny.adapted_checkpoint(), path)
    return path


@pytest.fixture(scope="session")
def exported(checkpoint_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That checkpoint as the ONNX file that `export` writes."""
    from training.checkpoint import load_checkpoint
    from training.export import ExportOptions, export

    path = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    export(load_checkpoint(checkpoint_path), path, ExportOptions(rooms=3, seed=7, command="avtar-train export"))
    return path
