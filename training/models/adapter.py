"""The vision adapter layer, which takes the place of one of the backbone's last layers."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from training.models.stages import ReplacedLayer
from training.models.task_adapted_attention import TaskAdaptedAttention
from training.models.task_scaled_norm import ScaleShift, TaskScaledNorm

BOTTLENECK = 4
"""Channels over the width between FF-down and FF-up."""


@dataclass(frozen=True)
class AdapterCondition:
    """Everything in an adapter layer that depends on the tasks but not on the image."""

    attention: Tensor
    inner: ScaleShift
    outer: ScaleShift


class VisionAdapterLayer(nn.Module):
    """x → LN → TAA → + x → LN (= a) → FF → + a → TSN (= s) → FF-down → FF-up → + a → TSN.

    s of the adapter layer before it in the same stage is added before FF-down.
    """

    def __init__(self, replaced: ReplacedLayer, heads: int, window: int, shift: int, embedding_width: int) -> None:
        super().__init__()
        channels = replaced.projection.out_features
        hidden = replaced.feed_forward[0].out_features
        self.norm_before = nn.LayerNorm(channels, replaced.norm_before.eps)
        self.attention = TaskAdaptedAttention(channels, heads, window, shift, embedding_width)
        self.norm_after = nn.LayerNorm(channels, replaced.norm_after.eps)
        self.feed_forward = nn.ModuleList([nn.Linear(channels, hidden), nn.Linear(hidden, channels)])
        self.inner_norm = TaskScaledNorm(embedding_width, channels)
        self.down = nn.Linear(channels, channels // BOTTLENECK)
        self.up = nn.Linear(channels // BOTTLENECK, channels)
        self.outer_norm = TaskScaledNorm(embedding_width, channels)
        self._start_from(replaced)

    def _start_from(self, replaced: ReplacedLayer) -> None:
        """Copy the replaced layer's weights where it has them, so that training starts from what the backbone knows."""
        if replaced.attention is not None:
            self.attention.start_from(replaced.attention, replaced.position_bias)
        _copy(replaced.projection, self.attention.projection)
        _copy(replaced.norm_before, self.norm_before)
        _copy(replaced.norm_after, self.norm_after)
        for source, target in zip(replaced.feed_forward, self.feed_forward, strict=True):
            _copy(source, target)
        for norm in (self.inner_norm, self.outer_norm):
            norm.start_from(replaced.norm_after)

    def condition(self, to_attention: Tensor, to_norms: Tensor, height: int, width: int) -> AdapterCondition:
        """From the task embeddings (T, d) that the attention and the norms get to see, on a grid of this size."""
        return AdapterCondition(
            self.attention.condition(to_attention, height, width),
            self.inner_norm.condition(to_norms),
            self.outer_norm.condition(to_norms),
        )

    def forward(self, grid: Tensor, condition: AdapterCondition, skip: Tensor | None) -> tuple[Tensor, Tensor]:
        """Tokens (T, B, H, W, C) and the skip s of the adapter layer before; both anew.

        Before the first adapter layer tokens are the same for all tasks, (1, B, H, W, C); they become one set a task
        where A′_t first tells tasks apart, and what comes before that is computed once.
        """
        attended = grid + self.attention(self.norm_before(grid), condition.attention)
        a = self.norm_after(attended)
        expand, contract = self.feed_forward
        s = self.inner_norm(a + contract(F.gelu(expand(a))), condition.inner)
        bottleneck = s if skip is None else s + skip
        output = self.outer_norm(a + self.up(F.gelu(self.down(bottleneck))), condition.outer)
        return output, s


def _copy(source: nn.Module, target: nn.Module) -> None:
    target.load_state_dict(source.state_dict())
