"""What a fleet's replay leaves over all bags: fleet.json for machines, fleet.html for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from avtar_ros import __version__
from avtar_ros.disk.files import write_text
from avtar_ros.replay.fleet import places
from avtar_ros.replay.fleet.figures import ModelFigures
from avtar_ros.replay.fleet.jobs import OUTCOME, Outcome, model_names
from avtar_ros.replay.report.report import BREAKDOWN_KEYS

MOST_NAMED = 5
"""Of the results that a report leaves out."""
FIGURES, PAGE = REPORT_FILES = ("fleet.json", "fleet.html")


@dataclass(frozen=True)
class Table:
    """Rows of figures as texts: the title of the first column, those of the others, and a row for each name."""

    first: str
    titles: Sequence[str]
    rows: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class FleetReport:
    """All outcomes, and each model's figures over all its bags. `out` is where the results are."""

    outcomes: Sequence[Outcome]
    models: Mapping[str, ModelFigures]
    out: str
    command: str

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.failed]

    @property
    def left_out(self) -> str:
        """In words, which results of earlier runs lie beside these; empty where there are none."""
        ours = {self._place(outcome) for outcome in self.outcomes}
        others = [place for place in places.with_file(self.out, OUTCOME) if place not in ours]
        if not others:
            return ""
        named = ", ".join(others[:MOST_NAMED]) + (", …" if len(others) > MOST_NAMED else "")
        return (
            f"{len(others)} results of earlier runs in {self.out} are not in this report, of other bags or models: "
            f"{named}. Name these bags and models in one command, and nothing is done again."
        )

    @property
    def worker_seconds_per_camera_second(self) -> float | None:
        """How long one worker takes for a second of a camera's recording; None where nothing was recorded."""
        done = [outcome for outcome in self.outcomes if not outcome.failed]
        recorded = sum(outcome.camera_seconds for outcome in done)
        return sum(outcome.seconds for outcome in done) / recorded if recorded else None

    def write(self, folder: Path) -> None:
        """Write fleet.json and fleet.html."""
        write_text(folder / FIGURES, json.dumps(self._values(), indent=1) + "\n")
        environment = Environment(
            loader=PackageLoader("avtar_ros.replay"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )
        page = environment.get_template("fleet.html.j2").render(
            report=self,
            version=__version__,
            made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            tables={name: _tables(self.models[model]) for model, name in model_names(list(self.models)).items()},
            links={outcome.out: self._link(outcome) for outcome in self.outcomes},
        )
        write_text(folder / PAGE, page)

    def _values(self) -> dict[str, Any]:
        return {
            "models": {
                model: {"bags": m.bags, "frames": m.frames, "figures": m.figures, "groups": m.groups}
                for model, m in self.models.items()
            },
            "bags": [
                {"bag": o.bag, "model": o.model, "results": o.out, **o.groups, "failed": o.failed, "message": o.message,
                 "seconds": o.seconds, "camera_seconds": o.camera_seconds, "worker": o.worker}
                for o in self.outcomes
            ],
            "worker_seconds_per_camera_second": self.worker_seconds_per_camera_second,
        }

    def _link(self, outcome: Outcome) -> str:
        """Where a bag's own report is, as seen from fleet.html."""
        return quote(f"{self._place(outcome)}/report.html")

    def _place(self, outcome: Outcome) -> str:
        """The folder of a bag's results, in that of all."""
        return outcome.out.removeprefix(self.out).lstrip("/")


def _tables(model: ModelFigures) -> list[Table]:
    """All figures over all bags, then for each kind of group its groups' most telling ones."""
    keys = [key for key in model.known if key in model.figures]
    telling = [key for key in keys if key in BREAKDOWN_KEYS] or keys
    titles = {key: f"{key.partition('.')[0].capitalize()}: {model.known[key].title}" for key in keys}

    def text(key: str, figures: Mapping[str, float]) -> str:
        return model.known[key].text(figures[key]) if key in figures else "–"

    whole = {titles[key]: [text(key, model.figures)] for key in keys}
    groups = [
        Table(
            kind.capitalize(),
            [titles[key] for key in telling],
            {name: [text(key, figures) for key in telling] for name, figures in found.items()},
        )
        for kind, found in model.groups.items()
    ]
    return [Table("Figure", [f"{model.bags} bags, {model.frames} frames"], whole), *groups]
