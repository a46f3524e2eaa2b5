"""TAA, task-adapted attention: window attention with a bias of the task's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models import windows
from training.models.film import FiLM


class TaskAdaptedAttention(nn.Module):
    """softmax(q kᵀ/√d_h + relative position bias + A′_t + shift mask) v, in windows of w × w tokens.

    A′_t is shared by heads and windows. All that is added to q kᵀ depends on task, window and head but not on the
    image: `condition` gathers it in one tensor, which export turns into a constant.
    """

    position_index: Tensor

    def __init__(self, channels: int, heads: int, window: int, shift: int, embedding_width: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.scale = (channels // heads) ** -0.5
        self.qkv = nn.Linear(channels, 3 * channels)
        self.projection = nn.Linear(channels, channels)
        self.position_bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.film = FiLM(embedding_width, window)
        self.register_buffer("position_index", windows.relative_position_index(window), persistent=False)

    def start_from(self, parts: tuple[nn.Linear, nn.Linear, nn.Linear], position_bias: Tensor | None) -> None:
        """Attend as query, key and value do, until trained; biases of other windows than these are no use here."""
        with torch.no_grad():
            if position_bias is not None and position_bias.shape == self.position_bias.shape:
                self.position_bias.copy_(position_bias)
            self.qkv.weight.copy_(torch.cat([part.weight for part in parts]))
            for bias, part in zip(self.qkv.bias.chunk(3), parts, strict=True):
                bias.copy_(part.bias) if part.bias is not None else bias.zero_()

    def condition(self, embedding: Tensor, height: int, width: int) -> Tensor:
        """(T, 1, windows, heads, N, N): all that is added to the logits on a grid of height × width."""
        position = self.position_bias[self.position_index].permute(2, 0, 1)
        mask = windows.attention_mask(height, width, self.window, self._shift_on(height, width)).to(position)
        task: Tensor = self.film(embedding)
        return (task[:, None, None] + position + mask[:, None])[:, None]

    def forward(self, grid: Tensor, condition: Tensor) -> Tensor:
        """Tokens (T, B, H, W, C), or (1, B, H, W, C) where they are the same for all tasks, to (T, B, H, W, C)."""
        height, width = grid.shape[2:4]
        shift = self._shift_on(height, width)
        # Windows are cut after the first and merged before the second linear layer, neither of which then computes
        # anything of the grid's padding.
        qkv = self.qkv(grid)
        tokens = windows.partition(qkv.flatten(0, 1), self.window, shift).unflatten(0, (len(qkv), -1))
        query, key, value = (self._split_heads(part) for part in tokens.chunk(3, dim=-1))
        weights = ((query * self.scale) @ key.transpose(-1, -2) + condition).softmax(-1)
        attended = (weights @ value).transpose(-2, -3).flatten(-2)
        merged = windows.merge(attended.flatten(0, 1), height, width, self.window, shift)
        per_task: Tensor = self.projection(merged.unflatten(0, (len(attended), -1)))
        return per_task

    def _shift_on(self, height: int, width: int) -> int:
        """The shift on a grid: none where a window spans a side of it, as there shifting only cuts the window up."""
        return 0 if min(height, width) <= self.window else self.shift

    def _split_heads(self, tokens: Tensor) -> Tensor:
        """(T, B, windows, N, C) to (T, B, windows, heads, N, d_h)."""
        by_head: Tensor = tokens.unflatten(-1, (self.heads, -1))
        return by_head.transpose(-2, -3)
