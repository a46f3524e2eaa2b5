"""Unsupervised domain adaptation: a discriminator a task on output maps (Lopes et al., DenseMTL, WACV 2023).

On S the discriminator sees the self-information of each class, on D the map scaled to [0, 1]: `LearntTask.appearance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avtar_ros.model_card import ModelCard
from training import processes
from training.adaptation.adaptation import Pass
from training.checkpoint import Checkpoint, module_tensors, optimiser_tensors
from training.data.batch import Batch
from training.target_config import DiscriminatorsConfig
from training.tasks import LEARNT

CHANNELS = (64, 128, 256)
SOURCE, TARGET = 1.0, 0.0
ADVERSARY = "adversary"


class Adversary(nn.Module):
    """The discriminators of all tasks, with an optimiser of their own."""

    def __init__(
        self, config: DiscriminatorsConfig, card: ModelCard, tasks: Iterable[str], device: torch.device
    ) -> None:
        super().__init__()
        self.weight = config.weight
        self.discriminators = nn.ModuleDict({name: _discriminator(LEARNT[name].channels(card)) for name in tasks})
        self.to(device)
        self.names = [name for name, _ in self.named_parameters(prefix=ADVERSARY)]
        self.optimiser = torch.optim.AdamW(self.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))

    def adapt(self, forward: Pass, source: Mapping[str, Tensor], target: Batch, share: float) -> None:
        """The model learns to confuse the discriminators, then they learn from both domains' outputs."""
        found = forward(target)
        (self.weight * share * self.confusion(found)).backward()
        self.learn(source, found)

    def follow(self) -> None:
        """Nothing: they have learnt."""

    def tensors(self) -> dict[str, Tensor]:
        return module_tensors(ADVERSARY, self) | optimiser_tensors(self.optimiser, self.names)

    def load(self, checkpoint: Checkpoint) -> None:
        checkpoint.load_module(ADVERSARY, self)
        checkpoint.load_optimiser(self.optimiser, self.names)

    def confusion(self, target: Mapping[str, Tensor]) -> Tensor:
        """How far raw outputs on the target domain are from being taken for the source's; for the model to minimise.

        No gradient reaches the discriminators.
        """
        self.requires_grad_(False)
        loss = torch.stack([self._judged(name, target[name].float(), SOURCE) for name in self.discriminators]).sum()
        self.requires_grad_(True)
        return loss / processes.count()

    def learn(self, source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> float:
        """A step of telling raw outputs on the two domains apart, which no gradient leaves; gives the loss."""
        domains = ((source, SOURCE), (target, TARGET))
        judged = [self._judged(n, raw[n].detach().float(), is_) for raw, is_ in domains for n in self.discriminators]
        loss = torch.stack(judged).sum() / (2 * processes.count())
        self.optimiser.zero_grad()
        loss.backward()
        processes.sum_gradients(self.parameters())
        self.optimiser.step()
        return loss.item()

    def _judged(self, name: str, raw: Tensor, domain: float) -> Tensor:
        logits = self.discriminators[name](LEARNT[name].appearance(raw))
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, domain))


def _discriminator(channels: int) -> nn.Sequential:
    """Patches of the map, each judged by itself."""
    layers: list[nn.Module] = []
    for before, after in zip((channels, *CHANNELS), CHANNELS, strict=False):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(CHANNELS[-1], 1, 4, stride=2, padding=1))
