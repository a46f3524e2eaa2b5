"""TROA's single pass, against an explicit backward pass for every task and half of the batch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.training import tiny
from training import affinity
from training.affinity import AffinityProbe
from training.models.multitask import MultitaskModel
from training.tasks import LEARNT

SHARED = ("qkv", "projection", "feed_forward.0", "feed_forward.1", "down", "up")
"""The adapters' linear layers that see tokens; what sees only the task's embedding is the task's own."""


def cross_entropy(logits: Tensor, ids: Tensor, half: slice) -> Tensor:
    known = ids != 255
    scores = torch.where(known, logits.log_softmax(1).gather(1, ids.long().clamp(max=12)[:, None])[:, 0], 0)
    return -scores[half].sum() / known.sum()


def berhu(log_depth: Tensor, depth: Tensor, half: slice) -> Tensor:
    known = depth.isfinite()
    error = (log_depth[:, 0] - depth.nan_to_num(1).log()).abs() * known
    c = error.max().detach() / 5
    return torch.where(error <= c, error, (error**2 + c**2) / (2 * c))[half].sum() / known.sum()


def cosine(vectors: Tensor, normals: Tensor, half: slice) -> Tensor:
    known = normals.isfinite().all(-1)
    dot = (F.normalize(vectors, dim=1) * normals.nan_to_num().permute(0, 3, 1, 2)).sum(1)
    return ((1 - dot) * known)[half].sum() / known.sum()


def balanced(logits: Tensor, edges: Tensor, half: slice) -> Tensor:
    share = edges.mean()
    weight = edges * (1 - share) + (1 - edges) * share
    logs = edges * F.logsigmoid(logits[:, 0]) + (1 - edges) * F.logsigmoid(-logits[:, 0])
    return -(weight * logs)[half].sum() / weight.sum()


HALF_LOSSES: dict[str, Callable[[Tensor, Tensor, slice], Tensor]] = {
    "segmentation": cross_entropy,
    "depth": berhu,
    "normals": cosine,
    "edges": balanced,
}
"""The part of each loss that half of the images has; denominators and thresholds are those of the whole batch."""


