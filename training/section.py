"""What every section of a config is made of: keys that are known, values of the right type, nothing changed later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0)]
UserPath = Annotated[Path, AfterValidator(Path.expanduser)]


class Section(BaseModel):
    """A part of a config: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
