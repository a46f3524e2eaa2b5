"""Which files are recordings, by their names."""

from __future__ import annotations

from pathlib import Path

from avtar_ros.imaging.pictures import is_hidden

SUFFIXES = (".mcap", ".db3", ".bag")
METADATA = "metadata.yaml"
SQLITE_LOGS = ("-wal", "-journal")
"""What SQLite leaves beside a file that was not closed: what is not yet, or should not be, in it."""
TEMPORARY = (".active", ".partial", ".tmp")
"""What recorders put behind the name of a file that they are writing."""
COMPRESSED = (".zstd", ".zst", ".gz", ".bz2", ".xz", ".lz4")
"""Of files that are compressed as a whole."""


def bag_files(path: Path) -> list[Path]:
    """The files that belong to a bag, in its folder or beside its file; others may come and go."""
    folder = path if path.is_dir() else path.parent
    logs = tuple(suffix + log for suffix in SUFFIXES for log in SQLITE_LOGS)
    files = [file for file in folder.iterdir() if file.is_file() and not is_hidden(file)]
    if path.is_dir():
        return sorted(f for f in files if kind_of(f) or f.name.endswith(logs) or f.name == METADATA)
    return [path, *(file for file in files if file.name in [path.name + log for log in SQLITE_LOGS])]


def kind_of(path: Path) -> str | None:
    """The suffix in SUFFIXES of a recording's file, however it is compressed or called while it grows."""
    if is_hidden(path):
        return None
    name = path
    while name.suffix in COMPRESSED or name.suffix in TEMPORARY:
        name = name.with_suffix("")
    return name.suffix if name.suffix in SUFFIXES else None
