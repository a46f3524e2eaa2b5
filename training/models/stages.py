"""How the network sees a backbone: stages on grids of tokens, and the layers that adapters take the place of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn


class Tokens(NamedTuple):
    """Tokens of one stage: the image's on their grid (B, H, W, C), and those that belong to no place (B, K, C).

    A whole image (B, H, W, 3) is the grid that the first stage begins with.
    """

    grid: Tensor
    extra: Tensor | None = None


Step = Callable[[Tokens], Tokens]


@dataclass(frozen=True)
class Stage:
    """One stage of a backbone.

    `enter` brings the image or the previous stage's tokens to this stage's grid; `layers` keep its shape; `leave`
    gives what the next stage enters with; `feature` gives the grid that a decoder reads from that.
    A plain transformer's stages all have one stride: `upscale` is how many times finer a decoder should make them.
    `shifted` says whether the layer that comes after `layers` is one with shifted windows.
    """

    channels: int
    heads: int
    stride: int
    enter: Step
    layers: Sequence[Step]
    leave: Step
    feature: Callable[[Tensor], Tensor]
    upscale: int = 1
    shifted: bool = False


@dataclass(frozen=True)
class ReplacedLayer:
    """The parts of a backbone's layer that an adapter layer starts from.

    `attention` is its query, key and value, or None where it attends in another way; `position_bias` what it adds to
    their logits, a table ((2·window − 1)², heads) by the offset between query and key, where it has one.
    """

    attention: tuple[nn.Linear, nn.Linear, nn.Linear] | None
    projection: nn.Linear
    norm_before: nn.LayerNorm
    norm_after: nn.LayerNorm
    feed_forward: tuple[nn.Linear, nn.Linear]
    position_bias: Tensor | None = None


Layers = list[list[nn.Module]]
"""The transformer layers of each stage."""


@dataclass(frozen=True)
class Family:
    """How to find one's way in a Hugging Face backbone of one architecture."""

    layers: Callable[[Any], Layers]
    stages: Callable[[Any, Layers], list[Stage]]
    """From the model and those of its layers that are to run."""
    replaced: Callable[[Any], ReplacedLayer]
    """The parts of one of the layers."""


def identity(tokens: Tokens) -> Tokens:
    return tokens


def same(grid: Tensor) -> Tensor:
    return grid


def on_grid(change: Callable[[Tensor], Tensor]) -> Step:
    """A step of a backbone that has tokens on the grid alone."""
    return lambda tokens: Tokens(change(tokens.grid))


def on_sequence(call: Callable[[Tensor, int, int], Tensor]) -> Step:
    """The same where `call` takes the tokens as a sequence (B, H·W, C), with H and W."""

    def step(grid: Tensor) -> Tensor:
        height, width = grid.shape[1:3]
        return as_grid(call(grid.flatten(1, 2), height, width), height, width)

    return on_grid(step)


def as_grid(tokens: Tensor, height: int, width: int) -> Tensor:
    """A sequence of tokens (B, H·W, C) on its grid."""
    grid: Tensor = tokens.unflatten(1, (height, width))
    return grid


def embedded(embedding: Callable[[Tensor], tuple[Tensor, tuple[int, int]]]) -> Step:
    """The first step of a backbone, from an image; `embedding` gives a sequence and its grid's height and width."""

    def step(image: Tensor) -> Tensor:
        tokens, (height, width) = embedding(image.permute(0, 3, 1, 2))
        return as_grid(tokens, height, width)

    return on_grid(step)


def half(size: int) -> int:
    """The side of the grid that pairs of tokens make, one that is left over being padded."""
    return (size + 1) // 2
