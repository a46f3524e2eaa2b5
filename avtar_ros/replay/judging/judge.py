"""What is to be told of a run: figures over all frames and of each, the time each took, and frames to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros import rendering
from avtar_ros.meaning import Meaning
from avtar_ros.model_card import ModelCard
from avtar_ros.perception import Frame
from avtar_ros.replay.judging.consistency import DepthNormalsMeter, EdgesBoundariesMeter
from avtar_ros.replay.judging.frame_table import FrameTable
from avtar_ros.replay.judging.image_quality import ImageQualityMeter
from avtar_ros.replay.judging.meters import (
    BANDS_M,
    Meter,
    TruthMeter,
    View,
    in_band,
    truth_meters,
    with_derived_truth,
)
from avtar_ros.replay.judging.stability import StabilityMeter, StaticPixels
from avtar_ros.replay.judging.sureness import UnsureEdgesMeter
from avtar_ros.replay.judging.tally import Blocks, Tally
from avtar_ros.replay.judging.unlikeness import Look, look, unlikeness
from avtar_ros.tasks import DEPTH, TASKS, Maps, TaskMap
from avtar_ros.tasks.metric import MetricError, Sums
from avtar_ros.tasks.segmentation import SegmentationMetric

SHOWN_FRAMES = 5
WORST_FRAMES = 2
CLASS_IOU = "segmentation.iou"
CLASS_SHARE = "segmentation.predicted_share"
"""Of a class that the truth does not have: the share of pixels that were taken for it."""
PICTURE_WIDTH = 384
MOST_PICTURE_HEIGHT = 3 * PICTURE_WIDTH
"""Taller ones are squeezed."""
OVERLAY_OPACITY = 0.6


@dataclass(frozen=True)
class Picture:
    """A small RGB picture with a title, and the truth in the same colours where that is known.

    Where colours are spread over a range, `depth` and `true_depth` are what they show.
    """

    title: str
    image: rendering.Image
    truth: rendering.Image | None = None
    depth: TaskMap | None = None
    true_depth: TaskMap | None = None

    def over(self, meaning: Meaning) -> Picture:
        """The same with colours over the range of `meaning`; itself where they show no range."""
        if self.depth is None:
            return self
        image, truth = (
            None if depth is None else _small(DEPTH.colorize(depth, meaning)) for depth in (self.depth, self.true_depth)
        )
        assert image is not None
        return replace(self, image=image, truth=truth)


@dataclass(frozen=True)
class ShownFrame:
    stamp_ns: int
    pictures: tuple[Picture, ...]

    @property
    def depths(self) -> list[TaskMap]:
        """The depth in its pictures, predicted and true."""
        return [depth for p in self.pictures for depth in (p.depth, p.true_depth) if depth is not None]

    def over(self, meaning: Meaning) -> ShownFrame:
        """The same with its pictures' colours over the range of `meaning`."""
        return replace(self, pictures=tuple(picture.over(meaning) for picture in self.pictures))


@dataclass(frozen=True)
class FrameTime:
    stamp_ns: int
    latency_ns: int


@dataclass(frozen=True)
class WorstFrame:
    """A frame on which a figure is at its worst."""

    key: str
    value: float
    frame: ShownFrame


