"""What can go wrong when an engine is built, checked or measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avtar_ros.errors import AvtarError
from avtar_ros.terminal.command_line import DIFFERENT


class BuildError(AvtarError):
    """Something the user can put right: the message names what is wrong, where, and what to do next."""


class VerificationError(BuildError):
    """An engine that runs, but gives other maps than its model: it must not be used."""

    exit_code = DIFFERENT


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises BuildError if the system refuses to write what becomes `path`, whole or not at all."""
    try:
        yield
    except OSError as error:
        raise BuildError(
            f"{path}: cannot be written ({error.strerror}); what was there is as it was. "
            "Make room for it, or choose another place."
        ) from error
