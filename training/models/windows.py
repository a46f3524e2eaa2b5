"""Windows: square neighbourhoods of tokens that attend to one another (Liu et al., Swin Transformer, ICCV 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCKED = -100.0
"""Added to the attention logits of tokens that must not see each other; small enough for half precision."""


def padded(size: int, window: int) -> int:
    return -(-size // window) * window


def partition(grid: Tensor, window: int, shift: int) -> Tensor:
    """(B, H, W, C) to (B, windows, N, C), N = window²; the grid is padded at its end and rolled back by `shift`."""
    height, width = grid.shape[1:3]
    below, right = padded(height, window) - height, padded(width, window) - width
    if below or right:
        grid = F.pad(grid, (0, 0, 0, right, 0, below))
    if shift:
        grid = torch.roll(grid, (-shift, -shift), (1, 2))
    grid = grid.unflatten(2, (-1, window)).unflatten(1, (-1, window))
    return grid.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def merge(windows: Tensor, height: int, width: int, window: int, shift: int) -> Tensor:
    """The inverse of `partition`: (B, windows, N, C) to (B, H, W, C)."""
    rows, columns = padded(height, window) // window, padded(width, window) // window
    grid: Tensor = windows.unflatten(1, (rows, columns)).unflatten(3, (window, window))
    grid = grid.transpose(2, 3).flatten(3, 4).flatten(1, 2)
    if shift:
        grid = torch.roll(grid, (shift, shift), (1, 2))
    return grid[:, :height, :width]


def attention_mask(height: int, width: int, window: int, shift: int) -> Tensor:
    """(windows, N, N): BLOCKED between tokens that only the roll or the padding made neighbours, else 0."""
    rows = _regions(height, window, shift)
    columns = _regions(width, window, shift)
    region = rows[:, None] * (columns.max() + 1) + columns[None, :]
    region = partition(region[None, :, :, None].float(), window, 0)[0, :, :, 0]
    return torch.where(region[:, :, None] == region[:, None, :], 0.0, BLOCKED)


def _regions(size: int, window: int, shift: int) -> Tensor:
    """For each place of the rolled axis, which stretch of the original axis it came from (padding is its own)."""
    place = (torch.arange(padded(size, window)) + shift) % padded(size, window)
    wrapped = place < shift
    return torch.where(place >= size, 2, wrapped.long())


def relative_position_index(window: int) -> Tensor:
    """(N, N) index into a table of (2·window − 1)² biases, by the offset between query and key."""
    place = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
    offset = place[:, :, None] - place[:, None, :] + window - 1
    return offset[0] * (2 * window - 1) + offset[1]