class Judge:
    """Takes frame after frame with what was predicted and what is true.

    `max_depth_m` leaves true depth beyond it out of the metrics. `problems` says what could not be measured.
    """

    def __init__(self, card: ModelCard, max_depth_m: float | None = None, tasks: Sequence[str] | None = None) -> None:
        self.card = card
        tasks = tasks or card.tasks
        self._all_meters = (*truth_meters(card, tasks, max_depth_m), *_meters_without_truth(tasks))
        self._given_up: set[str] = set()
        self.known = {key: figure for meter in self._all_meters for key, figure in meter.figures_given.items()}
        self.problems: list[str] = []
        self.times: list[FrameTime] = []
        self.table = FrameTable()
        self.blocks = Blocks()
        self.looks: list[Look] = []
        self._total = Tally()
        self._cameras: defaultdict[str, Tally] = defaultdict(Tally)
        self._bands = {band: Tally() for band in BANDS_M}
        self._before: dict[str, View] = {}
        self._worst: defaultdict[str, list[WorstFrame]] = defaultdict(list)
        self._shown: list[ShownFrame] = []
        self._stride = 1

    def add(self, frame: Frame, maps: Maps, truth: Maps, latency_ns: int, camera: str = "") -> None:
        """Add a frame, its maps at one size (H, W[, 3]), and the truth there is, at any size."""
        truth = {task: fit(truth[task], maps[task]) for task in maps if task in truth}
        view = with_derived_truth(View(frame, maps, truth, self._before.get(camera)))
        measured = self._measure(view)
        self._total.add(measured)
        self._cameras[camera].add(measured)
        brief = {meter.name: meter.brief(measured[meter.name]) for meter in self.meters if meter.name in measured}
        self.blocks.add(brief)
        if DEPTH.name in view.truth:
            for band, tally in self._bands.items():
                tally.add(self._measure_truth(in_band(view, *band)))
        figures = {k: v for m in self.meters if m.name in brief for k, v in m.figures(brief[m.name]).items()}
        self.looks.append(look(view.small))
        self._keep_worst(view, figures)
        if len(self.times) % self._stride == 0:
            self._show(view)
        self._before[camera] = replace(view, before=None)
        self.table.add(frame.stamp_ns, camera, latency_ns, figures)
        self.times.append(FrameTime(frame.stamp_ns, latency_ns))

    @property
    def meters(self) -> list[Meter]:
        """Those that measure: all but the ones that the truth turned out not to fit."""
        return [meter for meter in self._all_meters if meter.name not in self._given_up]

    @property
    def figures(self) -> dict[str, float]:
        """All figures over all frames."""
        return self._total.figures(self.meters)

    @property
    def breakdown(self) -> dict[str, dict[str, dict[str, float]]]:
        """{what it is broken down by: {group: figures}}: true distance, class, and camera where there are several."""
        bands = {_band_name(*band): tally.figures(self.meters) for band, tally in self._bands.items()}
        cameras = {name: tally.figures(self.meters) for name, tally in self._cameras.items()}
        groups = {
            "True distance": {name: figures for name, figures in bands.items() if figures},
            **self._class_figures(),
            "Camera": cameras if len(cameras) > 1 else {},
        }
        return {name: group for name, group in groups.items() if group}

    @property
    def worst(self) -> dict[str, list[WorstFrame]]:
        """By key, the frames where it is worst, the very worst first; of each task's headline figures only."""
        return {key: sorted(frames, key=self._badness, reverse=True) for key, frames in self._worst.items()}

    @property
    def unlikeness(self) -> NDArray[np.float32]:
        """How much each frame looks unlike the rest, (frames,)."""
        return unlikeness(self.looks)

    @property
    def shown(self) -> list[ShownFrame]:
        """At most SHOWN_FRAMES, evenly spread over the run."""
        picks = np.linspace(0, len(self._shown) - 1, min(SHOWN_FRAMES, len(self._shown)))
        return [self._shown[round(i)] for i in picks]

    def _measure(self, view: View) -> dict[str, Sums]:
        """The sums of every meter that can measure something; one to which the truth does not fit is given up."""
        measured = {}
        for meter in self.meters:
            try:
                sums = meter.measure(view)
            except MetricError as error:
                self._given_up.add(meter.name)
                what = TASKS[meter.task].title if isinstance(meter, TruthMeter) else meter.name
                self.problems.append(f"{what} is not measured: {error}")
                continue
            if sums is not None:
                measured[meter.name] = sums
        return measured

    def _measure_truth(self, view: View) -> dict[str, Sums]:
        measured = {
            m.name: m.measure(view) for m in self.meters if isinstance(m, TruthMeter) and m.metric.pixelwise
        }
        return {name: sums for name, sums in measured.items() if sums is not None}

    def _class_figures(self) -> dict[str, dict[str, dict[str, float]]]:
        """The figures of each class that the truth has, and apart from them of those only predicted."""
        for meter in self.meters:
            if isinstance(meter, TruthMeter) and isinstance(meter.metric, SegmentationMetric):
                sums = self._total.sums.get(meter.name)
                if sums is None:
                    return {}
                ious, shares = meter.metric.class_iou(sums).tolist(), meter.metric.predicted_share(sums).tolist()
                names, is_true = [c.name for c in self.card.classes], meter.metric.is_true(sums).tolist()
                rows = list(zip(names, is_true, ious, shares, strict=True))
                return {
                    "Class": {name: {CLASS_IOU: iou} for name, true, iou, _ in rows if true},
                    "Class that is not in the truth": {
                        name: {CLASS_SHARE: share} for name, true, _, share in rows if share and not true
                    },
                }
        return {}

    def _badness(self, worst: WorstFrame) -> float:
        return -worst.value if self.known[worst.key].higher_is_better else worst.value

    def _keep_worst(self, view: View, figures: dict[str, float]) -> None:
        """Keep the frame for showing if it is among the worst in one of its tasks' first figures."""
        headlines = {key.partition(".")[0]: key for key in reversed(figures) if key.partition(".")[0] in TASKS}
        for key in headlines.values():
            kept = self._worst[key]
            candidate = WorstFrame(key, figures[key], ShownFrame(view.frame.stamp_ns, ()))
            mildest = min(kept, key=self._badness, default=None)
            if len(kept) == WORST_FRAMES and mildest is not None:
                if self._badness(candidate) <= self._badness(mildest):
                    continue
                kept.remove(mildest)
            kept.append(replace(candidate, frame=show(view.frame, view.maps, view.truth, self.card)))

    def _show(self, view: View) -> None:
        """Keep a frame for showing; every other is let go, and kept from now on, when they become too many."""
        self._shown.append(show(view.frame, view.maps, view.truth, self.card))
        if len(self._shown) == 2 * SHOWN_FRAMES:
            self._shown = self._shown[::2]
            self._stride *= 2


