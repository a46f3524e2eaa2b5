"""The model card: everything about a model that a user would otherwise have to type twice.

It travels as JSON: in the ONNX file's `metadata_props` under `CARD_KEY`, and in an engine's sidecar.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avtar_ros.errors import AvtarError
from avtar_ros.json_records import parse_record, read_json
from avtar_ros.meaning import DepthRange, SemanticClass
from avtar_ros.tasks import DEPTH, SEGMENTATION, TASKS, Task

CARD_KEY = "avtar_card"
FORMAT = 1
MOST_PIXELS = 2**26
"""Of a model's input."""


class CardError(AvtarError):
    """A model card that is missing or does not say what it must."""


@dataclass(frozen=True)
class ModelCard:
    """A model's tasks, inputs, classes, provenance and figures.

    `affinity[s][t]` is the weight of task s in task t's embedding, in the order of `tasks`.
    `metrics` holds measured figures under the keys of `avtar_ros.metrics` (for example "depth.rmse_m").
    """

    name: str
    tasks: tuple[str, ...]
    width: int
    height: int
    classes: tuple[SemanticClass, ...] = ()
    depth: DepthRange | None = None
    normals_frame: str = "optical"
    affinity: tuple[tuple[float, ...], ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    training_data: str = ""
    provenance: dict[str, str] = field(default_factory=dict)
    licence: str = ""
    format: int = FORMAT

    def __post_init__(self) -> None:
        _check_card(self)

    @property
    def task_records(self) -> tuple[Task, ...]:
        return tuple(TASKS[name] for name in self.tasks)

    def replace(self, **changes: Any) -> ModelCard:
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str, where: str = "model card") -> ModelCard:
        """The card in `text`; raises CardError naming `where` and the field at fault."""
        try:
            raw = read_json(text, "the model card")
        except AvtarError as error:
            raise CardError(f"{where}: {error} Export the model again.") from error
        try:
            return parse_record(cls, raw, "card")
        except AvtarError as error:
            raise CardError(f"{where}: {error}") from None


def read_onnx_card(path: Path) -> ModelCard:
    """The card inside an ONNX file; weights are not looked at. Needs the `onnx` package."""
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise CardError(f"{path}: no such file. Give the path of a model made by `avtar-train export`.")
    try:
        model = onnx.load(str(path), format="protobuf", load_external_data=False)
    except (DecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: not an ONNX file, or a damaged one ({error}). Copy or export it again.") from error
    return card_from_metadata({prop.key: prop.value for prop in model.metadata_props}, str(path))


def card_from_metadata(metadata: dict[str, str], where: str) -> ModelCard:
    """The card in an ONNX model's metadata map."""
    if CARD_KEY not in metadata:
        raise CardError(
            f"{where}: this ONNX file has no model card (metadata key {CARD_KEY!r}), so its tasks, classes and "
            "depth range are unknown. Use a file made by `avtar-train export`."
        )
    return ModelCard.from_json(metadata[CARD_KEY], where)


def _check_card(card: ModelCard) -> None:
    if card.format != FORMAT:
        raise CardError(f"card format {card.format} is not {FORMAT}. Use the avtar_ros version that made the model.")
    unknown = [name for name in card.tasks if name not in TASKS]
    if unknown or not card.tasks or len(set(card.tasks)) != len(card.tasks):
        raise CardError(f"tasks {list(card.tasks)}: each must be one of {', '.join(TASKS)}, once.")
    if card.width < 1 or card.height < 1:
        raise CardError(f"input size {card.width}x{card.height} must be positive.")
    if card.width * card.height > MOST_PIXELS:
        raise CardError(f"input size {card.width}x{card.height} is more than {MOST_PIXELS} pixels.")
    if (SEGMENTATION.name in card.tasks) != bool(card.classes) or len(card.classes) > 255:
        raise CardError("classes must be given (1 to 255 of them) exactly when segmentation is a task.")
    if any(not 0 <= v <= 255 for c in card.classes for v in c.color):
        raise CardError("class colours must lie in 0..255.")
    if (DEPTH.name in card.tasks) != (card.depth is not None):
        raise CardError("depth must be given exactly when depth is a task.")
    if card.depth is not None and not (0 < card.depth.min_m < card.depth.max_m and card.depth.focal_px > 0):
        raise CardError(f"depth {card.depth}: needs 0 < min_m < max_m and focal_px > 0.")
    if card.normals_frame != "optical":
        raise CardError(f"normals_frame {card.normals_frame!r} is not known; only 'optical' is.")
    if card.affinity and {len(card.tasks)} != {len(card.affinity), *map(len, card.affinity)}:
        raise CardError(f"affinity must be {len(card.tasks)}x{len(card.tasks)}, one row and column a task.")
