"""PCGrad against the algorithm as published, which needs every task's gradient by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.training import tiny
from tests.training.test_affinity import SHARED
from training.conflicts import backward_projected, pcgrad_factors
from training.fit import PhaseRun
from training.step_options import shared_parameters


def as_published(gradients: Tensor, seed: int) -> Tensor:
    """Algorithm 1 of the paper on gradients (T, P), with the same random orders."""
    random = torch.Generator().manual_seed(seed)
    projected = []
    for i in range(len(gradients)):
        g = gradients[i].clone()
        for j in torch.randperm(len(gradients), generator=random).tolist():
            if j != i and g @ gradients[j] < 0:
                g -= (g @ gradients[j]) / (gradients[j] @ gradients[j]) * gradients[j]
        projected.append(g)
    return torch.stack(projected).sum(0)


@pytest.mark.parametrize("seed", range(8))
def test_factors_give_the_published_update(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    gradients = torch.randn(4, 6, generator=random, dtype=torch.float64)
    factors = pcgrad_factors(gradients @ gradients.T, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(factors @ gradients, as_published(gradients, seed))


def test_tasks_that_agree_are_left_alone() -> None:
    gradients = torch.rand(3, 5, dtype=torch.float64)
    assert torch.equal(pcgrad_factors(gradients @ gradients.T, torch.Generator()), torch.ones(3, dtype=torch.float64))


def test_two_opposite_tasks_come_out_orthogonal_to_each_other() -> None:
    shared = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    own = torch.nn.Parameter(torch.tensor(1.0))
    losses = [shared[0] + own, -shared[0] + shared[1]]
    torch.stack(losses).sum().backward(retain_graph=True)
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    backward_projected(losses, gradients @ gradients.T, [shared], torch.Generator().manual_seed(0))
    assert shared.grad is not None
    torch.testing.assert_close(shared.grad, torch.tensor([0.5, 1.5]))  # (1/2, 1/2) and (0, 1)
    assert own.grad is not None
    assert float(own.grad) == 1, "what is not shared keeps its task's own gradient"


def test_a_steps_gradients_are_the_projected_ones(tmp_path: Path) -> None:
    """Conflicts are judged by the adapters' linear layers that see tokens, from a backward pass a task."""
    config = tiny.run_config(phases=[tiny.phase("adapters", balancing="pcgrad", bfloat16=False, clip_norm=1e9)])
    run = PhaseRun(config, config.phases[0], tmp_path, None)
    tiny.stir(run.model.adapters)
    batch = tiny.batch()
    # Segmentation that wants the opposite of depth: otherwise a tiny new network's tasks may not conflict.
    run.objective.losses = lambda raw, batch: {  # type: ignore[method-assign]
        "segmentation": raw["segmentation"].mean(), "depth": raw["depth"].mean(),
        "normals": raw["normals"].square().mean(), "edges": (raw["edges"] - raw["edges"].mean()).square().mean(),
    }
    parameters = dict(run.model.named_parameters())
    judged = [p for n, p in parameters.items() if n.startswith("adapters") and any(f"{x}." in n for x in SHARED)]
    losses = list(run.objective.losses(run.model.train()(batch.image), batch).values())
    gradients = [
        torch.cat([g.flatten() for g in torch.autograd.grad(loss, judged, retain_graph=True)]) for loss in losses
    ]
    stacked = torch.stack(gradients).double()
    products = stacked @ stacked.T
    assert (products < 0).any(), "no tasks conflict, and nothing is tested"
    expected = pcgrad_factors(products, torch.Generator().manual_seed(config.seed)).float()
    weighted = torch.stack([f * loss for f, loss in zip(expected, losses, strict=True)]).sum()
    shared = shared_parameters(run.model)
    wanted = torch.autograd.grad(weighted, shared, retain_graph=True, allow_unused=True)
    own = torch.autograd.grad(losses[1], list(run.model.heads["depth"].parameters()))

    run.optimiser.step = lambda: None  # type: ignore[method-assign,assignment,return-value]
    run.train_step(batch)
    for parameter, gradient in zip(shared, wanted, strict=True):
        if gradient is not None:
            assert parameter.grad is not None
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)
    for parameter, gradient in zip(run.model.heads["depth"].parameters(), own, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)