def _meters_without_truth(tasks: Sequence[str]) -> list[Meter]:
    static = StaticPixels()
    stability: list[Meter] = [StabilityMeter(task, static) for task in tasks]
    return [*stability, DepthNormalsMeter(), EdgesBoundariesMeter(), UnsureEdgesMeter(), ImageQualityMeter()]


def _band_name(low_m: float, high_m: float) -> str:
    return f"{low_m:g}–{high_m:g} m" if np.isfinite(high_m) else f"> {low_m:g} m"


def show(frame: Frame, maps: Maps, truth: Maps, card: ModelCard) -> ShownFrame:
    """The image and its maps in colours, small."""
    image = _small(frame.image)
    pictures = [Picture("Image", image)]
    for task, task_map in maps.items():
        seen, known = _shrunk(task_map, image), _shrunk(truth[task], image) if task in truth else None
        true_colors = None if known is None else _colored(task, known, image, card)
        picture = Picture(TASKS[task].title, _colored(task, seen, image, card), true_colors)
        pictures.append(replace(picture, depth=seen, true_depth=known) if task == DEPTH.name else picture)
    return ShownFrame(frame.stamp_ns, tuple(pictures))


def fit(truth: TaskMap, prediction: TaskMap) -> TaskMap:
    """The truth at the prediction's size, nearest pixel: nothing is mixed across an edge."""
    height, width = prediction.shape[:2]
    return cv2.resize(truth, (width, height), interpolation=cv2.INTER_NEAREST)


def _shrunk(task_map: TaskMap, image: rendering.Image) -> TaskMap:
    """No larger than the picture of its image: there is less to colour and to keep then."""
    height, width = image.shape[:2]
    if task_map.shape[1] <= width:
        return task_map
    return cv2.resize(task_map, (width, height), interpolation=cv2.INTER_NEAREST)


def _colored(task: str, task_map: TaskMap, image: rendering.Image, card: ModelCard) -> rendering.Image:
    colors = _small(TASKS[task].colorize(task_map, card))
    return rendering.overlay(image, colors, OVERLAY_OPACITY) if TASKS[task].overlaid else colors


def _small(picture: rendering.Image) -> rendering.Image:
    height = min(max(1, round(PICTURE_WIDTH * picture.shape[0] / picture.shape[1])), MOST_PICTURE_HEIGHT)
    shrinks = picture.shape[1] > PICTURE_WIDTH
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(picture, (PICTURE_WIDTH, height), interpolation=interpolation).astype(np.uint8, copy=False)
