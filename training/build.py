"""From a config to the network that it describes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.meaning import DepthRange
from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import DEPTH, SEGMENTATION
from training.checkpoint import Checkpoint, load_checkpoint
from training.config import RunConfig
from training.errors import TrainingError
from training.licences import licence_of_model
from training.models.backbone import Backbone, load_backbone
from training.models.multitask import MultitaskModel


def check_buildable(config: RunConfig, before: Checkpoint | None = None) -> None:
    """Raises TrainingError for what only the network can tell, before hours go into rooms and phases."""
    if before is not None:
        build_model(config, config.phases[0].trains, new_card(config, before), before)
    model = build_model(config, "adapters", new_card(config, before))
    stride = model.backbone.stages[0].stride
    for phase in config.phases:
        width, height = config.data.width // phase.downscale, config.data.height // phase.downscale
        where = f"data: images of {width}x{height}, as in phase {phase.name!r},"
        if width % stride or height % stride:
            raise TrainingError(f"{where} do not fit the backbone: sides must be multiples of {stride} pixels.")
        try:
            with torch.no_grad():
                model(torch.zeros(1, height, width, 3, dtype=torch.uint8))
        except RuntimeError as error:
            raise TrainingError(f"{where} are too small for the backbone: {error}") from error


def starting_point(config: RunConfig) -> Checkpoint | None:
    """The checkpoint that a run goes on from, without the heads that start anew. Raises TrainingError."""
    if config.start_from is None:
        return None
    before = load_checkpoint(config.start_from)
    return before.renewed(config.new_heads, config.data.classes) if config.new_heads else before


def new_card(config: RunConfig, before: Checkpoint | None = None) -> ModelCard:
    """What is known of a model before it is trained, from where the checkpoint `before` left it.

    Raises TrainingError if nothing says what the classes are.
    """
    depth = DepthRange(config.depth.min_m, config.depth.max_m, config.depth.focal_px)
    data, classes = config.data.description, config.data.classes
    if before is not None and not classes:  # a task that goes on without labels keeps its meaning
        classes = before.card.classes
    if SEGMENTATION.name in config.tasks and not classes:
        raise TrainingError(
            "`tasks` has segmentation, but `data` has no classes: go on from a checkpoint that has them (`start_from`, "
            "or --from), mix in data with classes, or leave segmentation out."
        )
    if before is not None:
        data = before.card.training_data if before.config == config else f"{before.card.training_data}; then {data}"
    return ModelCard(
        name=config.name,
        tasks=config.tasks,
        width=config.data.width,
        height=config.data.height,
        classes=classes if SEGMENTATION.name in config.tasks else (),
        depth=depth if DEPTH.name in config.tasks else None,
        training_data=data,
        licence=licence_of_model(config, before),
    )


def build_model(config: RunConfig, trains: str, card: ModelCard, before: Checkpoint | None = None) -> MultitaskModel:
    """The network of a phase that trains the backbone (no adapters) or the adapters (backbone frozen).

    It starts from what the phase `before` made; adapter layers then start from the layers that they replace.
    Raises TrainingError if `before` is of other tasks or classes, or has adapters and the phase has none.
    """
    hf_model = load_backbone(config.model.backbone)
    model = MultitaskModel(Backbone(hf_model, [0] * len(config.model.replace)), config.model, card)
    adapted_before = before is not None and before.trains == "adapters"
    if before is not None:
        before.check_meaning(card)
    if adapted_before and trains == "backbone":
        raise TrainingError(
            "`trains: backbone` cannot go on from a checkpoint of adapters: the layers that they replaced are gone. "
            "Train adapters, or start from the checkpoint of a phase before them."
        )
    if before is not None and not adapted_before:
        before.load_into(model)
    if trains == "adapters":
        whole = model
        model = MultitaskModel(Backbone(hf_model, config.model.replace), config.model, card)
        for part in ("decoder", "detail_stem", "detail_fusion", "heads"):
            setattr(model, part, getattr(whole, part))
        if before is not None and adapted_before:
            before.load_into(model)
        model.backbone.freeze()
    return model


def write_backbone(checkpoint: Checkpoint, folder: Path) -> None:
    """The whole backbone that a phase trained, as a Hugging Face folder.

    Raises TrainingError if it lacks layers, AvtarError where files of others are in the folder.
    """
    if checkpoint.trains != "backbone":
        raise TrainingError(
            f"the checkpoint is of phase {checkpoint.phase!r}, whose backbone has adapters in the place of its last "
            "layers. Name that of a phase with `trains: backbone`."
        )
    hf_model: Any = load_backbone(checkpoint.config.model.backbone)
    whole = Backbone(hf_model, [0] * len(checkpoint.config.model.replace))
    model = MultitaskModel(whole, checkpoint.config.model, checkpoint.card)
    checkpoint.load_into(model)
    with OutputFolder(folder) as output, tempfile.TemporaryDirectory(dir=folder, prefix=".") as draft:
        hf_model.save_pretrained(draft)
        files = sorted(Path(draft).iterdir())
        output.claim(*(file.name for file in files))
        for file in files:
            file.replace(folder / file.name)


def parameter_table(model: MultitaskModel) -> str:
    """How many parameters each part of the network has, and how many of them are trained."""
    parts: list[tuple[str, nn.Module]] = [*model.named_children(), ("all", model)]
    rows = [f"{'':16}{'parameters':>12}{'trained':>12}{'share':>8}"]
    for name, part in parts:
        total = sum(p.numel() for p in part.parameters())
        trained = sum(p.numel() for p in part.parameters() if p.requires_grad)
        if total:
            rows.append(f"{name.replace('_', ' '):16}{total:12,}{trained:12,}{trained / total:8.1%}")
    return "\n".join(rows)
