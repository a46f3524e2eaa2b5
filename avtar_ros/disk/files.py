"""Writing files so that a reader sees them whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avtar_ros.errors import AvtarError
from avtar_ros.terminal.names import printable


def make_folder(path: Path) -> None:
    """Make a folder for output; raises AvtarError if that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AvtarError(f"{path}: cannot be made a folder for the output ({error.strerror}).") from error


def expanded(path: str | Path) -> Path:
    """The path with ~ replaced by the home folder; raises AvtarError if there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise AvtarError(f"{printable(str(path))}: there is no such home folder.") from error


def is_file(path: Path) -> bool:
    """Whether there is such a file; false also for names that no file system takes."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def partial_name(path: Path) -> Path:
    """What the file `path` is called while it is written."""
    return path.with_name(path.name + ".partial")


@contextmanager
def partial_path(path: Path) -> Iterator[Path]:
    """Where to write the file `path` until the end of the `with`; then it takes its name, or goes after an error."""
    partial = partial_name(path)
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    with partial_path(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, values: dict[str, float]) -> None:
    write_text(path, json.dumps(values, indent=1) + "\n")
