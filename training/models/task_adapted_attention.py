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

    Tensors have the four dimensions that fused kernels of attention know: tasks and windows count as heads, each with
    a bias of its own, and q is scaled before the product.
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
        """(1, T·windows·heads, N, N): all that is added to the logits on a grid of height × width."""
        position = self.position_bias[self.position_index].permute(2, 0, 1)
        mask = windows.attention_mask(height, width, self.window, self._shift_on(height, width)).to(position)
        task: Tensor = self.film(embedding)
        return (task[:, None, None] + position + mask[:, None]).flatten(0, 2)[None]

    def forward(self, grid: Tensor, condition: Tensor) -> Tensor:
        """Tokens (T, B, H, W, C), or (1, B, H, W, C) where they are the same for all tasks, to (T, B, H, W, C)."""
        height, width = grid.shape[2:4]
        shift = self._shift_on(height, width)
        # Windows are cut after the first and merged before the second linear layer, neither of which then computes
        # anything of the grid's padding.
        qkv = self.qkv(grid)
        whole = windows.arranged(qkv.flatten(0, 1), self.window, shift)
        rows, columns = (side // self.window for side in whole.shape[1:3])
        tasks = condition.shape[1] // (rows * columns * self.heads)
        whole = whole.unflatten(0, (len(qkv), -1))
        query, key, value = (self._by_head(part, tasks) for part in whole.chunk(3, dim=-1))
        weights = ((query * self.scale) @ key.transpose(-1, -2) + condition).softmax(-1)
        attended = self._on_grid(weights @ value, tasks, rows, columns)
        merged = windows.restored(attended.flatten(0, 1), height, width, shift)
        per_task: Tensor = self.projection(merged.unflatten(0, (tasks, -1)))
        return per_task

    def _shift_on(self, height: int, width: int) -> int:
        """The shift on a grid: none where a window spans a side of it, as there shifting only cuts the window up."""
        return 0 if min(height, width) <= self.window else self.shift

    def _by_head(self, grid: Tensor, tasks: int) -> Tensor:
        """(T, B, rows·w, columns·w, C), or the same for all tasks, to (B, T·windows·heads, N, d_h)."""
        cut = grid.unflatten(4, (self.heads, -1)).unflatten(3, (-1, self.window)).unflatten(2, (-1, self.window))
        by_head: Tensor = cut.permute(1, 0, 2, 4, 6, 3, 5, 7)
        if len(grid) < tasks:
            by_head = by_head.expand(-1, tasks, -1, -1, -1, -1, -1, -1)
        return by_head.flatten(5, 6).flatten(1, 4)

    def _on_grid(self, by_head: Tensor, tasks: int, rows: int, columns: int) -> Tensor:
        """(B, T·windows·heads, N, d_h) to (T, B, rows·w, columns·w, C)."""
        cut = by_head.unflatten(2, (self.window, self.window)).unflatten(1, (tasks, rows, columns, self.heads))
        laid: Tensor = cut.permute(1, 0, 2, 5, 3, 6, 4, 7)
        return laid.flatten(6, 7).flatten(4, 5).flatten(2, 3)
