"""Picture files that people and other programs leave in folders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_NUMBER = re.compile(r"(\d+)")


def is_hidden(path: Path) -> bool:
    """Whether it is not meant to be seen, such as the "._1.jpg" that macOS leaves beside "1.jpg"."""
    return path.name.startswith(".")


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Without the hidden ones, in the order of their names, the numbers in these by value: 2 comes before 11."""
    return sorted((path for path in paths if not is_hidden(path)), key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = _NUMBER.split(str(path).lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], str(path)
