"""The node with an engine that does nothing, for `benchmarks/node.py`: constant maps, so that only the node's own work
is left. It takes the parameters of `multitask_node`; of the model it uses the card alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines.engine import Engine, EngineOptions
from avtar_ros.model_card import read_onnx_card
from avtar_ros.node import engine_loader as node_engines
from avtar_ros.node.multitask_node import MultitaskNode
from avtar_ros.ros.process import run
from avtar_ros.tasks import Maps


class NullEngine(Engine):
    """Gives the same maps for all images: what is in them was random once."""

    description = "null engine, which returns constant maps"

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.card = read_onnx_card(path)
        random = np.random.default_rng(0)
        self._maps = {
            task.name: random.uniform(0.5, 1, (1, *task.shape(self.card.height, self.card.width))).astype(task.dtype)
            for task in self.card.task_records
        }

    def infer(self, images: NDArray[np.uint8]) -> Maps:
        return {task: np.repeat(values, len(images), axis=0) for task, values in self._maps.items()}

    def close(self) -> None:
        """It holds nothing."""


if __name__ == "__main__":
    node_engines.open_engine = NullEngine
    sys.exit(run(MultitaskNode))
