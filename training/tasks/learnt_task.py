"""The record of a task in training: everything that differs between tasks where a network learns them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import Task

Loss = Callable[[Tensor, Tensor], Tensor]
"""Of raw outputs (B, channels, H, W) and target maps in the layout of `avtar_ros.tasks`: a mean over the pixels that
have a label, of all processes if there are several. Each process has its images' part of the mean, and the sum of these
parts is the loss."""


@dataclass(frozen=True)
class Packing:
    """How a map is kept between runs: finer than training can notice, in a quarter of the room that floats take."""

    dtype: type[np.generic]
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]


def thinned_out(values: Tensor, factor: int) -> Tensor:
    """Every `factor`-th pixel of maps (B, H, W[, channels])."""
    return values[:, ::factor, ::factor]


def unchanged(values: Tensor) -> Tensor:
    return values


def unknown_is_nan(values: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, values, torch.nan)


@dataclass(frozen=True)
class LearntTask:
    """What training must know of `task`.

    `to_map` makes the contract's map of raw outputs, `appearance` what a discriminator of domains looks at,
    (B, channels, H, W), with gradients. `random_map` gives maps of any shape (B, H, W) in which there is nothing to be
    learnt. Maps are made smaller by `reduced`, a whole factor a side, and after their image was mirrored left to right
    and they with it, `mirrored` turns what they say. `lines` says that a map is of thin lines, which must not get lost
    when fewer pixels are taken.
    """

    task: Task
    channels: Callable[[ModelCard], int]
    losses: dict[str, Loss]
    """By what a config calls them; the first is the usual one."""
    to_map: Callable[[Tensor, ModelCard], Tensor]
    appearance: Callable[[Tensor], Tensor]
    random_map: Callable[[tuple[int, ...], ModelCard], Tensor]
    packing: Packing
    relative_loss: Loss | None = None
    """Of targets that are known up to scale and shift alone, where the task has such."""
    certainty: Callable[[Tensor], Tensor] | None = None
    """How sure raw outputs are of the map that they say, (B, H, W) in [0, 1], where a task can tell."""
    reduced: Callable[[Tensor, int], Tensor] = thinned_out
    mirrored: Callable[[Tensor], Tensor] = unchanged
    lines: bool = False

    @property
    def loss(self) -> Loss:
        return next(iter(self.losses.values()))
