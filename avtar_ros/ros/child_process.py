"""Child processes that are told to end, and whose last words are heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml

from avtar_ros.errors import AvtarError

ENDS_WITH_INPUT = "AVTAR_ENDS_WITH_INPUT"
"""Set in the environment, it makes a node end when its standard input does: with the process that started it."""
GRACE_S = 10.0
LAST_LINES = 12


class NodeProcess(AbstractContextManager["NodeProcess"]):
    """One of this package's node executables, with its parameters, running in a process of its own.

    `module` is run as by `python -m`, or the script `program` in its place. What it prints goes to a file in `folder`.
    On leaving, it is interrupted, and killed if that does not help.
    """

    def __init__(
        self, module: str, parameters: Mapping[str, Any], folder: Path, program: Path | None = None
    ) -> None:
        self._name = name = module.rpartition(".")[2]
        self._log = folder / f"{name}.log"
        # In a file, because on the command line a path of digits would become a number.
        parameters_file = folder / f"{name}.yaml"
        parameters_file.write_text(yaml.safe_dump({"/**": {"ros__parameters": dict(parameters)}}))
        what = [str(program)] if program else ["-m", module]
        command = [sys.executable, *what, "--ros-args", "--params-file", str(parameters_file)]
        with self._log.open("wb") as log:
            # In a session of its own, so that Ctrl-C reaches it only through us, in the right order. Its standard input
            # ends when this process does, however that comes about, and then it ends as well.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {ENDS_WITH_INPUT: "1"},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        """Whether it still runs; raises AvtarError with its last words where it has failed."""
        code = self._process.poll()
        if code:
            raise AvtarError(f"{self._name} failed with exit code {code}:\n{self.last_words()}")
        return code is None

    def check_running(self) -> None:
        """Raise AvtarError if it has ended, however."""
        if not self.running():
            raise AvtarError(f"{self._name} ended too early. It said:\n{self.last_words()}")

    def last_words(self) -> str:
        """The last lines that it has printed."""
        return "\n".join(self._log.read_text(errors="replace").strip().splitlines()[-LAST_LINES:])

    def stop(self) -> None:
        """Interrupt it and wait until it has ended."""
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._process.stdin is not None:
            self._process.stdin.close()
