"""How good a model is on images that it never saw: held-out rooms, or the validation images of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from avtar_ros.metrics import StreamingMetrics
from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import DEPTH, SEGMENTATION, Maps
from avtar_ros.terminal.progress import Progress
from training.by_source import SourceFigures
from training.data.batch import Batch
from training.data.config import DataConfig
from training.data.datasets import open_dataset
from training.data.manifest import Source
from training.data.synthetic_rooms import render_rooms
from training.errors import TrainingError
from training.models.inference import InferenceModel

Infer = Callable[[NDArray[np.uint8]], Maps]
"""RGB images (B, H, W, 3) to task maps: an engine's `infer`, or `torch_infer` of a model in training."""


def held_out_rooms(count: int, first_seed: int, card: ModelCard, chunk: int = 16) -> Iterator[Batch]:
    """`count` rooms at the card's size, `chunk` at a time."""
    for start in range(first_seed, first_seed + count, chunk):
        yield render_rooms(range(start, min(start + chunk, first_seed + count)), card.width, card.height)


def held_out_images(
    data: DataConfig, card: ModelCard, most: int | None = None, chunk: int = 16
) -> Iterator[Batch]:
    """The validation images of a data set, or the first `most` of them, `chunk` at a time, without class ids where its
    classes are not the card's.

    Raises TrainingError if the images have another size than the model takes.
    """
    if (data.width, data.height) != (card.width, card.height):
        raise TrainingError(
            f"data: images of {data.width}x{data.height}, but the model takes {card.width}x{card.height}. "
            "Set `width` and `height` in the config."
        )
    dataset = open_dataset(data, "validation")
    number = len(dataset) if most is None else min(most, len(dataset))
    for start in range(0, number, chunk):
        batch = dataset.batch(range(start, min(start + chunk, number)))
        if dataset.classes != card.classes:
            batch.maps.pop(SEGMENTATION.name, None)
        yield batch


def evaluate(infer: Infer, card: ModelCard, batches: Iterable[Batch]) -> dict[str, float]:
    """Metrics over all batches, by the keys of their figures.

    Depth of a camera whose focal length is NaN, for nobody knows it, is judged up to its scale alone.
    """
    metrics = StreamingMetrics(card.tasks, len(card.classes))
    for batch in batches:
        maps = infer(batch.image.numpy())
        truth = {name: batch.maps[name].numpy() for name in card.tasks if name in batch.maps}
        if batch.relative is not None and DEPTH.name in truth:  # disparity of unknown scale and shift judges nothing
            truth[DEPTH.name] = np.where(batch.relative.numpy()[:, None, None], np.nan, truth[DEPTH.name])
        focal = batch.focal.numpy()
        for which, to_scale in ((np.isfinite(focal), True), (np.isnan(focal), False)):
            if not which.any():
                continue
            seen, true = ({name: known[name][which] for name in known} for known in (maps, truth))
            if card.depth is not None and to_scale:
                seen[DEPTH.name] = seen[DEPTH.name] * card.depth.scale(focal[which])[:, None, None]
            metrics.update(seen, true, to_scale)
    return metrics.compute()


def evaluate_sources(infer: Infer, card: ModelCard, sources: Sequence[Source]) -> dict[str, SourceFigures]:
    """The figures of every source by itself, under their names."""
    found = {}
    with Progress(unit="image", total=sum(len(source.images) for source in sources), desc="real images") as progress:
        for source in sources:
            found[source.name] = SourceFigures(source.group, evaluate(infer, card, source.batches()))
            progress.update(len(source.images))
    return found


def torch_infer(model: InferenceModel) -> Infer:
    def infer(images: NDArray[np.uint8]) -> Maps:
        with torch.inference_mode():
            maps = model(torch.from_numpy(images).to(model.device))
            return {name: values.cpu().numpy() for name, values in maps.items()}

    return infer
