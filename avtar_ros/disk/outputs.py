"""Whether an output may be written: nothing is written over or removed but what an earlier command of ours has made.

    with OutputFolder(out, inputs=[bag, model]) as folder:   # no other process writes there meanwhile
        folder.claim("output.mcap", "metrics.json")          # or AvtarError, in words
        ...

The folder keeps a file, `.avtar_ros`, with the names that were claimed in it: these may be written over the next time.
It also keeps what is made of which source, so that two sources called alike do not take each other's place.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from avtar_ros.disk.files import make_folder, partial_name
from avtar_ros.disk.locks import hold
from avtar_ros.documents import NO_JSON
from avtar_ros.errors import AvtarError

MARKER = ".avtar_ros"
HEAD = "Made by avtar_ros. It may write over what is named here, and over nothing else in this folder:\n"
WORDS = ("verdict", "group")
"""What is beside numbers in files of figures."""
MARKER_BYTES = 2**26
"""A marker is not larger, with the names of hundreds of thousands of pictures."""

Identity = tuple[int, int]


class OutputFolder(AbstractContextManager["OutputFolder"]):
    """A folder that this process alone writes to. `inputs`: files, and folders of files, that must stay as they are.

    Raises BusyError if another process writes there, AvtarError where it cannot be made or is itself an input.
    """

    def __init__(self, path: Path, inputs: Iterable[Path] = ()) -> None:
        self.path = path
        self._inputs = list(inputs)
        self._marker: BinaryIO | None = None
        self._names: set[str] | None = None
        self._sources: dict[str, str] = {}

    def __enter__(self) -> OutputFolder:
        folder = _identity(self.path)
        if folder is not None and folder in {_identity(path) for path in self._inputs if path.is_dir()}:
            raise AvtarError(f"{self.path}: is what is read. Give another folder for the output, in it if you like.")
        make_folder(self.path)
        try:
            self._marker = hold(self.path / MARKER, str(self.path))
        except OSError as error:
            raise AvtarError(f"{self.path}: nothing can be written there ({error.strerror}).") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._marker is not None:
            self._marker.close()

    def claim(self, *names: str, ours: Callable[[Path], bool] = lambda _: False) -> None:
        """Let files or folders of these names be written, as they are and under their name while unfinished.

        What is there already must have been claimed before, or `ours` tell by its content that it is no loss.
        """
        made = self._claimed()
        protected = set(_identities(self._inputs))
        for name in names:
            known = _known if name in made else ours
            for path in (self.path / name, partial_name(self.path / name)):
                _check(path, protected, known)
        if new := [name for name in names if name not in made]:
            self._append(*new)
            made.update(new)

    def source_of(self, name: str) -> str | None:
        """What the files of this name were made of, by this or an earlier command; None where it was not noted."""
        self._claimed()
        return self._sources.get(name)

    def note_source(self, name: str, source: str) -> None:
        """Keep for later commands what the files of this name are made of."""
        if self.source_of(name) != source:
            self._append({name: source})
            self._sources[name] = source

    def _claimed(self) -> set[str]:
        """The names claimed so far, read once: nobody else writes to the marker meanwhile."""
        assert self._marker is not None
        if self._names is None:
            self._names, self._sources = _read_marker(self._marker, self.path / MARKER)
        return self._names

    def _append(self, *lines: str | dict[str, str]) -> None:
        """Write to the marker, which ends with a whole line once it was read."""
        assert self._marker is not None
        head = HEAD if not self._marker.seek(0, os.SEEK_END) else ""
        self._marker.write((head + "".join(f"{json.dumps(line)}\n" for line in lines)).encode())
        self._marker.flush()


def check_file(path: Path, inputs: Iterable[Path], ours: Callable[[Path], bool]) -> None:
    """Raise AvtarError if the single file `path` may not be written: it is an input, or there is one by others.

    `ours` tells by a file's content whether this command wrote it.
    """
    protected = set(_identities(inputs))
    for each in (path, partial_name(path)):
        _check(each, protected, ours)


def remove_made(folder: Path, pattern: str) -> None:
    """Remove the files below `folder` whose names match the expression, then folders that are empty; no links."""
    for root, folders, files in os.walk(folder, topdown=False):
        for name in files:
            if re.fullmatch(pattern, name) and not Path(root, name).is_symlink():
                Path(root, name).unlink()
        for name in folders:
            with suppress(OSError):  # what is not empty stays, and so do links
                Path(root, name).rmdir()
    with suppress(OSError):
        folder.rmdir()


def is_figures(path: Path) -> bool:
    """Whether a file holds figures as our commands write them: JSON of named numbers, in groups, with verdicts."""
    try:
        return _are_figures(json.loads(path.read_text()))
    except (OSError, *NO_JSON):
        return False


def _are_figures(values: Any) -> bool:
    return isinstance(values, dict) and all(
        key in WORDS or isinstance(value, (int, float)) or _are_figures(value) for key, value in values.items()
    )


def _check(path: Path, protected: set[Identity], ours: Callable[[Path], bool]) -> None:
    if not os.path.lexists(path):
        return
    if path.is_symlink():
        raise AvtarError(f"{path}: is a link, and is not written through. Remove it, or choose another place.")
    if _identity(path) in protected:
        raise AvtarError(f"{path}: is what is read, and is not written over. Choose another place for the output.")
    empty = path.is_file() and not path.stat().st_size
    if not empty and not ours(path):
        raise AvtarError(
            f"{path}: is there already and was not made by this command, so it is not written over. Move it away, or "
            "choose another place for the output."
        )


def _identities(inputs: Iterable[Path]) -> Iterator[Identity]:
    """Files, and those in folders, as the file system tells them apart, whatever they are called."""
    for path in inputs:
        for file in [path, *path.iterdir()] if path.is_dir() else [path]:
            if (found := _identity(file)) is not None:
                yield found


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _known(_: Path) -> bool:
    return True


def _read_marker(marker: BinaryIO, path: Path) -> tuple[set[str], dict[str, str]]:
    """The names claimed so far, and what is made of which source.

    A line that was cut off, by an end of the process, counts for nothing and is removed.
    """
    marker.seek(0)
    content = marker.read(MARKER_BYTES + 1)
    if not content.startswith(HEAD.encode()[: len(content)]) or len(content) > MARKER_BYTES:
        raise AvtarError(f"{path}: is not the file of that name that avtar_ros writes. Move it away.")
    whole = content.rfind(b"\n") + 1
    marker.truncate(whole)
    names: set[str] = set()
    sources: dict[str, str] = {}
    for text in content[:whole].decode("utf-8", "replace").splitlines()[1:]:
        with suppress(*NO_JSON):
            line = json.loads(text)
            if isinstance(line, dict):
                sources |= {name: str(source) for name, source in line.items()}
            else:
                names.add(str(line))
    return names, sources
