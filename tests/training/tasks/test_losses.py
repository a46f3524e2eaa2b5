"""Each task's loss, against the formula pixel by pixel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from avtar_ros.tasks import TASKS
from tests.training import plain, tiny
from training.tasks import LEARNT, depth, edges, normals, segmentation

PAIRS = {
    "segmentation": (segmentation.cross_entropy, plain.cross_entropy),
    "depth": (depth.berhu_log_depth, plain.berhu_log_depth),
    "depth by shape": (depth.shape_and_scale, plain.shape_and_scale),
    "normals": (normals.cosine_distance, plain.cosine_distance),
    "edges": (edges.balanced_binary_cross_entropy, plain.balanced_binary_cross_entropy),
    "edges by l1": (edges.absolute_error, plain.absolute_error),
}
"""Ours and the formula, by task, and by what else a config may ask for there."""


def labelled(task: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random raw output and a target of two small images, in float64; a tenth of the target is unknown."""
    torch.manual_seed(seed)
    task = task.partition(" by ")[0]
    target = tiny.batch(2, 6, 5, seed).maps[task]
    raw = torch.randn(2, LEARNT[task].channels(tiny.card()), 5, 6, dtype=torch.float64)
    return raw, target.double() if target.is_floating_point() else target


def nothing_known(target: Tensor) -> Tensor:
    return torch.full_like(target, torch.nan if target.is_floating_point() else 255)


def test_every_task_has_its_loss() -> None:
    assert LEARNT.keys() == TASKS.keys()
    assert all(head.loss is PAIRS[name][0] for name, head in LEARNT.items())


@pytest.mark.parametrize("task", PAIRS)
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_formula(task: str, seed: int) -> None:
    ours, formula = PAIRS[task]
    raw, target = labelled(task, seed)
    expected = formula(raw, target)
    assert expected > 0
    assert float(ours(raw, target)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("task", PAIRS)
def test_unknown_pixels_neither_count_nor_get_gradients(task: str) -> None:
    ours, _ = PAIRS[task]
    raw, target = labelled(task)
    target[:, :, :3] = nothing_known(target[:, :, :3])
    raw.requires_grad_()
    (gradient,) = torch.autograd.grad(ours(raw, target), raw)
    assert not gradient[..., :3].any()
    assert gradient[..., 3:].any()
    assert torch.isfinite(gradient).all()
    elsewhere = raw.detach().clone()
    elsewhere[..., :3] = 7
    assert torch.equal(ours(elsewhere, target), ours(raw.detach(), target))


@pytest.mark.parametrize("task", PAIRS)
def test_without_any_label_loss_and_gradient_are_zero(task: str) -> None:
    ours, _ = PAIRS[task]
    raw, target = labelled(task)
    raw.requires_grad_()
    loss = ours(raw, nothing_known(target))
    assert float(loss.detach()) == 0
    (gradient,) = torch.autograd.grad(loss, raw)
    assert not gradient.any()


def perfect() -> dict[str, tuple[Tensor, Tensor]]:
    """Raw outputs that say exactly what the targets say."""
    targets = {name: labelled(name)[1] for name in PAIRS}
    ids = torch.where(targets["segmentation"] == 255, 0, targets["segmentation"]).long()
    raw: dict[str, Any] = {
        "segmentation": 100 * torch.nn.functional.one_hot(ids, 20).permute(0, 3, 1, 2).double(),
        "depth": targets["depth"].log()[:, None],
        "depth by shape": targets["depth by shape"].log()[:, None],
        "normals": 3 * targets["normals"].permute(0, 3, 1, 2),
        "edges": (200 * targets["edges"] - 100)[:, None],
        "edges by l1": (200 * targets["edges by l1"] - 100)[:, None],
    }
    return {name: (raw[name].nan_to_num(), targets[name]) for name in PAIRS}


@pytest.mark.parametrize("task", PAIRS)
def test_perfect_outputs_cost_nothing(task: str) -> None:
    raw, target = perfect()[task]
    loss = PAIRS[task][0](raw.requires_grad_(), target)
    assert float(loss.detach()) == pytest.approx(0, abs=1e-12)
    (gradient,) = torch.autograd.grad(loss, raw)
    assert torch.isfinite(gradient).all()


def test_zero_and_infinite_depth_is_unknown() -> None:
    log_depth = torch.zeros(1, 1, 1, 3)
    metres = torch.tensor([[[2.0, 0.0, torch.inf]]])
    assert float(depth.berhu_log_depth(log_depth, metres)) == pytest.approx(
        plain.berhu_log_depth(log_depth, metres[..., :1])
    )
