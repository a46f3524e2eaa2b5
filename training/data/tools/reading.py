"""Reading the files of exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from avtar_ros.documents import NO_JSON
from training.data.files import contents
from training.errors import TrainingError


def read_json(path: Path) -> Any:
    """Raises TrainingError if it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except NO_JSON as error:
        raise TrainingError(f"{path}: not JSON, or a damaged file ({error}).") from error


def require_files(root: Path, pattern: str, what: str) -> list[Path]:
    """The files below a folder that match, by name. Raises TrainingError if there are none."""
    found = sorted(root.rglob(pattern))
    if not found:
        raise TrainingError(f"{root}: expected {what}. {contents(root)}")
    return found
