"""Which tools' exports can be read."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from training.data.tools.cvat import read_cvat
from training.data.tools.drawing import Export
from training.data.tools.labelme import read_labelme
from training.data.tools.supervisely import read_supervisely

READERS: dict[str, Callable[[Path], Export]] = {
    "cvat": read_cvat,
    "labelme": read_labelme,
    "supervisely": read_supervisely,
}


@lru_cache(maxsize=8)
def read_export(tool: str, root: Path) -> Export:
    """Raises TrainingError if the folder is no export of this tool."""
    return READERS[tool](root)