def explicit_affinity(network: MultitaskModel, image: Tensor, maps: dict[str, Tensor]) -> Tensor:
    """max(0, cos(g_i(B1), g_j(B2))) from a backward pass for each task and half."""
    shared = [p for name, p in network.adapters.named_parameters() if any(f"{layer}." in name for layer in SHARED)]
    raw = network(image)
    halves = slice(0, len(image) // 2), slice(len(image) // 2, None)
    gradients = []
    for half in halves:
        of_half = []
        for task, loss in HALF_LOSSES.items():
            found = torch.autograd.grad(loss(raw[task], maps[task], half), shared, retain_graph=True)
            of_half.append(torch.cat([g.flatten() for g in found]).double())
        gradients.append(F.normalize(torch.stack(of_half), dim=1))
    return (gradients[0] @ gradients[1].T).clamp(min=0)


def total_loss(network: MultitaskModel, image: Tensor, maps: dict[str, Tensor]) -> Tensor:
    """What training descends on; the weights are no matter to the affinities."""
    raw = network(image)
    weights = {"segmentation": 1.0, "depth": 2.0, "normals": 0.5, "edges": 3.0}
    return torch.stack([weights[name] * LEARNT[name].loss(raw[name], maps[name]) for name in raw]).sum()


def measured_affinity(network: MultitaskModel, image: Tensor, maps: dict[str, Tensor]) -> Tensor:
    probe = AffinityProbe(network.adapters, len(maps))
    with probe.record():
        total_loss(network, image, maps).backward()
    return probe.affinity()


def data(size: int, dtype: torch.dtype) -> tuple[Tensor, dict[str, Tensor]]:
    batch = tiny.batch(size)
    return batch.image, {name: m.to(dtype) if m.is_floating_point() else m for name, m in batch.maps.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [4, 5], ids=["even", "odd"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_one_pass_measures_what_a_pass_for_each_task_and_half_does(family: str, size: int, dtype: torch.dtype) -> None:
    network = tiny.model(tiny.FAMILIES[family])
    tiny.stir(network.adapters)
    network.to(dtype)
    image, maps = data(size, dtype)

    measured = measured_affinity(network, image, maps).double()

    expected = explicit_affinity(network, image, maps)
    torch.testing.assert_close(measured, expected, rtol=1e-4, atol=1e-6)
    assert (expected > 0.01).sum() > len(HALF_LOSSES) / 2, "there is something to compare"
    assert expected.diagonal().max() < 1
    assert not torch.allclose(expected, expected.T)


def test_large_layers_are_measured_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny.model()
    tiny.stir(network.adapters)
    image, maps = data(4, torch.float32)
    whole = measured_affinity(network, image, maps)
    monkeypatch.setattr(affinity, "PIECE", 100)  # a few channels of most layers, less than one of others
    torch.testing.assert_close(measured_affinity(network, image, maps), whole)


SHARED_BY_TASKS = ("adapters.2.0.norm_before.", "adapters.2.0.attention.qkv.")
"""What the first adapter layer computes once for all tasks, but for each where it is measured."""


def test_measuring_leaves_the_gradients_as_they_are() -> None:
    network = tiny.model()
    image, maps = data(4, torch.float32)
    total_loss(network, image, maps).backward()
    plain = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    measured_affinity(network, image, maps)
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == (name not in plain)
        if name.startswith(SHARED_BY_TASKS):  # sums over tasks, which are rounded in another order
            torch.testing.assert_close(parameter.grad, plain[name], rtol=1e-4, atol=1e-7)
        else:
            assert parameter.grad is None or torch.equal(parameter.grad, plain[name]), name


def test_nothing_is_watched_after_the_step() -> None:
    network = tiny.model()
    image, maps = data(4, torch.float32)
    probe = AffinityProbe(network.adapters, len(maps))
    with probe.record():
        total = total_loss(network, image, maps)
        total.backward(retain_graph=True)
    measured = probe.affinity()
    total_loss(network, image, maps).backward()
    assert torch.equal(probe.affinity(), measured)
    total.backward()  # through the same graph once more, as where gradients that conflict are projected
    assert torch.equal(probe.affinity(), measured)
    assert not any(module._forward_hooks for module in network.modules())


def test_a_layer_by_hand() -> None:
    """One linear layer, two tasks, two images each: the gradient of task t from image b is the product of δ and x."""
    linear = nn.Linear(2, 1)
    x = torch.tensor([[[1.0, 0], [1, 1]], [[0, 1], [2, 0]]])  # of task 0 and 1, two images each
    delta = torch.tensor([[1.0, 1], [1, -1]])[..., None]
    probe = AffinityProbe(linear, 2)
    with probe.record():
        (linear(x) * delta).sum().backward()
    first = torch.tensor([[1.0, 0, 1], [0, 1, 1]])  # of both tasks' first images: weight, weight, bias
    second = torch.tensor([[1.0, 1, 1], [-2, 0, -1]])
    expected = F.cosine_similarity(first[:, None], second[None], dim=-1).clamp(min=0)
    torch.testing.assert_close(probe.affinity(), expected)


def test_what_has_no_labels_is_unknown_and_the_rest_is_not() -> None:
    network = tiny.model()
    image, maps = data(4, torch.float32)
    maps["depth"] = torch.full_like(maps["depth"], torch.nan)
    maps["edges"] = maps["edges"].clone()
    maps["edges"][:2] = torch.nan  # the first half
    measured = measured_affinity(network, image, maps)
    depth, edges = 1, 3
    unknown = torch.zeros(4, 4, dtype=torch.bool)
    unknown[depth], unknown[:, depth], unknown[edges] = True, True, True
    assert torch.equal(measured.isnan(), unknown)


def test_reduced_precision_comes_close() -> None:
    network = tiny.model()
    tiny.stir(network.adapters)
    image, maps = data(4, torch.float32)
    exact = explicit_affinity(network, image, maps)
    probe = AffinityProbe(network.adapters, len(maps))
    with probe.record():
        with torch.autocast("cpu", torch.bfloat16):
            raw = network(image)
        torch.stack([LEARNT[name].loss(raw[name].float(), maps[name]) for name in raw]).sum().backward()
    assert (probe.affinity() - exact).abs().max() < 0.1
