"""Checkpoints: one safetensors file each, its header saying what it is. Nothing is pickled."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from avtar_ros.disk.files import partial_path
from avtar_ros.meaning import SemanticClass
from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import SEGMENTATION
from training.config import RunConfig
from training.errors import TrainingError

MODEL, OPTIMISER = "model.", "optimiser."
BACKBONE, HEADS = f"{MODEL}backbone.", f"{MODEL}heads."
DIFFERING_DEPTH, DIFFERING_SHOWN = 3, 5
"""How many parts of a tensor's name are told, and how many of such parts, where networks differ."""
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Checkpoint:
    """A state of a run: `tensors` holds the model's state and, for going on, that of all else which learns.

    Where the frozen backbone is left out, `backbone_digest` says which one the rest belongs on. Tensors whose names
    begin with one of `without_heads` were left out to start anew.
    """

    config: RunConfig
    card: ModelCard
    phase: str
    step: int
    tensors: dict[str, Tensor]
    backbone_digest: str = ""
    without_heads: tuple[str, ...] = ()

    @property
    def trains(self) -> str:
        """What its phase trained: the backbone or the adapters."""
        return self.config.phase(self.phase).trains

    def load_into(self, model: nn.Module) -> None:
        """Raises TrainingError if the checkpoint is of another network, or of adapters on another backbone."""
        state = {name.removeprefix(MODEL): t for name, t in self.tensors.items() if name.startswith(MODEL)}
        if self.backbone_digest:
            if self.backbone_digest != backbone_digest(model_tensors(model)):
                raise TrainingError(
                    f"the adapters of run {self.config.name!r} were trained on another backbone than this config's. "
                    "Name the whole checkpoint that they were split from, last.safetensors in the same folder."
                )
            own = model.state_dict()
            state |= {name: own[name] for name in own if (MODEL + name).startswith(BACKBONE)}
        if self.without_heads:
            own = model.state_dict()
            state |= {name: own[name] for name in own if (MODEL + name).startswith(self.without_heads)}
        if differing := _differing(state, model.state_dict()):
            raise TrainingError(
                f"the checkpoint of phase {self.phase!r} of run {self.config.name!r} does not fit this config's model: "
                f"{differing}. Give the run another folder, or go back to the config that it was begun with."
            )
        model.load_state_dict(state)

    def check_meaning(self, card: ModelCard) -> None:
        """Raises TrainingError if the same weights would mean something else in a model with this card."""
        own_classes, other_classes = (tuple(c.name for c in it.classes) for it in (self.card, card))
        for what, own, other in (("tasks", self.card.tasks, card.tasks), ("classes", own_classes, other_classes)):
            if own != other:
                raise TrainingError(
                    f"the checkpoint of phase {self.phase!r} of run {self.config.name!r} has the {what} "
                    f"{', '.join(own)}, in this order; this config has {', '.join(other)}. "
                    f"Give the run another folder, or the {what} of the checkpoint; to learn classes of your own, "
                    "`new_heads: [segmentation]`."
                )

    def adapters_alone(self) -> Checkpoint:
        """All that the method trains, without the frozen backbone, of which a digest stays, and without moments."""
        kept = {n: t for n, t in self.tensors.items() if n.startswith(MODEL) and not n.startswith(BACKBONE)}
        return replace(self, tensors=kept, backbone_digest=backbone_digest(self.tensors))

    def model_alone(self) -> Checkpoint:
        """What a model is, without what a run needs to go on: enough to start another run from, and to export."""
        return replace(self, tensors={n: t for n, t in self.tensors.items() if n.startswith(MODEL)})

    def renewed(self, tasks: Collection[str], classes: tuple[SemanticClass, ...]) -> Checkpoint:
        """Without the heads of `tasks`, which start anew, and of other classes if segmentation is one of them."""
        heads = tuple(f"{HEADS}{name}." for name in tasks)
        tensors = {n: t for n, t in self.tensors.items() if n.startswith(MODEL) and not n.startswith(heads)}
        card = self.card.replace(classes=classes) if SEGMENTATION.name in tasks else self.card
        return replace(self, card=card, tensors=tensors, without_heads=heads)

    def load_module(self, name: str, module: nn.Module) -> None:
        """Restore a module that is not part of the model, saved by `module_tensors`."""
        own = {key.removeprefix(f"{name}."): t for key, t in self.tensors.items() if key.startswith(f"{name}.")}
        module.load_state_dict(own)

    def load_optimiser(self, optimiser: torch.optim.Optimizer, names: list[str]) -> None:
        """Restore the moments of the parameters called `names`, in the optimiser's order."""
        state = optimiser.state_dict()
        state["state"] = {
            i: {key: self.tensors[f"{OPTIMISER}{name}.{key}"] for key in MOMENTS}
            for i, name in enumerate(names)
            if f"{OPTIMISER}{name}.{MOMENTS[0]}" in self.tensors
        }
        optimiser.load_state_dict(state)


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    return {MODEL + name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def module_tensors(name: str, module: nn.Module) -> dict[str, Tensor]:
    """The state of what learns beside the model, such as an objective."""
    return {f"{name}.{key}": tensor.detach().clone() for key, tensor in module.state_dict().items()}


def backbone_digest(tensors: Mapping[str, Tensor]) -> str:
    """Tells backbones apart by their weights, among the tensors of a model."""
    digest = hashlib.sha256()
    for name in sorted(name for name in tensors if name.startswith(BACKBONE)):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def optimiser_tensors(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """The moments of the parameters called `names`, in the optimiser's order."""
    state = optimiser.state_dict()["state"]
    return {
        f"{OPTIMISER}{name}.{key}": state[i][key].clone()
        for i, name in enumerate(names)
        if i in state  # a parameter that the phase does not use has none
        for key in MOMENTS
    }


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write it whole or not at all."""
    header = {
        "config": checkpoint.config.model_dump_json(),
        "card": checkpoint.card.to_json(),
        "phase": checkpoint.phase,
        "step": str(checkpoint.step),
    }
    if checkpoint.backbone_digest:
        header["backbone_digest"] = checkpoint.backbone_digest
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial_path(path) as partial:
        save_file({name: t.contiguous() for name, t in checkpoint.tensors.items()}, partial, metadata=header)


def is_checkpoint(path: Path) -> bool:
    """Whether a file says at its beginning that it is one of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            return {"config", "card", "phase", "step"} <= (file.metadata() or {}).keys()
    except (SafetensorError, OSError):
        return False


def load_checkpoint(path: Path) -> Checkpoint:
    """Raises TrainingError if the file is missing, damaged or not one of ours."""
    if not path.is_file():
        raise TrainingError(f"{path}: no such checkpoint. `avtar-train fit` writes them under runs/.")
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise TrainingError(f"{path}: not a checkpoint, or a damaged one ({error}).") from error
    if missing := {"config", "card", "phase", "step"} - header.keys():
        raise TrainingError(f"{path}: not a checkpoint of avtar_ros; its header lacks {', '.join(sorted(missing))}.")
    card = ModelCard.from_json(header["card"], str(path))
    try:
        config = RunConfig.model_validate_json(header["config"])
        return Checkpoint(config, card, config.phase(header["phase"]).name, int(header["step"]), tensors,
                          header.get("backbone_digest", ""))
    except ValueError as error:
        raise TrainingError(f"{path}: its header is damaged, or of another version of avtar_ros: {error}") from error


def _differing(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """In which parts, by name, the tensors of two networks differ; nothing where they do not."""
    told = []
    sizes = {name for name in state.keys() & own.keys() if state[name].shape != own[name].shape}
    for what, names in (
        ("only the checkpoint has", state.keys() - own.keys()),
        ("only the model has", own.keys() - state.keys()),
        ("of another size are", sizes),
    ):
        if names:
            parts = Counter(".".join(name.split(".")[:DIFFERING_DEPTH]) for name in names)
            shown = [f"{part} ({count})" if count > 1 else part for part, count in parts.most_common(DIFFERING_SHOWN)]
            more = f" and {len(parts) - DIFFERING_SHOWN} other parts" if len(parts) > DIFFERING_SHOWN else ""
            told.append(f"{what} {', '.join(shown)}{more}")
    return "; ".join(told)
