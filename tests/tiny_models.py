"""Small real models that obey the contract of the shipped ones, for tests of what is around a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from avtar_ros.meaning import DepthRange, SemanticClass
from avtar_ros.model_card import CARD_KEY, ModelCard
from avtar_ros.tasks import Task

CLASSES = (
    SemanticClass("dark", (40, 40, 60)),
    SemanticClass("grey", (120, 180, 90)),
    SemanticClass("light", (240, 220, 150)),
)
DEPTH = DepthRange(min_m=0.5, max_m=10.0, focal_px=60.0)

# Each output, computed from `color` (B, H, W, 3) in [0, 1] and `grey`, its mean over the channels (B, H, W).
_NODES = {
    "segmentation": [("Mul", ["grey", "count"], "scaled"), ("Cast", ["scaled"], "segmentation")],
    "depth": [("Mul", ["grey", "span"], "spanned"), ("Add", ["spanned", "nearest"], "depth")],
    "normals": [
        ("Sub", ["color", "lean"], "leaning"),
        ("ReduceL2", ["leaning", "last"], "length"),
        ("Div", ["leaning", "length"], "normals"),
    ],
    "edges": [
        ("Sub", ["grey", "half"], "centred"),
        ("Abs", ["centred"], "distance"),
        ("Mul", ["distance", "two"], "edges"),
    ],
}
_CONSTANTS = {
    "bytes": np.float32(255),
    "last": np.array([-1], np.int64),
    "count": np.float32(2.999),
    "span": np.float32(DEPTH.max_m - DEPTH.min_m),
    "nearest": np.float32(DEPTH.min_m),
    "lean": np.array([0.5, 0.5, 2], np.float32),
    "half": np.float32(0.5),
    "two": np.float32(2),
}
_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "segmentation": {"to": TensorProto.UINT8},
    "length": {"keepdims": 1},
}


def write_tiny_model(
    path: Path,
    tasks: Sequence[str] = ("segmentation", "depth", "normals", "edges"),
    width: int = 64,
    height: int = 48,
    batch: int | str = "batch",
    **card_changes: Any,
) -> ModelCard:
    """Write an ONNX model with its card to `path`.

    Per pixel, with grey = mean(r, g, b) in [0, 1]: class = floor(2.999 grey), depth = 0.5 + 9.5 grey metres,
    normal ~ (r - 0.5, g - 0.5, b - 2), edge = 2 |grey - 0.5|. `batch`: images it takes at once, a name for any number.
    """
    card = ModelCard(
        name="tiny",
        tasks=tuple(tasks),
        width=width,
        height=height,
        classes=CLASSES if "segmentation" in tasks else (),
        depth=DEPTH if "depth" in tasks else None,
        licence="Apache-2.0",
    ).replace(**card_changes)
    model = tiny_model(card, batch)
    model.metadata_props.add(key=CARD_KEY, value=card.to_json())
    onnx.save(model, str(path))
    return card


def tiny_model(card: ModelCard, batch: int | str = "batch") -> onnx.ModelProto:
    """The model of `write_tiny_model`, without a card in it."""
    nodes = [
        ("Cast", ["image"], "float"),
        ("Div", ["float", "bytes"], "color"),
        ("ReduceMean", ["color", "last"], "grey"),
        *(node for task in card.tasks for node in _NODES[task]),
    ]
    attributes = _ATTRIBUTES | {"float": {"to": TensorProto.FLOAT}, "grey": {"keepdims": 0}}
    inputs = {name for _, names, _ in nodes for name in names}
    graph = helper.make_graph(
        [helper.make_node(kind, names, [out], **attributes.get(out, {})) for kind, names, out in nodes],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [batch, card.height, card.width, 3])],
        [_output(task, card, batch) for task in card.task_records],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in _CONSTANTS.items()
            if name in inputs
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def _output(task: Task, card: ModelCard, batch: int | str) -> onnx.ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(task.dtype))
    return helper.make_tensor_value_info(task.name, kind, [batch, *task.shape(card.height, card.width)])
