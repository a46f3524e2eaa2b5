"""The figures of every frame, one row each, as frames.csv keeps them."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Mapping
from pathlib import Path

from avtar_ros.disk.files import write_text
from avtar_ros.documents import OTHER_FIELDS
from avtar_ros.errors import AvtarError

FIXED = ("stamp_ns", "camera", "latency_ns")


class FrameTable:
    """Rows of (stamp, camera, latency) and figures by key; NaN where a frame has no such figure."""

    def __init__(self) -> None:
        self.stamps_ns = array("q")
        self.cameras: list[str] = []
        self.latencies_ns = array("q")
        self.columns: dict[str, array[float]] = {}

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def add(self, stamp_ns: int, camera: str, latency_ns: int, figures: Mapping[str, float]) -> None:
        for key in figures.keys() - self.columns.keys():
            self.columns[key] = array("d", [math.nan]) * len(self)
        self.stamps_ns.append(stamp_ns)
        self.cameras.append(camera)
        self.latencies_ns.append(latency_ns)
        for key, column in self.columns.items():
            column.append(figures.get(key, math.nan))

    @property
    def last(self) -> dict[str, float]:
        """The figures of the last frame, those that it has."""
        values = {key: column[-1] for key, column in self.columns.items() if column}
        return {key: value for key, value in values.items() if not math.isnan(value)}

    def write(self, path: Path) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*FIXED, *self.columns])
        fixed = zip(self.stamps_ns, self.cameras, self.latencies_ns, strict=True)
        for row, figures in zip(fixed, zip(*self.columns.values(), strict=True), strict=True):
            writer.writerow([*row, *("" if math.isnan(value) else repr(value) for value in figures)])
        write_text(path, text.getvalue())

    @classmethod
    def read(cls, path: Path) -> FrameTable:
        """A table written by `write`; raises AvtarError."""
        table = cls()
        try:
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    stamp_ns, camera, latency_ns = (row.pop(name) for name in FIXED)
                    figures = {key: float(value) if value else math.nan for key, value in row.items()}
                    table.add(int(stamp_ns), camera, int(latency_ns), figures)
        except (OSError, csv.Error, *OTHER_FIELDS) as error:
            raise AvtarError(f"{path}: cannot be read as figures of frames ({error}). Replay the bag again.") from error
        return table
