"""What a phase leaves to read: one JSON line an evaluation, and TensorBoard's files where they are asked for."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from avtar_ros.disk.files import write_text
from avtar_ros.documents import OTHER_FIELDS
from training.errors import TrainingError
from training.gains import relative_gain


class RunLog:
    """The log of one phase, `log.jsonl` in its folder, up to the step that the phase continues from."""

    def __init__(self, folder: Path, step: int, tensorboard: bool = False) -> None:
        self._path = folder / "log.jsonl"
        self.lines = [line for line in _read(self._path) if line["step"] <= step]
        self._writer = _summary_writer(folder) if tensorboard else None

    def write(self, line: dict[str, Any]) -> None:
        """Add the line of an evaluation: step, losses, metrics, and what else there is to say.

        The file is written anew: what an interruption left of a line, or of steps to be done again, goes.
        """
        self.lines.append(line)
        write_text(self._path, "".join(json.dumps(each) + "\n" for each in self.lines))
        if self._writer is not None:
            for kind in ("losses", "metrics"):
                for key, value in line[kind].items():
                    self._writer.add_scalar(f"{kind}/{key}", value, line["step"])
            self._writer.flush()

    @property
    def since_best(self) -> int:
        """Evaluations since the best one, which is the one with the largest mean gain over the first."""
        if not self.lines:
            return 0
        gains = [relative_gain(line["metrics"], self.lines[0]["metrics"]) for line in self.lines]
        return len(gains) - 1 - gains.index(max(gains))


def _read(path: Path) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}  # a step that was done again after an interruption is there twice
    for text in path.read_text(errors="replace").splitlines() if path.is_file() else ():
        with suppress(*OTHER_FIELDS):  # half a line, where the machine went down while it was written
            line = json.loads(text)
            found[line["step"]] = line
    return list(found.values())


def _summary_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        raise TrainingError("TensorBoard is not installed: pip install tensorboard, or leave it out.") from error
    return SummaryWriter(str(folder))
