"""The whole way from nothing to a model that runs, in about a minute: python examples/tiny_training.py out

The model learns next to nothing in so few steps; what it shows is how the parts go together.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from avtar_ros.engines.opening import open_engine
from training.checkpoint import load_checkpoint
from training.config import RunConfig
from training.export import ExportOptions, export
from training.fit import fit

CONFIG = {
    "name": "tiny",
    "model": {
        "backbone": {
            "settings": {
                "model_type": "pvt_v2",
                "hidden_sizes": [8, 16, 24, 32],
                "depths": [1, 1, 2, 2],
                "num_attention_heads": [1, 2, 3, 4],
                "mlp_ratios": [2, 2, 2, 2],
            }
        },
        "replace": [0, 0, 1, 2],
        "window": 2,
        "decoder_channels": 8,
    },
    "data": {"width": 64, "height": 48, "rooms": 16, "validation_rooms": 4},
    "depth": {"focal_px": 50.0},
    "phases": [
        {"name": "adapters", "trains": "adapters", "steps": 6, "batch_size": 4, "warmup_steps": 2, "evaluate_every": 3}
    ],
}


def main(out: Path) -> None:
    checkpoint = fit(RunConfig.model_validate(CONFIG), out / "run")
    model = out / "tiny.onnx"
    export(load_checkpoint(checkpoint), model, ExportOptions(rooms=0))
    with open_engine(model) as engine:
        maps = engine.infer(np.zeros((1, engine.card.height, engine.card.width, 3), np.uint8))
    print({task: task_map.shape for task, task_map in maps.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
