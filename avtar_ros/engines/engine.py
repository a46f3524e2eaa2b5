"""What an engine is: it turns a batch of images into task maps."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines.golden import Golden
from avtar_ros.errors import AvtarError
from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import Maps

INPUT = "image"
"""What models call their input."""
UNDER_WAY = 2
"""How many batches may be begun and not yet collected: while one is computed, another is copied."""

Pending = Callable[[], Maps]
"""Waits for the maps of a batch that was begun, and gives them."""


class EngineError(AvtarError):
    """A model file that cannot be run here."""


@dataclass(frozen=True)
class EngineOptions:
    """How to run a model.

    For ONNX Runtime: `threads` 0 means one per core, `providers` empty means the best there are. For TensorRT:
    `zero_copy` lets a GPU that shares the CPU's memory work in place, without copies; others take no notice.
    `self_test` refuses a model that does not give here what it gave when it was exported, see `engines.golden`.
    """

    threads: int = 0
    providers: tuple[str, ...] = ()
    zero_copy: bool = False
    self_test: bool = True


class Engine(AbstractContextManager["Engine"]):
    """A loaded model. Use it from one thread at a time, but see `begin`; it is warm once opened."""

    card: ModelCard
    description: str
    """What it runs on, in words, for people."""
    has_digest: bool = True
    """Whether the file was found to be as it was written; without a digest, damage to it can go unnoticed."""
    golden: Golden | None = None
    """What it must give wherever it runs, where the model says so."""
    self_tested: str = "not done"
    """What came of the self-test, in words."""
    largest_batch: int | None = None
    """How many images it computes at once; None for any number. Given more, it takes turns or refuses."""

    @abstractmethod
    def infer(self, images: NDArray[np.uint8]) -> Maps:
        """Task maps for RGB images (B, H, W, 3) of the card's size: {task: (B, H, W[, 3])}.

        The arrays belong to the caller. Raises EngineError if the images have another shape or type.
        """

    def begin(self, images: NDArray[np.uint8]) -> Pending:
        """Start on a batch, which must not change until its maps are collected by a call of what this returns.

        Batches are collected in their order, one thread may begin them and another collect them. Raises EngineError as
        `infer` does, or leaves that to the collecting. An engine that cannot start computes when it is collected.
        """
        return partial(self.infer, images)

    def infer_stream(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Maps]:
        """Task maps of each of many batches, in order; UNDER_WAY are taken up before the first one's are given."""
        pending: deque[Pending] = deque()
        for images in batches:
            if len(pending) == UNDER_WAY:
                yield pending.popleft()()
            pending.append(self.begin(images))
        while pending:
            yield pending.popleft()()

    @abstractmethod
    def close(self) -> None:
        """Free what the engine holds; it cannot be used afterwards. Closing again does nothing."""

    def __exit__(self, *_: object) -> None:
        self.close()


def check_images(images: NDArray[np.uint8], card: ModelCard) -> None:
    """Raise EngineError if `images` are not what a model with this card takes."""
    wanted = (card.height, card.width, 3)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != wanted or not len(images):
        raise EngineError(
            f"images of shape {images.shape} and type {images.dtype} given; "
            f"this model takes uint8 (B, {', '.join(map(str, wanted))})."
        )


def check_maps(maps: Maps, batch: int, card: ModelCard, path: Path) -> None:
    """Raise EngineError if what the model at `path` gave is not what its card promises."""
    for task in card.task_records:
        promised = ((batch, *task.shape(card.height, card.width)), np.dtype(task.dtype))
        given = (maps[task.name].shape, maps[task.name].dtype)
        if given != promised:
            raise EngineError(
                f"{path}: the model does not keep its card's promise: {task.name} is {given}, not {promised}. "
                "Export the model again."
            )
