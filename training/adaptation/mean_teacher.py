"""Consistency: a model under strong augmentation against its own moving average under weak.

That is the mean teacher (Tarvainen and Valpola, NeurIPS 2017) with FixMatch's weak and strong views (Sohn et al.,
NeurIPS 2020): classes that the average is unsure of teach nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import DEPTH
from training.adaptation.adaptation import Pass
from training.checkpoint import Checkpoint
from training.data.augment import augmented
from training.data.batch import Batch, unknown_in
from training.models.multitask import MultitaskModel
from training.objective import Objective
from training.target_config import ConsistencyConfig
from training.tasks import LEARNT

TEACHER = "teacher."


class MeanTeacher:
    """The moving average of what a model learns, which labels the images that the model learns from."""

    def __init__(self, config: ConsistencyConfig, model: MultitaskModel, objective: Objective, bfloat16: bool) -> None:
        self._config, self._model, self._objective, self._bfloat16 = config, model, objective, bfloat16
        self._average = {name: parameter.detach().clone() for name, parameter in self._learnt()}

    def _learnt(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, parameter) for name, parameter in self._model.named_parameters() if parameter.requires_grad)

    def adapt(self, forward: Pass, source: Mapping[str, Tensor], target: Batch, share: float) -> None:
        """The losses of strongly augmented images against what the average finds in `target`."""
        labelled = self.labelled(target)
        random = torch.Generator().manual_seed(int(torch.randint(2**62, ())))  # a function of the step, as that is
        strong = replace(labelled, image=self._changed(target.image, random))
        losses = self._objective.losses(forward(strong), strong)
        (self._config.weight * share * torch.stack(list(losses.values())).sum()).backward()

    def labelled(self, batch: Batch) -> Batch:
        """The images with the maps that the average finds in them, whatever maps they had; no gradient."""
        device = batch.image.device.type
        self._model.eval()
        with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=self._bfloat16):
            raw = functional_call(self._model, self._average, batch.image)
        self._model.train()
        card = self._objective.card
        maps = {name: self._found(name, raw[name].float(), card) for name in self._objective.tasks}
        if card.depth is not None and DEPTH.name in maps:
            maps[DEPTH.name] = maps[DEPTH.name] * card.depth.scale(batch.focal)[:, None, None]
        return Batch(batch.image, maps, batch.focal)

    def _found(self, name: str, raw: Tensor, card: ModelCard) -> Tensor:
        """A task's map, without what is not certain enough to be learnt from."""
        task = LEARNT[name]
        found = task.to_map(raw, card)
        if task.certainty is None:
            return found
        return found.masked_fill(task.certainty(raw) < self._config.confidence, unknown_in(name))

    def _changed(self, image: Tensor, random: torch.Generator) -> Tensor:
        plain = Batch(image.cpu(), {}, torch.ones(len(image)))
        return augmented(plain, self._config.strong, random).image.to(image.device)

    def follow(self) -> None:
        """Move the average towards the model."""
        for name, parameter in self._learnt():
            self._average[name].lerp_(parameter.detach(), 1 - self._config.momentum)

    def tensors(self) -> dict[str, Tensor]:
        return {TEACHER + name: average.clone() for name, average in self._average.items()}

    def load(self, checkpoint: Checkpoint) -> None:
        for name, average in self._average.items():
            average.copy_(checkpoint.tensors[TEACHER + name])
