"""What a phase may ask of a step beyond a forward pass, a loss and a backward pass: TROA and PCGrad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from training.affinity import AffinityProbe
from training.conflicts import backward_projected
from training.models.multitask import MultitaskModel


def watched(probe: AffinityProbe | None, wanted: bool) -> AbstractContextManager[None]:
    """The context in which the probe reads the tasks' gradients off the passes, if that is wanted."""
    return probe.record() if probe is not None and wanted else nullcontext()


def follow_affinity(model: MultitaskModel, measured: Tensor, momentum: float) -> None:
    """Move the model's affinities (T, T) towards those measured; what a batch had no labels for stays."""
    affinity = model.task_embedding.affinity
    measured = measured.to(affinity)
    affinity.lerp_(torch.where(measured.isnan(), affinity, measured), 1 - momentum)


def shared_parameters(model: MultitaskModel) -> list[nn.Parameter]:
    """What all tasks train together: everything but their heads."""
    own = set(model.heads.parameters())
    return [p for p in model.parameters() if p.requires_grad and p not in own]


def project_conflicts(
    losses: Mapping[str, Tensor], probe: AffinityProbe, model: MultitaskModel, tasks: Sequence[str], seed: int
) -> None:
    """PCGrad: put projected gradients in the place of those from the watched pass of `losses`, whose graph is kept."""
    learnt = [tasks.index(name) for name in losses]
    products = probe.products()[learnt][:, learnt]
    backward_projected(list(losses.values()), products, shared_parameters(model), torch.Generator().manual_seed(seed))
