"""Locks: what one process writes, no other does at the same time."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from avtar_ros.errors import AvtarError
from avtar_ros.terminal.command_line import show

POLL_S = 0.2


class BusyError(AvtarError):
    """Another process holds the lock."""


def hold(path: Path, what: str) -> BinaryIO:
    """Open the file `path`, made where it is missing, and lock it until it is closed or the process ends, however.

    `what` is what the lock is for, in words. Raises BusyError if another process has it, OSError where the file
    cannot be opened. Where the file system knows no locks, that is said on standard error, and there is none.
    """
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _owner(file)
            file.close()
            raise BusyError(
                f"{what}: {owner} is writing there. Wait until it has ended, or choose another place."
            ) from None
        except OSError as error:
            show(f"{path}: no lock there ({error.strerror}): start nothing else that writes there", file=sys.stderr)
        if _is_still(path, file):
            return file
        file.close()  # it was renamed or removed by its last owner in between


def _is_still(path: Path, file: BinaryIO) -> bool:
    with suppress(OSError):
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(file.fileno()))
    return False


def _owner(file: BinaryIO) -> str:
    """Who holds the lock on an open file, as Linux tells it."""
    status = os.fstat(file.fileno())
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if "FLOCK" in fields and wanted in fields:
                number = int(fields[fields.index(wanted) - 1])
                return f"process {number}" + (" (this one)" if number == os.getpid() else "") if number > 0 else _OTHER
    return _OTHER


_OTHER = "another process, perhaps on another machine,"


@contextmanager
def in_turn(path: Path, what: str) -> Iterator[None]:
    """A context that one process at a time is in; the others wait, saying for whom. `path` is there only meanwhile."""
    said = False
    while True:
        try:
            file = hold(path, what)
            break
        except BusyError as error:
            if not said:
                show(f"waiting: {error}", file=sys.stderr)
            said = True
            time.sleep(POLL_S)
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
