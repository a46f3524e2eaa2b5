"""What is to be told of a run: metrics over all frames, the time each took, and a few frames to look at."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from avtar_ros import rendering
from avtar_ros.metrics import MetricError, StreamingMetrics
from avtar_ros.model_card import ModelCard
from avtar_ros.perception import Frame
from avtar_ros.tasks import TASKS, Maps, TaskMap

SHOWN_FRAMES = 5
PICTURE_WIDTH = 384
OVERLAY_OPACITY = 0.6


@dataclass(frozen=True)
class Picture:
    """A small RGB picture with a title, and the truth in the same colours where that is known."""

    title: str
    image: rendering.Image
    truth: rendering.Image | None = None


@dataclass(frozen=True)
class ShownFrame:
    stamp_ns: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class FrameTime:
    stamp_ns: int
    latency_ns: int


class Judge:
    """Takes frame after frame with what was predicted and what is true.

    `max_depth_m` leaves true depth beyond it out of the metrics. `problems` says what could not be measured.
    """

    def __init__(self, card: ModelCard, max_depth_m: float | None = None) -> None:
        self.card = card
        self.metrics = StreamingMetrics(card.tasks, len(card.classes), max_depth_m)
        self.problems: list[str] = []
        self.times: list[FrameTime] = []
        self._shown: list[ShownFrame] = []
        self._stride = 1

    def add(self, frame: Frame, maps: Maps, truth: Maps, latency_ns: int) -> None:
        """Add a frame, its maps at one size (H, W[, 3]), and the truth there is, at any size."""
        truth = {task: fit(truth[task], maps[task]) for task in maps if task in truth}
        for task in truth.keys() & self.metrics.tasks.keys():
            self._measure(task, maps[task], truth[task])
        if len(self.times) % self._stride == 0:
            self._show(frame, maps, truth)
        self.times.append(FrameTime(frame.stamp_ns, latency_ns))

    def _measure(self, task: str, prediction: TaskMap, truth: TaskMap) -> None:
        """Add to a task's metric, or give the metric up where the truth is not of this model's kind."""
        try:
            self.metrics.update({task: prediction[None]}, {task: truth[None]})
        except MetricError as error:
            self.metrics.tasks.pop(task)
            self.problems.append(f"{TASKS[task].title} is not measured: {error}")

    @property
    def shown(self) -> list[ShownFrame]:
        """At most SHOWN_FRAMES, evenly spread over the run."""
        picks = np.linspace(0, len(self._shown) - 1, min(SHOWN_FRAMES, len(self._shown)))
        return [self._shown[round(i)] for i in picks]

    def _show(self, frame: Frame, maps: Maps, truth: Maps) -> None:
        """Keep a frame for showing; every other is let go, and kept from now on, when they become too many."""
        self._shown.append(show(frame, maps, truth, self.card))
        if len(self._shown) == 2 * SHOWN_FRAMES:
            self._shown = self._shown[::2]
            self._stride *= 2


def show(frame: Frame, maps: Maps, truth: Maps, card: ModelCard) -> ShownFrame:
    """The image and its maps in colours, small."""
    image = _small(frame.image)
    pictures = [Picture("Image", image)]
    for task, task_map in maps.items():
        known = _colored(task, truth[task], image, card) if task in truth else None
        pictures.append(Picture(TASKS[task].title, _colored(task, task_map, image, card), known))
    return ShownFrame(frame.stamp_ns, tuple(pictures))


def fit(truth: TaskMap, prediction: TaskMap) -> TaskMap:
    """The truth at the prediction's size, nearest pixel: nothing is mixed across an edge."""
    height, width = prediction.shape[:2]
    return cv2.resize(truth, (width, height), interpolation=cv2.INTER_NEAREST)


def _colored(task: str, task_map: TaskMap, image: rendering.Image, card: ModelCard) -> rendering.Image:
    colors = _small(TASKS[task].colorize(task_map, card))
    return rendering.overlay(image, colors, OVERLAY_OPACITY) if TASKS[task].overlaid else colors


def _small(picture: rendering.Image) -> rendering.Image:
    height = round(PICTURE_WIDTH * picture.shape[0] / picture.shape[1])
    shrinks = picture.shape[1] > PICTURE_WIDTH
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(picture, (PICTURE_WIDTH, height), interpolation=interpolation).astype(np.uint8, copy=False)
