"""TSN, task-scaled norm: layer normalisation whose scale and shift the task decides."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class ScaleShift:
    """A task's scale γ̂_t and shift β_t, (T, C) each."""

    scale: Tensor
    shift: Tensor


class TaskScaledNorm(nn.Module):
    """(a − μ)/σ · γ̂_t + β_t(ω̃_t) with γ̂_t = γ′ · γ_t(ω̃_t) + β′.

    γ_t and β_t are linear in the task embedding. At the start γ_t = 1 and β′ = 0, and γ′ and β_t's bias are the
    replaced norm's weight and bias, so that it is that norm exactly, for every task.
    """

    def __init__(self, embedding_width: int, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.task_scale = nn.Linear(embedding_width, channels)
        self.task_shift = nn.Linear(embedding_width, channels)
        nn.init.zeros_(self.task_scale.weight)
        nn.init.ones_(self.task_scale.bias)
        nn.init.zeros_(self.task_shift.weight)
        nn.init.zeros_(self.task_shift.bias)

    def start_from(self, norm: nn.LayerNorm) -> None:
        """Behave as `norm` does, until trained."""
        self.eps = norm.eps
        with torch.no_grad():
            self.gamma.copy_(norm.weight)
            self.task_shift.bias.copy_(norm.bias)

    def condition(self, embedding: Tensor) -> ScaleShift:
        return ScaleShift(self.gamma * self.task_scale(embedding) + self.beta, self.task_shift(embedding))

    def forward(self, grid: Tensor, condition: ScaleShift) -> Tensor:
        """Tokens (T, B, H, W, C) normalised for their task."""
        normalised = F.layer_norm(grid, grid.shape[-1:], eps=self.eps)
        scale, shift = (part[:, None, None, None] for part in (condition.scale, condition.shift))
        return normalised * scale + shift
