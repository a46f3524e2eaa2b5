"""The report: one HTML file with everything in it, for people."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from avtar_ros import __version__
from avtar_ros.metrics import FIGURES, Figure
from avtar_ros.model_card import ModelCard
from avtar_ros.rendering import Image
from avtar_ros.replay import charts
from avtar_ros.replay.files import write_text
from avtar_ros.replay.judge import FrameTime, ShownFrame
from avtar_ros.tasks import TASKS

NS_PER_MS = 1e6
JPEG_QUALITY = 85
PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Report:
    """All that a report shows, whatever run it is of.

    `summary` are the few facts on top; `notes` say what went wrong; `latency_title` says from where to where
    `times` were measured; `provenance` is how to make the same again.
    """

    kind: str
    title: str
    summary: dict[str, str]
    notes: Sequence[str]
    card: ModelCard
    figures: dict[str, float]
    shown: Sequence[ShownFrame]
    times: Sequence[FrameTime]
    latency_title: str
    provenance: dict[str, str]

    def write(self, path: Path) -> None:
        """Write the page; it takes its name when it is complete."""
        environment = Environment(
            loader=PackageLoader("avtar_ros.replay"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["data_uri"] = data_uri
        page = environment.get_template("report.html.j2").render(
            report=self,
            card=self.card,
            version=__version__,
            made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            tables=self._tables(),
            headlines=self._headlines(),
            start_ns=min((t.stamp_ns for t in self.times), default=0),
            histogram=self._histogram() if self.times else "",
            timeline=self._timeline() if self.times else "",
        )
        write_text(path, page)

    def _tables(self) -> dict[str, list[FigureRow]]:
        """For each task that was judged, under its title, the rows of its table."""
        rows: dict[str, list[FigureRow]] = {}
        for key, figure in FIGURES.items():
            if key in self.figures:
                title = TASKS[key.partition(".")[0]].title
                rows.setdefault(title, []).append(
                    FigureRow(key, figure, self.figures[key], self.card.metrics.get(key))
                )
        return rows

    def _headlines(self) -> dict[str, str]:
        """Each task's first figure, under a title that names both."""
        return {f"{task} · {rows[0].figure.title}": rows[0].text for task, rows in self._tables().items()}

    def _histogram(self) -> str:
        values = _milliseconds(self.times)
        marks = {f"p{p} {np.percentile(values, p):.1f} ms": float(np.percentile(values, p)) for p in (50, 99)}
        return charts.histogram(values, "latency [ms]", "frames", marks)

    def _timeline(self) -> str:
        start = self.times[0].stamp_ns
        seconds = [(t.stamp_ns - start) / 1e9 for t in self.times]
        return charts.timeline(seconds, _milliseconds(self.times), "time [s]", "latency [ms]")


@dataclass(frozen=True)
class FigureRow:
    """A measured figure beside the one in the model's card, which was measured on the card's own test data."""

    key: str
    figure: Figure
    value: float
    card_value: float | None

    @property
    def text(self) -> str:
        return self.figure.text(self.value)

    @property
    def card_text(self) -> str:
        return "" if self.card_value is None else self.figure.text(self.card_value)


def data_uri(picture: Image) -> str:
    """An RGB picture as JPEG in the form that stands in a page instead of an address."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()


def latency_figures(times: Sequence[FrameTime]) -> dict[str, float]:
    """Mean and percentiles of the latency in milliseconds; empty where there was no frame."""
    if not times:
        return {}
    values = _milliseconds(times)
    percentiles = {f"latency_ms.p{p}": float(np.percentile(values, p)) for p in PERCENTILES}
    return {"latency_ms.mean": float(np.mean(values)), **percentiles}


def _milliseconds(times: Sequence[FrameTime]) -> list[float]:
    return [t.latency_ns / NS_PER_MS for t in times]
