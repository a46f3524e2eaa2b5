"""Checkpoints: one safetensors file each, its header saying what it is. Nothing is pickled."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from avtar_ros.model_card import ModelCard
from training.config import RunConfig
from training.errors import TrainingError

MODEL, OPTIMISER = "model.", "optimiser."
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Checkpoint:
    """A state of a run: `tensors` holds the model's state and, for going on, the optimiser's moments."""

    config: RunConfig
    card: ModelCard
    phase: str
    step: int
    tensors: dict[str, Tensor]

    @property
    def trains(self) -> str:
        """What its phase trained: the backbone or the adapters."""
        return self.config.phase(self.phase).trains

    def load_into(self, model: nn.Module) -> None:
        """Raises TrainingError where the checkpoint is of another network."""
        state = {name.removeprefix(MODEL): t for name, t in self.tensors.items() if name.startswith(MODEL)}
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            raise TrainingError(
                f"the checkpoint of phase {self.phase!r} of run {self.config.name!r} does not fit this config's model. "
                f"Give the run another folder, or go back to the config that it was begun with. {error}"
            ) from error

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
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    save_file({name: t.contiguous() for name, t in checkpoint.tensors.items()}, unfinished, metadata=header)
    unfinished.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Raises TrainingError where the file is missing, damaged or not one of ours."""
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
        return Checkpoint(config, card, config.phase(header["phase"]).name, int(header["step"]), tensors)
    except ValueError as error:
        raise TrainingError(f"{path}: its header is damaged, or of another version of avtar_ros: {error}") from error
