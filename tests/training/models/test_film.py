"""FiLM and the layout of A', against loops over tasks, blocks, rows and columns."""

from __future__ import annotations

import pytest
import torch

from tests.training.tiny import stir
from training.models.film import FiLM


@torch.no_grad()
@pytest.mark.parametrize("window", [1, 2, 3, 5])
def test_blocks_of_the_modulated_matrix_lie_on_the_diagonal(window: int) -> None:
    torch.manual_seed(0)
    tasks, width, tokens = 3, window**3, window**2
    film = FiLM(width, window).double()
    stir(film)
    embedding = torch.randn(tasks, width, dtype=torch.float64)
    bias = film(embedding)

    for t in range(tasks):
        modulation = [
            float(film.modulation.bias[i] + sum(film.modulation.weight[i, d] * embedding[t, d] for d in range(width)))
            for i in range(2 * window)
        ]
        gamma, beta = modulation[:window], modulation[window:]
        expected = torch.zeros(tokens, tokens, dtype=torch.float64)
        for n in range(tokens):
            block = n // window
            for column in range(window):
                value = (1 + gamma[column]) * film.matrix[n, column] + beta[column]
                expected[n, block * window + column] = value
        torch.testing.assert_close(bias[t], expected, rtol=0, atol=1e-12)


def test_it_starts_as_nothing_and_does_not_stay_there() -> None:
    """At M = 0 the scale has no gradient, and neither has the weight; the shift has, and sets M moving."""
    torch.manual_seed(0)
    film = FiLM(8, 2)
    embedding, wish = torch.randn(3, 8), torch.randn(3, 4, 4)
    assert not film(embedding).any()

    optimiser = torch.optim.SGD(film.parameters(), lr=0.1)
    (film(embedding) - wish).square().sum().backward()
    assert film.modulation.bias.grad is not None and film.matrix.grad is not None
    assert not film.modulation.bias.grad[:2].any(), "scale"
    assert film.modulation.bias.grad[2:].all(), "shift"
    optimiser.step()
    film.zero_grad()
    (film(embedding) - wish).square().sum().backward()
    assert film.matrix.grad.all()
    assert film.modulation.bias.grad.all()
