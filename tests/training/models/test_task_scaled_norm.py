"""TSN, against the formula over tasks and channels."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import nn

from tests.training.tiny import stir
from training.models.task_scaled_norm import TaskScaledNorm

TASKS, IMAGES, CHANNELS, EMBEDDING, EPS = 3, 2, 5, 8, 1e-6


def replaced_norm() -> nn.LayerNorm:
    torch.manual_seed(0)
    norm = nn.LayerNorm(CHANNELS, eps=EPS).double()
    stir(norm)
    return norm


@torch.no_grad()
def test_it_is_the_formula() -> None:
    norm = TaskScaledNorm(EMBEDDING, CHANNELS).double()
    norm.start_from(replaced_norm())
    stir(norm)
    embedding = torch.randn(TASKS, EMBEDDING, dtype=torch.float64)
    a = torch.randn(TASKS, IMAGES, 2, 3, CHANNELS, dtype=torch.float64)

    normalised = norm(a, norm.condition(embedding))

    for t, i in product(range(TASKS), range(IMAGES)):
        task = embedding[t]
        for y in range(2):
            for x in range(3):
                token = a[t, i, y, x].tolist()
                mean = sum(token) / CHANNELS
                spread = math.sqrt(sum((v - mean) ** 2 for v in token) / CHANNELS + EPS)
                for c in range(CHANNELS):
                    gamma_t = float(norm.task_scale.weight[c] @ task + norm.task_scale.bias[c])
                    beta_t = float(norm.task_shift.weight[c] @ task + norm.task_shift.bias[c])
                    scale = float(norm.gamma[c]) * gamma_t + float(norm.beta[c])
                    expected = (token[c] - mean) / spread * scale + beta_t
                    assert abs(float(normalised[t, i, y, x, c]) - expected) < 1e-10


@torch.no_grad()
def test_it_starts_as_the_replaced_norm_for_every_task() -> None:
    replaced = replaced_norm().float()
    norm = TaskScaledNorm(EMBEDDING, CHANNELS)
    norm.start_from(replaced)
    a = torch.randn(TASKS, IMAGES, 4, 4, CHANNELS)
    condition = norm.condition(torch.randn(TASKS, EMBEDDING))
    # The constants are the replaced ones to the last bit; only the order of the roundings may differ after that.
    for t in range(TASKS):
        assert torch.equal(condition.scale[t], replaced.weight)
        assert torch.equal(condition.shift[t], replaced.bias)
    torch.testing.assert_close(norm(a, condition), replaced(a), rtol=1e-6, atol=1e-6)


def test_the_task_gets_a_say() -> None:
    norm = TaskScaledNorm(EMBEDDING, CHANNELS)
    a = torch.randn(TASKS, IMAGES, 4, 4, CHANNELS)
    norm(a, norm.condition(torch.randn(TASKS, EMBEDDING))).pow(3).sum().backward()
    for parameter in norm.parameters():
        assert parameter.grad is not None and parameter.grad.any()
