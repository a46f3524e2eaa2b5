"""What a training step asks of a way to learn from another domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor

from training.checkpoint import Checkpoint
from training.data.batch import Batch

Pass = Callable[[Batch], dict[str, Tensor]]
"""Images to raw outputs of the model that learns, {task: (B, channels, H, W)}."""


class Adaptation(Protocol):
    """Learns beside the model, and is saved in its checkpoints."""

    def adapt(self, forward: Pass, source: Mapping[str, Tensor], target: Batch, share: float) -> None:
        """Add to the model's gradients, as the `share` of a step that this batch is of.

        `source` is raw outputs on a batch with labels; those of `target` are not looked at.
        """

    def follow(self) -> None:
        """What there is to do after the model's step."""

    def tensors(self) -> dict[str, Tensor]:
        """All that it goes on from."""

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on from the tensors saved there."""
