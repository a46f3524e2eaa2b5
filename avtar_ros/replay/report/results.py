"""What a run leaves in its folder beside the bag: metrics.json, report.html, and a picture of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from avtar_ros import rendering
from avtar_ros.bags.recorded_frames import RecordedCamera
from avtar_ros.disk.files import write_bytes, write_json
from avtar_ros.model_card import ModelCard
from avtar_ros.plain_figures import figures_text
from avtar_ros.replay.judging.judge import Judge, ShownFrame
from avtar_ros.replay.judging.saved_sums import save_sums
from avtar_ros.replay.report.report import Report, fitted_card, latency_figures
from avtar_ros.tasks import DEPTH
from avtar_ros.tasks.metric import Figure

METRICS, TABLE, SUMS, REPORT, PICTURE = RUN_FILES = (
    "metrics.json", "frames.csv", "sums.npz", "report.html", "picture.png"
)
"""What a run leaves in its folder."""
UNLIKE_FRAMES = 5
UNLIKE = 3.0
"""What is not above looks like the rest."""


@dataclass(frozen=True)
class Run:
    """A run that has been judged.

    `counts` are whole numbers of frames by name; `seconds` is how long `inferred` of them took (None: all), to
    give frames per second; `provenance` is how to make the same again.
    """

    kind: str
    title: str
    judge: Judge
    counts: dict[str, int]
    seconds: float
    latency_title: str
    notes: Sequence[str]
    provenance: dict[str, str]
    inferred: int | None = None

    @property
    def figures(self) -> dict[str, float]:
        """The figures that could be measured, then counts, frames per second and latency, then the breakdown.

        Keys of the breakdown have the group in brackets: "depth.rmse_m[0–2 m]".
        """
        inferred = len(self.judge.times) if self.inferred is None else self.inferred
        broken_down = {
            f"{key}[{group}]": value
            for groups in self.judge.breakdown.values()
            for group, figures in groups.items()
            for key, value in figures.items()
        }
        fps = {"fps": inferred / self.seconds} if inferred else {}
        return {
            **self.judge.figures, **self.counts, **fps, **latency_figures(self.judge.times), **broken_down,
        }

    @property
    def verdicts(self) -> list[str]:
        """What the figures say, in sentences: whether it kept up, and each task against the model's card."""
        figures, said = self.figures, []
        if dropped := self.counts.get("frames_dropped", 0):
            said.append(self._why_dropped(dropped))
        elif "frames_in" in self.counts:
            said.append("Every image got its maps.")
        for task in self.judge.card.task_records:
            key = task.main_figure
            if key in figures and key in self.judge.known:
                said.append(verdict(task.title, self.judge.known[key], figures[key], self.judge.card.metrics.get(key)))
        return said

    def _why_dropped(self, dropped: int) -> str:
        """Why images got no maps. The node says more in /diagnostics and its service stats."""
        times, stamps = self.judge.times, sorted(time.stamp_ns for time in self.judge.times)
        said = f"{dropped} of {self.counts['frames_in']} images got no maps: the node works on the newest image alone"
        if len(stamps) < 2:
            return f"{said}."
        each_ms = self.seconds / max(1, len(times)) * 1000
        return (
            f"{said}, and one took {each_ms:.0f} ms here. A smaller model, a GPU, or fewer images a second drop fewer."
        )

    def write(self, out: Path) -> None:
        """Write metrics.json, report.html and, if there was a frame, picture.png into the folder `out`."""
        figures = self.figures
        write_json(out / METRICS, figures)
        self.judge.table.write(out / TABLE)
        save_sums(out / SUMS, self.judge)
        report = Report(
            kind=self.kind,
            title=self.title,
            verdicts=self.verdicts,
            summary=_summary(figures, self.counts),
            notes=self.notes,
            card=self.judge.card,
            figures=figures,
            known=self.judge.known,
            breakdown=self.judge.breakdown,
            table=self.judge.table,
            worst=self.judge.worst,
            unlike=_least_alike(self.judge),
            shown=self.judge.shown,
            times=self.judge.times,
            latency_title=self.latency_title,
            provenance=self.provenance,
        )
        report.write(out / REPORT)
        if shown := self.judge.shown:
            write_bytes(out / PICTURE, _picture(shown[len(shown) // 2], self.judge.card))

    def table(self) -> str:
        """The figures as lines of text, for a terminal."""
        figures = self.figures
        rows = _summary(figures, self.counts)
        width = max(map(len, rows))
        lines = [f"  {name:<{width}}  {value:>9}" for name, value in rows.items()]
        return "\n".join([*self.verdicts, *lines, figures_text(figures, self.judge.known)]).rstrip()


def recording_title(path: Path, card: ModelCard) -> str:
    """What a run is of: the model, and the recording by its name, that of a folder with the one it lies in."""
    whole = path.expanduser().resolve()
    return f"{card.name} on {f'{whole.parent.name}/{whole.name}' if whole.is_dir() else whole.stem}"


def verdict(task: str, figure: Figure, value: float, on_card: float | None) -> str:
    """A task's main figure in a sentence, beside what the model's makers measured on their own test data."""
    said = f"{task}: {figure.title} {figure.text(value)}"
    if on_card is None:
        return f"{said}; the model's card has nothing to compare with."
    if abs(value - on_card) < figure.mention:
        return f"{said}, as on the model's own test data."
    way = "better" if (value > on_card) == figure.higher_is_better else "worse"
    return f"{said}, {way} than on the model's own test data ({figure.text(on_card)})."


def _summary(figures: dict[str, float], counts: dict[str, int]) -> dict[str, str]:
    rows = {name.replace("_", " ").capitalize(): str(count) for name, count in counts.items()}
    if "fps" in figures:
        rows["Frames per second"] = f"{figures['fps']:.1f}"
    if "latency_ms.p50" in figures:
        rows |= {f"Latency p{p}": f"{figures[f'latency_ms.p{p}']:.1f} ms" for p in (50, 99)}
    return rows


def _least_alike(judge: Judge) -> list[tuple[int, float]]:
    """(stamp, unlikeness) of the frames that look least like the rest, the oddest first."""
    found = judge.unlikeness
    order = np.argsort(-found, kind="stable")[:UNLIKE_FRAMES]
    return [(judge.table.stamps_ns[i], float(found[i])) for i in order.tolist() if found[i] > UNLIKE]


def _picture(frame: ShownFrame, card: ModelCard) -> bytes:
    """A frame's image and maps side by side, over the legend of the classes, as PNG; colours of depth fit the frame."""
    meaning = fitted_card(card, [frame])
    ends = f": red {meaning.depth.min_m:.1f} m, blue {meaning.depth.max_m:.1f} m" if meaning.depth is not None else ""
    pictures = {p.title + (ends if p.depth is not None else ""): p.image for p in frame.over(meaning).pictures}
    row = rendering.side_by_side(pictures)
    sheet = np.vstack([row, rendering.legend(card, row.shape[1])])
    _, png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    return png.tobytes()


def describe_truth(cameras: Sequence[RecordedCamera], max_depth_m: float | None) -> dict[str, str]:
    """What the maps are compared with, for the report's provenance."""
    known = [camera for camera in cameras if camera.truth_topics]
    if not known:
        return {}
    topics = {
        f"{task}: {topic}" + (_registration(camera) if task == DEPTH.name else "")
        for camera in known
        for task, topic in camera.truth_topics.items()
    }
    cap = "all distances" if max_depth_m is None else f"true depth up to {max_depth_m:g} m"
    between = "depth interpolated, " if any(camera.matching.interpolate for camera in known) else ""
    tolerance_ns = max(camera.tolerance_ns for camera in known)
    return {
        "Ground truth": ", ".join(sorted(topics)),
        "Compared": f"stamps at most {tolerance_ns / 1e6:.1f} ms apart, {between}{cap}",
    }


def _registration(camera: RecordedCamera) -> str:
    return " (registered to the camera)" if camera.registered else " (not registered to the camera)"


def describe_faults(camera: RecordedCamera) -> list[str]:
    """What was wrong with a camera's messages, a sentence each, for the report's notes."""
    faults = [
        f"{len(of_topic)} messages of {topic} could not be decoded. The first, recorded "
        f"{camera.bag.seconds(of_topic[0].log_ns):.3f} s after the bag's start: {of_topic[0].reason}"
        for topic, of_topic in camera.faults.items()
    ]
    faults += camera.notes
    if not camera.registered:
        faults.append(
            f"{camera.truth_topics[DEPTH.name]} is not registered to {camera.topic}: it is seen from another place, "
            "and compared as if it were not. Record a registered depth topic for figures that can be trusted."
        )
    if camera.info_topic is None:
        faults.append(
            f"There is no CameraInfo for {camera.topic}: depth is right only for a camera with the focal length "
            "that the model was trained for."
        )
    return faults
