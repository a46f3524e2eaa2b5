"""Semantic segmentation: uint8 class ids from the model's card, 255 where unlabelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.meaning import UNLABELLED, Meaning
from avtar_ros.rendering import Image
from avtar_ros.tasks.metric import Figure, MetricError, MetricOptions, Sums, TaskMap, TaskMetric
from avtar_ros.tasks.task import Difference, Stability, Storage, Task
from avtar_ros.tasks.words import LEAST_SHARE, Words


def color_classes(ids: Image, meaning: Meaning) -> Image:
    """Class ids (H, W) to their colours (H, W, 3); ids without a meaning are black."""
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, : len(meaning.classes)] = [c.color for c in meaning.classes]
    return cv2.LUT(cv2.merge([ids] * 3), table).astype(np.uint8, copy=False)  # a fifth of the time of table[ids]


class SegmentationMetric(TaskMetric):
    """Mean intersection over union from one confusion matrix; 255 in the truth is not counted.

    Classes absent from both prediction and truth are left out. A predicted id the card does not have is an
    error of the true class.
    """

    name = "segmentation"
    FIGURES: ClassVar = {"segmentation.miou": Figure(
        "Mean IoU", "", True, 0.005, "overlap of predicted and true area, averaged over the classes; 1 is perfect"
    )}

    def __init__(self, options: MetricOptions) -> None:
        # [true class, predicted class]; the last column holds predictions that are no class.
        self.size = self.brief = options.classes * (options.classes + 1)
        super().__init__(options)

    def measure(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        classes = self.options.classes
        known = truth != UNLABELLED
        true, predicted = truth[known].astype(np.intp), np.minimum(prediction[known], classes).astype(np.intp)
        if true.size and true.max() >= classes:
            raise MetricError(
                f"the truth has class id {true.max()}, but the model has {classes} classes. "
                "Judge it against labels of its own classes."
            )
        return np.bincount(true * (classes + 1) + predicted, minlength=self.size).astype(np.float64)

    def class_iou(self, sums: Sums) -> NDArray[np.float64]:
        """IoU of each class, (classes,); NaN where the class was neither there nor predicted."""
        confusion = sums.reshape(self.options.classes, -1)
        square = confusion[:, :-1]
        union = confusion.sum(1) + square.sum(0) - square.diagonal()
        return np.where(union > 0, square.diagonal() / np.maximum(union, 1), np.nan)

    def figures(self, sums: Sums) -> dict[str, float]:
        if not sums.any():
            return {}
        return {"segmentation.miou": float(np.nanmean(self.class_iou(sums)))}

    def is_true(self, sums: Sums) -> NDArray[np.bool_]:
        """Which classes the truth has, (classes,)."""
        return np.asarray(sums.reshape(self.options.classes, -1).sum(1) > 0)

    def predicted_share(self, sums: Sums) -> NDArray[np.float64]:
        """The share of known pixels that were predicted to be of each class, (classes,)."""
        return np.asarray(sums.reshape(self.options.classes, -1).sum(0)[:-1] / max(sums.sum(), 1))


class TrueClassesMetric(SegmentationMetric):
    """The mean over those classes alone that the truth has; given where others were predicted, else it is the same.

    One that is predicted here and there, and is in no place of the recording, weighs as much in the other mean as any:
    its intersection over union is 0.
    """

    name = "segmentation of classes in the truth"
    FIGURES: ClassVar = {"segmentation.miou_of_true": Figure(
        "Mean IoU of the classes in the truth", "", True, 0.005, "the same, averaged over the classes that are there"
    )}

    def figures(self, sums: Sums) -> dict[str, float]:
        ious, is_true = self.class_iou(sums), self.is_true(sums)
        if not is_true.any() or not np.isfinite(ious[~is_true]).any():
            return {}
        return {"segmentation.miou_of_true": float(ious[is_true].mean())}


def _other_ids(reference: TaskMap, other: TaskMap) -> NDArray[np.float64]:
    """100 where the ids differ."""
    return np.asarray(100.0 * np.not_equal(reference, other))


def _flicker(now: TaskMap, before: TaskMap) -> NDArray[np.float64]:
    """1 where c_t ≠ c_{t−1}."""
    return np.asarray(now != before, np.float64)


def _class_ids(ids: TaskMap) -> TaskMap:
    return ids.astype(np.uint8)


NAMED = 4
"""How many classes a sentence names."""


def _name(class_id: int, meaning: Meaning) -> str:
    return meaning.classes[class_id].name if class_id < len(meaning.classes) else "unlabelled"


def _figures(ids: TaskMap, meaning: Meaning) -> Mapping[str, float | None]:
    """{class: its share of the pixels}, the largest first."""
    shares: dict[str, float] = {}
    for class_id, count in enumerate(np.bincount(ids.ravel(), minlength=1).tolist()):
        name = _name(class_id, meaning)
        shares[name] = shares.get(name, 0.0) + count / ids.size
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return {name: round(part, 4) for name, part in ordered if part >= LEAST_SHARE}


def _sentence(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {part:.0%}" for name, part in list(figures.items())[:NAMED])


SEGMENTATION = Task(
    name="segmentation",
    title="Segmentation",
    unit="class id",
    dtype=np.uint8,
    channels=0,
    encoding="mono8",
    interpolation=cv2.INTER_NEAREST,
    colorize=color_classes,
    metrics=(SegmentationMetric,),
    metrics_of_recordings=(TrueClassesMetric,),
    difference=Difference("pixels of another class", " %", {"fp16": 1.0, "fp32": 0.1}, _other_ids),
    stability=Stability("segmentation.flicker", Figure(
        "Flicker where nothing moves", "", False, 0.001,
        "share of pixels that change their class from frame to frame where nothing moves",
    ), _flicker),
    storage=Storage(np.uint8, _class_ids, _class_ids, repeats=True),
    words=Words(_figures, _sentence, lambda class_id, meaning: _name(int(class_id), meaning)),
    overlaid=True,
)
