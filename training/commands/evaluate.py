"""avtar-train evaluate: measure a model on images that it never saw."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avtar_ros.disk.files import make_folder, write_text
from avtar_ros.disk.outputs import check_file, is_figures
from avtar_ros.terminal.command_line import DONE, Command, positive_int, show
from avtar_ros.terminal.progress import Progress
from training import seeds
from training.commands.options import add_rooms, figures_text, image_size
from training.errors import TrainingError
from training.overrides import add_set

if TYPE_CHECKING:
    from avtar_ros.model_card import ModelCard
    from training.data.batch import Batch
    from training.evaluate import Infer


DESCRIPTION = (
    "Measure a model on synthetic rooms that no training has seen, or on the validation images of any "
    "config's data; where its classes are not the model's, segmentation is left out. Or on the RGB-D images of a "
    "manifest: figures of every source and the mean of every group, in which each source counts once."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="an .onnx file, or a checkpoint (.safetensors)")
    on = parser.add_mutually_exclusive_group()
    on.add_argument("--data", type=Path, metavar="CONFIG", help="measure on this config's data, not on rooms")
    on.add_argument("--manifest", type=Path, metavar="FILE",
                    help="measure on the RGB-D images that this JSON file lists (docs/data.md)")
    parser.add_argument("--size", type=image_size, metavar="WxH",
                        help="take images of this size and not the checkpoint's own")
    add_rooms(parser, positive_int)
    parser.set_defaults(rooms=None)  # with --data it is a limit, and none where it is not given
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    add_set(parser)


def run(options: argparse.Namespace, command: str) -> int:
    from avtar_ros.engines.opening import open_engine
    from training.checkpoint import load_checkpoint
    from training.evaluate import torch_infer
    from training.export import load_model

    if options.model.suffix == ".safetensors":
        model = load_model(load_checkpoint(options.model), options.size)
        card, infer = model.card, torch_infer(model)
        engine: AbstractContextManager[object] = nullcontext()
    elif options.size:
        raise TrainingError(f"--size: {options.model} is made for one size alone. Name the checkpoint it was made of.")
    else:
        engine = opened = open_engine(options.model)
        card, infer = opened.card, opened.infer
    if options.json:
        inputs = [path for path in (options.model, options.data, options.manifest) if path is not None]
        check_file(options.json, inputs, is_figures)
    with engine:
        text, written = (_by_source if options.manifest else _by_data)(options, card, infer)
    show(text)
    if options.json:
        make_folder(options.json.parent)
        write_text(options.json, json.dumps(written, indent=1) + "\n")
    return DONE


def _by_data(options: argparse.Namespace, card: ModelCard, infer: Infer) -> tuple[str, Any]:
    """Figures on rooms or a config's data, as text and for a JSON file."""
    from training.evaluate import evaluate

    figures: dict[str, dict[str, float]] = {}
    texts = []
    for what, batches in _unseen(options, card):
        with Progress(unit="image", desc=what) as progress:
            images = _Counted(batches, progress)
            figures[what] = evaluate(infer, card, images)
        held_out = f"{images.number} images held out from training, of: " if options.data else ""
        texts.append(f"{held_out}{what}\n{figures_text(figures[what])}")
    text = "\n\n".join(texts)
    return text, figures if len(figures) > 1 else next(iter(figures.values()))


def _by_source(options: argparse.Namespace, card: ModelCard, infer: Infer) -> tuple[str, Any]:
    """Figures on the images of a manifest, as text and for a JSON file."""
    from training.by_source import group_means, table
    from training.data.manifest import read_manifest
    from training.evaluate import evaluate_sources

    found = evaluate_sources(infer, card, read_manifest(options.manifest, card.width, card.height))
    by_name = {name: {"group": source.group, **source.figures} for name, source in found.items()}
    return table(found), {"groups": group_means(found), "sources": by_name}


def _unseen(options: argparse.Namespace, card: ModelCard) -> Iterator[tuple[str, Iterator[Batch]]]:
    """What to measure on, each with a description of its own: rooms, or every part of a config's data."""
    from training.config import load_config
    from training.evaluate import held_out_images, held_out_rooms

    if not options.data:
        number = options.rooms or seeds.HELD_OUT_ROOMS
        yield f"{number} rooms from seed {options.seed}", held_out_rooms(number, options.seed, card)
        return
    met: Counter[str] = Counter()
    for data in load_config(options.data, settings=options.set).data.single:
        met[data.description] += 1
        number = met[data.description]
        yield data.description + (f" ({number})" if number > 1 else ""), held_out_images(data, card, options.rooms)


class _Counted:
    """Batches, of which `number` images have been taken so far, as the progress shows."""

    def __init__(self, batches: Iterator[Batch], progress: Progress) -> None:
        self.number = 0
        self._batches, self._progress = batches, progress

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches:
            yield batch
            self.number += len(batch)
            self._progress.update(len(batch))


EVALUATE = Command("measure a model on images that it never saw", DESCRIPTION, add_arguments, run)
