"""FiLM: the task decides scale and shift of a learnt matrix, which becomes an attention bias A′."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FiLM(nn.Module):
    """The matrix A′_t that task t adds to the attention logits of a window of w × w tokens.

    (γ_t, β_t) = Linear(ω̃_t) in R^{2w};  M_t = (1 + γ_t) ⊙ M + β_t with M in R^{N×w}, N = w². The w blocks of w × w
    rows of M_t lie on the diagonal of A′_t (N × N), zero elsewhere: each row of the window gets its own block.
    All weights start at zero, so A′ = 0; β_t's gradient is not zero there and moves it.
    """

    def __init__(self, embedding_width: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.modulation = nn.Linear(embedding_width, 2 * window)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.matrix = nn.Parameter(torch.zeros(window * window, window))

    def forward(self, embedding: Tensor) -> Tensor:
        """Task embeddings (T, d) to A′ (T, N, N)."""
        gamma, beta = self.modulation(embedding).chunk(2, dim=-1)
        modulated = (1 + gamma[:, None]) * self.matrix + beta[:, None]
        blocks = modulated.unflatten(1, (self.window, self.window))
        on_diagonal = torch.eye(self.window, device=blocks.device, dtype=blocks.dtype)
        bias: Tensor = blocks[:, :, :, None, :] * on_diagonal[:, None, :, None]
        return bias.flatten(3, 4).flatten(1, 2)
