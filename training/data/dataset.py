"""What a data set is, and what all that are made of files have in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.meaning import SemanticClass
from avtar_ros.tasks import Maps
from training.data.batch import Batch, concatenated
from training.tasks import LEARNT

Image = NDArray[np.uint8]


class Dataset(Protocol):
    """Images of one size with the maps that are known for them."""

    @property
    def classes(self) -> tuple[SemanticClass, ...]:
        """What the class ids mean; empty where there is no segmentation."""

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int]) -> Batch:
        """The images with these indices; a task that none of them has a map for is absent."""


@dataclass(frozen=True)
class Sample:
    """One image (H, W, 3) with its maps, in the layout of `Batch` without its first axis, and its camera.

    Maps may be larger or smaller than the image, as long as they show the same.
    """

    image: Image
    maps: Maps
    camera: Pinhole

    def with_maps(self, **maps: NDArray[Any]) -> Sample:
        """The sample with these maps added."""
        return replace(self, maps={**self.maps, **maps})

    def batch(self) -> Batch:
        maps = {name: torch.from_numpy(np.ascontiguousarray(values))[None] for name, values in self.maps.items()}
        return Batch(torch.from_numpy(self.image)[None], maps, torch.tensor([self.camera.fx], dtype=torch.float32))


class FrameDataset(ABC):
    """A data set whose images lie in files of any size.

    An image of another shape than `width` × `height` keeps its aspect: what sticks out on two sides is cut off, and
    the middle is brought to size. The camera's focal length goes with it; depth stays what it is.
    """

    def __init__(self, classes: tuple[SemanticClass, ...], width: int, height: int) -> None:
        self.classes = classes
        self._width, self._height = width, height
        self._readers = ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="dataset")

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def frame(self, index: int) -> Sample:
        """An image with its maps as they are stored, at any size. Called from several threads at a time."""

    def completed(self, sample: Sample) -> Sample:
        """A sample at its final size, with the maps that are computed from others."""
        return sample

    def batch(self, indices: Sequence[int]) -> Batch:
        return concatenated(list(self._readers.map(self._sized, indices)))

    def _sized(self, index: int) -> Batch:
        return self.completed(fitted(self.frame(index), self._width, self._height)).batch()


def fitted(sample: Sample, width: int, height: int) -> Sample:
    """The middle of a sample at the given size and aspect.

    Maps take their nearest pixel, so that neither class ids nor depths are mixed across borders; lines, which that
    would tear, take the strongest of the pixels that become one.
    """
    full_height, full_width = sample.image.shape[:2]
    crop_width = min(full_width, round(full_height * width / height))
    crop_height = min(full_height, round(full_width * height / width))
    left, top = (full_width - crop_width) // 2, (full_height - crop_height) // 2
    middle = sample.image[top : top + crop_height, left : left + crop_width]
    shrinks = crop_width > width or crop_height > height
    image = cv2.resize(middle, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    # Where the new pixels' centres lie, as shares of the whole image: maps have sizes of their own.
    x = (left + (np.arange(width) + 0.5) * crop_width / width) / full_width
    y = (top + (np.arange(height) + 0.5) * crop_height / height) / full_height
    maps = {}
    for name, values in sample.maps.items():
        rows, columns = (y * values.shape[0]).astype(np.intp), (x * values.shape[1]).astype(np.intp)
        if LEARNT[name].lines:
            step = crop_width / full_width * values.shape[1] / width
            values = _thickened(values, step)
        maps[name] = values[rows[:, None], columns]
    camera = sample.camera.cropped(left, top).scaled(width / crop_width, height / crop_height)
    return Sample(np.asarray(image, np.uint8), maps, camera)


def _thickened(edges: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    """Edges that every `step`-th pixel still meets; unknown stays unknown."""
    size = max(1, int(np.ceil(step)))
    thick = cv2.dilate(np.nan_to_num(edges), np.ones((size, size), np.uint8))
    return np.where(np.isnan(edges), np.float32(np.nan), thick).astype(np.float32)
