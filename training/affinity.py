"""TROA, task representation optimisation: how much the tasks help each other, measured from their gradients.

    Ω[i, j] = max(0, cos(g_i(B₁), g_j(B₂)))

where g_t(B) is the gradient of task t's loss on the half batch B with respect to the weights and biases of the
adapters' linear layers, which all tasks share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from training import processes

PIECE = 2**19
"""Weights whose gradients, one a task and half batch, are computed at once: few enough to stay in a CPU's cache, and to
take little of a GPU's memory."""


class AffinityProbe:
    """Measures Ω during an ordinary backward pass of the sum of all tasks' losses.

    Linear layers see tokens (T, B, ..., C), so the rows of a layer's input x and output gradient δ that belong to one
    task and half batch give that task's gradient, δᵀx, of that half: no further backward pass is needed. A layer that
    sees tokens still shared by all tasks, (1, B, ..., C), is made to hand each task its own output meanwhile, for its
    gradient to come back apart. A loss that is a mean over the batch is cut in halves as it is, with the whole batch's
    denominator; the cosine does not notice.
    """

    def __init__(self, module: nn.Module, tasks: int) -> None:
        self._linears = [m for m in module.modules() if isinstance(m, nn.Linear)]
        self._tasks = tasks

    @contextmanager
    def record(self) -> Iterator[None]:
        """Watch the forward and backward pass inside this context, and nothing that is done with its graph later.

        `affinity` and `products` are valid after it.
        """
        self._products = torch.zeros(2 * self._tasks, 2 * self._tasks)
        self._hooks = [linear.register_forward_hook(self._on_forward) for linear in self._linears]
        try:
            yield
        finally:
            for hook in self._hooks:
                hook.remove()

    def affinity(self) -> Tensor:
        """Ω (T, T) of the recorded pass; NaN where a half of the batch has no labels for one of the two tasks."""
        length = self._products.diagonal().sqrt()
        cosines = self._products / (length[:, None] * length)
        return cosines[: self._tasks, self._tasks :].clamp(min=0)

    def products(self) -> Tensor:
        """Inner products (T, T) of the tasks' gradients on the whole batch of the recorded pass."""
        return self._products.view(2, self._tasks, 2, self._tasks).sum((0, 2))

    def _on_forward(self, linear: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not output.requires_grad or output.dim() < 3:
            return output
        rows, per_task = (x.expand(self._tasks, *x.shape[1:]) for x in (inputs[0].detach(), output))
        self._hooks.append(per_task.register_hook(partial(self._on_backward, rows)))
        return per_task

    def _on_backward(self, inputs: Tensor, gradient: Tensor) -> None:
        inputs = inputs.to(gradient.dtype)  # as autocast has it, and so the weights' own gradient
        for channels in gradient.split(max(1, PIECE // inputs.shape[-1]), dim=-1):
            halves = zip(_halves(inputs), _halves(channels), strict=True)
            self._products += torch.stack([*map(_products, _gradients(halves))]).sum(0).cpu()


def _halves(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(T, B, ..., C) to the two halves of the batch, (T, rows, C) each."""
    middle = rows.shape[1] // 2
    return rows[:, :middle].flatten(1, -2), rows[:, middle:].flatten(1, -2)


def _gradients(halves: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Of weight (2T, out, in) and bias (2T, 1, out): each task's of the first half of the batch, then of the second.

    `halves` gives inputs (T, rows, in) and output gradients (T, rows, out) of each.
    """
    weights, biases = zip(*((d.transpose(1, 2) @ x, d.sum(1, keepdim=True)) for x, d in halves), strict=True)
    return torch.cat(weights).float(), torch.cat(biases).float()


def _products(gradients: Tensor) -> Tensor:
    """Inner products (2T, 2T) of gradients (2T, out, in)."""
    if processes.count() > 1:
        gradients = _across_processes(gradients)
    by_channel = gradients.transpose(0, 1)
    return (by_channel @ by_channel.mT).sum(0)  # by channel, as CPUs do not share one product among their cores


def _across_processes(gradients: Tensor) -> Tensor:
    """The same of the whole batch of all processes, whose halves are the first half of them and the rest."""
    own = gradients.unflatten(0, (2, -1)).sum(0)
    nothing = torch.zeros_like(own)
    in_first = processes.index() < processes.count() // 2
    return processes.summed(torch.cat([own, nothing] if in_first else [nothing, own]))
