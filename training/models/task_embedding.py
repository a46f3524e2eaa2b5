"""Task embeddings: what each task is, seen through its affinities with the others."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TaskEmbedding(nn.Module):
    """Affinity-weighted task embeddings, ω̃_t = Σ_s Ω[s,t]·e_s / Σ_s Ω[s,t].

    e_s (T, d) is learnt; Ω (T, T) is a buffer that TROA keeps up to date, the identity until then.
    """

    affinity: Tensor

    def __init__(self, tasks: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(tasks, width) / width**0.5)
        self.register_buffer("affinity", torch.eye(tasks))

    def forward(self) -> Tensor:
        """(T, d): one mixed embedding a task; zero where a task has no affinity at all, not even with itself."""
        weights = self.affinity / self.affinity.sum(0, keepdim=True).clamp(min=torch.finfo(self.affinity.dtype).tiny)
        return weights.T @ self.embedding
