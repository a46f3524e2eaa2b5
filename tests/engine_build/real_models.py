"""Models as training makes them, only small and untrained."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.training.tiny import FAMILIES, run_config
from training.checkpoint import Checkpoint, model_tensors
from training.export import ExportOptions, export
from training.fit import build_model, new_card


def export_tiny(path: Path, family: str, precision: str) -> None:
    """Write the ONNX file of an untrained network on one family of backbones."""
    torch.manual_seed(0)
    model = {"backbone": {"settings": FAMILIES[family]}, "replace": [0, 0, 0, 1], "window": 2, "decoder_channels": 8}
    config = run_config(model=model)
    card = new_card(config)
    network = build_model(config, "adapters", card)
    checkpoint = Checkpoint(config, card, "adapters", 0, model_tensors(network))
    export(checkpoint, path, ExportOptions(rooms=0, precision=precision))
