"""Where bags come from and results go: local disks and object stores alike, by address.

An address is a path, or has a protocol that fsspec knows: "s3://bucket/bag.mcap". What works on files needs them on
a local disk: local ones are used where they are, others are copied.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from avtar_ros.bags.names import SQLITE_LOGS
from avtar_ros.disk.outputs import HEAD, MARKER
from avtar_ros.errors import AvtarError
from avtar_ros.terminal.extras import install_line

COMPANIONS = (".json", *SQLITE_LOGS)


def is_local(address: str) -> bool:
    return "://" not in address


def find(patterns: list[str]) -> list[str]:
    """The addresses that match patterns with *, ? and **, each once, in order. Raises AvtarError if none does."""
    found: dict[str, None] = {}
    for pattern in patterns:
        files, path = _files(pattern)
        matches = sorted(files.glob(path))
        if not matches:
            raise AvtarError(f"{pattern}: nothing matches. Give bags, or a pattern such as 'recordings/*.mcap'.")
        found |= dict.fromkeys(match if is_local(pattern) else files.unstrip_protocol(match) for match in matches)
    return list(found)


def fingerprint(address: str) -> str:
    """Something that changes when a file, what belongs to it, or what is in a folder, changes."""
    files, path = _files(address)
    found = [file for part in (path, *_companions(files, path)) for file in sorted(files.find(part))]
    return "; ".join(f"{PurePosixPath(file).name} {files.ukey(file)}" for file in found)


def below(folder: str, name: str) -> str:
    """The address of something in a folder."""
    return str(Path(folder) / name) if is_local(folder) else f"{folder.rstrip('/')}/{name}"


def read(address: str) -> bytes | None:
    """A file's content, None where there is no such file."""
    files, path = _files(address)
    try:
        return bytes(files.cat_file(path))
    except FileNotFoundError:
        return None


def with_file(folder: str, name: str) -> list[str]:
    """Which folders in those of a folder have a file of this name, as the ends of their addresses, in order."""
    files, path = _files(folder)
    found = (PurePosixPath(file).parts[-3:-1] for file in files.glob(f"{glob.escape(path)}/*/*/{name}"))
    return sorted("/".join(parts) for parts in found)


def reserve(folder: str, names: Sequence[str]) -> None:
    """See that files of these names may be written to a folder that is not local, before work begins.

    Raises AvtarError if nothing can be written there, or where others have left a file of such a name.
    """
    files, path = _files(folder)
    try:
        ours = files.exists(f"{path}/{MARKER}")
        there = [] if ours else [name for name in names if files.exists(f"{path}/{name}")]
        if not there:
            files.makedirs(path, exist_ok=True)
            files.pipe_file(f"{path}/{MARKER}", HEAD.encode())
    except Exception as error:  # of as many types as there are object stores
        raise AvtarError(
            f"{folder}: nothing can be written there ({error}). Check the address and your rights."
        ) from error
    if there:
        raise AvtarError(
            f"{below(folder, there[0])}: is there already and was not made by this command, so it is not written over. "
            "Move it away, or give another --out."
        )


@contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """A file or folder on a local disk: itself where it is local, else a copy until the end of the `with`.

    What belongs to a file lies beside it there, too.
    """
    if is_local(address):
        yield Path(address)
        return
    files, path = _files(address)
    with TemporaryDirectory() as temporary:
        local = Path(temporary) / PurePosixPath(path).name
        for part in (path, *_companions(files, path)):
            files.get(part, str(local.with_name(PurePosixPath(part).name)), recursive=True)
        yield local


@contextmanager
def local_folder(address: str) -> Iterator[Path]:
    """A local folder for output: itself where it is local, else one whose files get there at the end of the `with`.

    Where that is left by an error, nothing gets there.
    """
    if is_local(address):
        yield Path(address)
        return
    with TemporaryDirectory() as temporary:
        yield Path(temporary)
        files, path = _files(address)
        for file in sorted(Path(temporary).rglob("*")):
            if file.is_file():
                files.put_file(str(file), f"{path}/{file.relative_to(temporary).as_posix()}")


def _companions(files: Any, path: str) -> list[str]:
    """What belongs to a file: the sidecar of an engine, the logs of an SQLite database that was not closed."""
    return [path + ending for ending in COMPANIONS if files.exists(path + ending)]


def _files(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises AvtarError if that is not known."""
    try:
        from fsspec.core import url_to_fs

        files, path = url_to_fs(address if not is_local(address) else str(Path(address).absolute()))
    except (ImportError, ValueError) as error:
        raise AvtarError(
            f"{address}: cannot be reached ({error}). Run: {install_line('fleet')} and for an object store the "
            "package that fsspec names for its protocol, such as s3fs."
        ) from error
    return files, str(path)
