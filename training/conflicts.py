"""PCGrad (Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020), from one backward pass and a half.

Projecting g_i off every g_j that it conflicts with, g_i ← g_i − (g_i·g_j / g_j·g_j) g_j where g_i·g_j < 0, only ever
adds multiples of the tasks' gradients to each other. So all that it needs to know is their inner products, which
TROA's probe reads off the ordinary backward pass, and all that it gives is a factor a task: the update is Σ_t c_t g_t,
the gradient of Σ_t c_t L_t. Where no two tasks conflict that is the gradient at hand; where some do, one more
backward pass gives it, instead of one a task.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def pcgrad_factors(products: Tensor, random: torch.Generator) -> Tensor:
    """The factors c (T) of the tasks' gradients, from their inner products (T, T); each task meets the others in
    random order."""
    tasks = len(products)
    factors = torch.eye(tasks, dtype=products.dtype)  # row i: what g_i has become, in terms of the gradients
    for i in range(tasks):
        for j in torch.randperm(tasks, generator=random).tolist():
            product = factors[i] @ products[:, j]
            if j != i and product < 0:
                factors[i, j] -= product / products[j, j]
    return factors.sum(0)


def backward_projected(
    losses: list[Tensor], products: Tensor, shared: Iterable[nn.Parameter], random: torch.Generator
) -> None:
    """Put the projected gradients in the place of those that `shared` parameters have from an ordinary pass.

    `losses` of all tasks; their graph must still be there.
    """
    factors = pcgrad_factors(products.double(), random)
    if torch.equal(factors, torch.ones_like(factors)):
        return
    parameters = list(shared)
    for parameter in parameters:
        parameter.grad = None
    total = torch.stack([factor * loss for factor, loss in zip(factors.tolist(), losses, strict=True)]).sum()
    torch.autograd.backward(total, inputs=parameters)
