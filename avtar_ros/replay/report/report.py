"""The report: one HTML file with everything in it, for people."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from avtar_ros.disk.files import write_text
from avtar_ros.metrics import needs_truth
from avtar_ros.model_card import ModelCard
from avtar_ros.rendering import Image
from avtar_ros.replay.judging.frame_table import FrameTable
from avtar_ros.replay.judging.judge import CLASS_IOU, CLASS_SHARE, FrameTime, Picture, ShownFrame, WorstFrame
from avtar_ros.replay.report import charts
from avtar_ros.tasks import TASKS
from avtar_ros.tasks.depth import shown_range
from avtar_ros.tasks.metric import Figure
from avtar_ros.version import VERSION

NS_PER_MS = 1e6
JPEG_QUALITY = 85
PERCENTILES = (50, 90, 99)
BREAKDOWN_KEYS = (
    CLASS_IOU, CLASS_SHARE, "segmentation.miou", "segmentation.miou_of_true",
    "depth.rmse_m", "depth.abs_rel", "depth.delta1", "normals.mean_deg",
    "normals.within_11_25", "edges.f1",
)
GLOSSARY = {
    "Latency p50, p99": "half of the images, and all but one in a hundred, took no longer than this",
    "Ground truth": "what is known to be true, of a depth camera or of people who labelled images",
    "Model card": "what the model says of itself; its figures were measured on its makers' own test data",
    "Task affinity": "how much what one task has learnt is used for another, as the network weighs it",
}
OF_CLASSES = {CLASS_IOU: Figure("IoU", "", True), CLASS_SHARE: Figure("Share of pixels taken for it", "", False)}
SCRIPT = """
for (const slide of document.querySelectorAll(".slide")) {
  const input = slide.querySelector("input");
  input.addEventListener("input", () => slide.style.setProperty("--at", input.value + "%"));
}
"""


@dataclass(frozen=True)
class Report:
    """All that a report shows, whatever run it is of.

    `verdicts` and `summary` are the few facts on top; `notes` say what went wrong; `latency_title` says from where to
    where `times` were measured; `provenance` is how to make the same again.
    """

    kind: str
    title: str
    verdicts: Sequence[str]
    summary: dict[str, str]
    notes: Sequence[str]
    card: ModelCard
    figures: dict[str, float]
    known: Mapping[str, Figure]
    breakdown: Mapping[str, Mapping[str, Mapping[str, float]]]
    table: FrameTable
    worst: Mapping[str, Sequence[WorstFrame]]
    unlike: Sequence[tuple[int, float]]
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
        worst = [item.frame for frames in self.worst.values() for item in frames]
        fitted = fitted_card(self.card, [*self.shown, *worst])
        page = environment.get_template("report.html.j2").render(
            report=self,
            card=self.card,
            version=VERSION,
            made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            tables=self._tables(),
            headlines=self._headlines(),
            glossary=self._glossary(),
            measured=self._tables(with_truth=False),
            breakdowns=self._breakdowns(),
            timelines=self._timelines(fitted),
            fitted=fitted,
            frames=[self._frame(frame, fitted) for frame in self.shown],
            slides=self._slides(fitted),
            script=Markup(SCRIPT),  # ours
            script_hash=base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode(),
            start_ns=min((t.stamp_ns for t in self.times), default=0),
            histogram=self._histogram() if self.times else "",
            timeline=self._timeline() if self.times else "",
        )
        write_text(path, page)

    def _tables(self, with_truth: bool = True) -> dict[str, list[FigureRow]]:
        """For each task, under its title, the rows of its table: what was measured against truth, or without it."""
        rows: dict[str, list[FigureRow]] = {}
        for key, figure in self.known.items():
            if key in self.figures and needs_truth(key) == with_truth:
                task = key.partition(".")[0]
                title = TASKS[task].title if task in TASKS else task.capitalize()
                rows.setdefault(title, []).append(
                    FigureRow(key, figure, self.figures[key], self.card.metrics.get(key))
                )
        return rows

    def _headlines(self) -> dict[str, str]:
        """Each task's first figure, under a title that names both."""
        return {f"{task} · {rows[0].figure.title}": rows[0].text for task, rows in self._tables().items()}

    def _glossary(self) -> dict[str, str]:
        """What each figure here means, in words."""
        figures = {_title(key, f): f.meaning for key, f in self.known.items() if key in self.figures and f.meaning}
        return GLOSSARY | figures

    def _breakdowns(self) -> dict[str, Breakdown]:
        """Under what it is by: the figures of every group as texts, in columns that some group has."""
        found = {}
        for name, groups in self.breakdown.items():
            known = {**self.known, **OF_CLASSES}
            keys = [key for key in known if any(key in figures for figures in groups.values())]
            keys = [key for key in keys if key in BREAKDOWN_KEYS]
            rows = {
                group: [known[key].text(figures[key]) if key in figures else "–" for key in keys]
                for group, figures in groups.items()
            }
            titles = [_title(key, known[key]) for key in keys]
            found[name] = Breakdown(titles, rows)
        return found

    def _frame(self, frame: ShownFrame, fitted: ModelCard) -> tuple[int, list[tuple[Picture, Picture]]]:
        """Its stamp, and its pictures in colours that fit the recording and in those of all reports on the model."""
        return frame.stamp_ns, list(zip(frame.over(fitted).pictures, frame.pictures, strict=True))

    def _timelines(self, fitted: ModelCard) -> dict[str, tuple[Markup, Sequence[WorstFrame]]]:
        """Under a title, each task's first figure over time, and the frames where it is worst."""
        found: dict[str, tuple[Markup, Sequence[WorstFrame]]] = {}
        start = min(self.table.stamps_ns, default=0)
        for key, frames in self.worst.items():
            figure = self.known[key]
            pairs = zip(self.table.stamps_ns, self.table.columns[key], strict=True)
            points = [((stamp - start) / 1e9, value) for stamp, value in pairs if np.isfinite(value)]
            worst = [((w.frame.stamp_ns - start) / 1e9, w.value) for w in frames]
            at, values = zip(*points, strict=True)
            title = _title(key, figure)
            unit = f"{figure.title} [{figure.unit}]" if figure.unit else figure.title
            chart = charts.timeline(at, values, "time [s]", unit, worst, lowest=figure.higher_is_better)
            found[title] = (chart, [replace(w, frame=w.frame.over(fitted)) for w in frames])
        return found

    def _slides(self, fitted: ModelCard) -> list[Slide]:
        """Each map of the frame in the middle, over its truth, or over the image where that is not known."""
        if not self.shown:
            return []
        image, *maps = self.shown[len(self.shown) // 2].over(fitted).pictures
        return [
            Slide(picture.title, "Image" if picture.truth is None else "Ground truth",
                  image.image if picture.truth is None else picture.truth, picture.image)
            for picture in maps
        ]

    def _histogram(self) -> str:
        values = _milliseconds(self.times)
        marks = {f"p{p} {np.percentile(values, p):.1f} ms": float(np.percentile(values, p)) for p in (50, 99)}
        return charts.histogram(values, "latency [ms]", "frames", marks)

    def _timeline(self) -> str:
        start = self.times[0].stamp_ns
        seconds = [(t.stamp_ns - start) / 1e9 for t in self.times]
        return charts.timeline(seconds, _milliseconds(self.times), "time [s]", "latency [ms]")


def fitted_card(card: ModelCard, frames: Sequence[ShownFrame]) -> ModelCard:
    """The card with that range of depth which these frames show, for colours to be spread over."""
    if card.depth is None:
        return card
    return card.replace(depth=shown_range([depth for frame in frames for depth in frame.depths], card.depth))


@dataclass(frozen=True)
class Breakdown:
    """A table: the titles of its columns, and the texts in the row of each group."""

    titles: Sequence[str]
    rows: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Slide:
    """Two pictures to be looked at through a slider: `below` is called `name_below`."""

    title: str
    name_below: str
    below: Image
    above: Image


def _title(key: str, figure: Figure) -> str:
    task = key.partition(".")[0]
    return f"{TASKS[task].title} · {figure.title}" if task in TASKS else figure.title


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
