"""What every section of a config is made of: keys that are known, values of the right type, nothing changed later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from avtar_ros.disk.files import expanded
from avtar_ros.errors import AvtarError


def _not_a_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("Input should be a valid number")
    return value


Whole = Annotated[int, Field(strict=True)]
Real = Annotated[float, BeforeValidator(_not_a_truth_value)]
"""Not strict: 1e-4 without a point is text to YAML."""
Positive = Annotated[Whole, Field(gt=0)]
PositiveReal = Annotated[Real, Field(gt=0)]


def _expanded(path: Path) -> Path:
    try:
        return expanded(path)
    except AvtarError as error:
        raise ValueError(str(error)) from error


UserPath = Annotated[Path, AfterValidator(_expanded)]


def one_or_several(value: Any) -> Any:
    """A list of what may be given alone."""
    return [value] if isinstance(value, str | Path) else value


class Section(BaseModel):
    """A part of a config: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True)


def fault(key: str, what: str) -> PydanticCustomError:
    """What is wrong at `key`, a path below the section that is checked, for its validator to raise."""
    return PydanticCustomError("fault", "{what}", {"key": key, "what": what})
