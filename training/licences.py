"""The licence of a model: what its config says, and those of the teachers whose labels it learnt from."""

from __future__ import annotations

from collections.abc import Iterator

from avtar_ros.model_card import read_onnx_card
from training.checkpoint import Checkpoint
from training.config import RunConfig
from training.data.config import TaughtConfig
from training.data.public_config import RoomsConfig
from training.hub import UNKNOWN_LICENCE, find_model, licence_of

TAUGHT = "taught by "


def licence_of_model(config: RunConfig, before: Checkpoint | None = None) -> str:
    """For the model card: what the config says, Apache-2.0 for rooms alone, and who taught it under which licence.

    What a model of `before` was taught stays said.
    """
    own = config.licence or ("Apache-2.0" if isinstance(config.data, RoomsConfig) else "")
    earlier = before.card.licence.split("; ") if before is not None else []
    taught = [part for part in earlier if part.startswith(TAUGHT)]
    teachers = [f"{name} ({licence})" for data in config.data.single for name, licence in _teachers(data)]
    if teachers:
        taught.append(TAUGHT + ", ".join(dict.fromkeys(teachers)))
    return "; ".join(part for part in dict.fromkeys([own, *taught]) if part)


def _teachers(data: object) -> Iterator[tuple[str, str]]:
    """The teachers of a data set, by name, with the licence of each."""
    if not isinstance(data, TaughtConfig):
        return
    if data.teacher is not None:
        yield data.teacher.name, read_onnx_card(data.teacher).licence or UNKNOWN_LICENCE
    for teacher in data.teachers:
        if teacher.licence:
            yield teacher.model, teacher.licence
        elif teacher.model.endswith(".onnx") and teacher.onnx is None:
            yield teacher.model, read_onnx_card(find_model(teacher.model)).licence or UNKNOWN_LICENCE
        else:
            yield teacher.model, licence_of(teacher.model)
