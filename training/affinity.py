"""TROA, task representation optimisation: how much the tasks help each other, measured from their gradients.

    Ω[i, j] = max(0, cos(g_i(B₁), g_j(B₂)))

where g_t(B) is the gradient of task t's loss on the half batch B with respect to the weights and biases of the
adapters' linear layers, which all tasks share.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from training import processes

PIECE = 2**18
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
        """Watch the forward and backward pass inside this context; `affinity` is valid after it."""
        self._products = torch.zeros(self._tasks, self._tasks)
        self._own = torch.zeros(2, self._tasks, self._tasks)
        handles = [linear.register_forward_hook(self._on_forward) for linear in self._linears]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def affinity(self) -> Tensor:
        """Ω (T, T) of the recorded pass; NaN where a half of the batch has no labels for one of the two tasks."""
        first, second = self._own.diagonal(dim1=1, dim2=2).sqrt()
        cosines: Tensor = self._products / (first[:, None] * second[None, :])
        return cosines.clamp(min=0)

    def products(self) -> Tensor:
        """Inner products (T, T) of the tasks' gradients on the whole batch of the recorded pass."""
        return self._own.sum(0) + self._products + self._products.T

    def _on_forward(self, linear: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not output.requires_grad or output.dim() < 3:
            return output
        rows, per_task = (x.expand(self._tasks, *x.shape[1:]) for x in (inputs[0].detach(), output))
        per_task.register_hook(partial(self._on_backward, rows))
        return per_task

    def _on_backward(self, inputs: Tensor, gradient: Tensor) -> None:
        inputs = inputs.to(gradient.dtype)  # as autocast has it, and so the weights' own gradient
        for channels in gradient.split(max(1, PIECE // inputs.shape[-1]), dim=-1):
            halves = zip(self._halves(inputs), self._halves(channels), strict=True)
            for first, second in zip(*(_task_gradients(x, d) for x, d in halves), strict=True):
                self._add(first, second)

    def _add(self, first: Tensor, second: Tensor) -> None:
        """Gradients (T, weights) of some weights, from the two halves of the batch."""
        if processes.count() > 1:
            first, second = _across_processes(first + second)
        self._products += (first @ second.T).cpu()
        self._own += torch.stack([half @ half.T for half in (first, second)]).cpu()

    def _halves(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(T, B, ..., C) to the two halves of the batch, (T, rows, C) each."""
        middle = rows.shape[1] // 2
        return rows[:, :middle].flatten(1, -2), rows[:, middle:].flatten(1, -2)


def _across_processes(own: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of the first and second half of the batch of all processes, which is the first half of them and
    the rest, from a process's own."""
    nothing = torch.zeros_like(own)
    in_first = processes.index() < processes.count() // 2
    return processes.summed(own if in_first else nothing), processes.summed(nothing if in_first else own)


def _task_gradients(inputs: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Each task's gradient of weight (T, out·in) and bias (T, out), from (T, rows, in) and (T, rows, out)."""
    weight = gradient.transpose(1, 2) @ inputs
    return weight.flatten(1).float(), gradient.sum(1).float()
