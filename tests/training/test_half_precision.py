"""Half precision is measured as a GPU computes it: products summed in float32, everything rounded to float16."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.training import tiny
from training.errors import TrainingError
from training.evaluate import torch_infer
from training.half_precision import Rounding, TensorCores
from training.models.inference import InferenceModel
from training.models.multitask import MultitaskModel


def test_products_are_summed_in_float32_and_rounded() -> None:
    random = torch.Generator().manual_seed(0)
    a, b = (torch.randn(64, 512, generator=random).half() for _ in range(2))
    with torch.inference_mode(), TensorCores():
        got = F.linear(a, b)
    assert got.dtype == torch.float16
    assert torch.equal(got, F.linear(a.float(), b.float()).half())


def test_a_sum_of_halves_is_a_half() -> None:
    with torch.inference_mode(), TensorCores():
        assert torch.isinf(torch.tensor(60000.0).half() + torch.tensor(60000.0).half())


def test_only_the_weights_and_activations_of_the_network_are_half() -> None:
    model = InferenceModel(tiny.adapted_model())
    expected = model(torch.zeros(1, tiny.HEIGHT, tiny.WIDTH, 3, dtype=torch.uint8))
    half = model.half()
    assert {p.dtype for p in half.parameters()} == {torch.float16}
    assert half.model.mean.dtype == half.model.spread.dtype == torch.float32
    maps = half(torch.zeros(1, tiny.HEIGHT, tiny.WIDTH, 3, dtype=torch.uint8))
    assert {name: values.dtype for name, values in maps.items()} == {n: v.dtype for n, v in expected.items()}


def rounding(network: MultitaskModel) -> Rounding:
    """How the network's own half precision fares; the graph is taken to be perfect."""
    single, half = (InferenceModel(tiny.adapted_model()) for _ in range(2))
    for model in (single, half):
        model.model.load_state_dict(network.state_dict())
    measured = Rounding(torch_infer(single), half.half(), single)
    measured.infer(np.random.default_rng(0).integers(0, 256, (2, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8))
    return measured


def test_an_ordinary_network_loses_little() -> None:
    agreements = rounding(tiny.adapted_model()).agreements()
    assert all(0 <= agreement.value <= agreement.limit for agreement in agreements.values())
    assert agreements["depth"].value > 0


def test_a_network_that_leaves_the_range_of_float16_is_refused() -> None:
    network = tiny.adapted_model()
    with torch.no_grad():  # the same function, but for numbers that float16 does not have
        for name, factor in (("convolutions.0.weight", 1e6), ("convolutions.0.bias", 1e6)):
            network.decoder.get_parameter(name).mul_(factor)
        for head in network.heads.values():
            head[0].weight.mul_(1e-6)
    with pytest.raises(TrainingError, match="in half precision the model gives other maps"):
        rounding(network).agreements()
