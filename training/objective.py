"""What a step minimises: the losses of the tasks that a batch has labels for, and how they are balanced.

    fixed          Σ_t w_t L_t
    uncertainty    Σ_t w_t e^{−s_t} L_t + s_t / 2, with s_t learnt (Kendall, Gal and Cipolla, CVPR 2018)
    pcgrad         fixed, with the gradients of tasks that conflict projected off each other (`conflicts.py`)
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import DEPTH
from training import processes
from training.config import PhaseConfig
from training.data.batch import Batch
from training.tasks import LEARNT


class Objective(nn.Module):
    """The losses of one phase; `weights` are the fixed w_t, 1 where absent, `chosen` other losses than the usual."""

    def __init__(
        self, card: ModelCard, phase: PhaseConfig, weights: Mapping[str, float], chosen: Mapping[str, str]
    ) -> None:
        super().__init__()
        self.card = card
        self.tasks = phase.learns or card.tasks
        self.weights = weights
        usual = {name: learnt.loss for name, learnt in LEARNT.items()}
        self.unweighted = usual | {name: LEARNT[name].losses[loss] for name, loss in chosen.items()}
        self.log_variance = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(())) for name in self.tasks if phase.balancing == "uncertainty"}
        )

    def losses(self, raw: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """The weighted loss of every task that is learnt and that the batch has a map for."""
        targets = {name: batch.maps[name] for name in self.tasks if name in batch.maps}
        if self.card.depth is not None and DEPTH.name in targets:  # as the card's camera would see it
            targets[DEPTH.name] = targets[DEPTH.name] / self.card.depth.scale(batch.focal)[:, None, None]
        return {
            name: self.weights.get(name, 1.0) * self._loss(name, raw[name].float(), target, batch.relative)
            for name, target in targets.items()
        }

    def _loss(self, name: str, raw: Tensor, target: Tensor, relative: Tensor | None) -> Tensor:
        """Of the images whose target is what it is called, and of those where it is known up to scale and shift."""
        to_scale = LEARNT[name].relative_loss
        if relative is None or to_scale is None:
            return self.unweighted[name](raw, target)
        which = relative.view(-1, *[1] * (target.dim() - 1))
        metric, other = target.masked_fill(which, torch.nan), target.masked_fill(~which, torch.nan)
        return self.unweighted[name](raw, metric) + to_scale(raw, other)

    def balanced(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each task adds to the sum that is minimised."""
        if not self.log_variance:
            return dict(losses)
        return {
            name: (-self.log_variance[name]).exp() * loss + self.log_variance[name] / (2 * processes.count())
            for name, loss in losses.items()
        }
