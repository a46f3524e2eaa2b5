"""Raw head outputs as the contract's maps."""

from __future__ import annotations

import math

import numpy as np
import torch

from avtar_ros.tasks import TASKS
from tests.training import tiny
from training.tasks import LEARNT


def test_maps_have_the_shape_and_type_of_their_tasks() -> None:
    card = tiny.card()
    for name, head in LEARNT.items():
        task_map = head.to_map(torch.randn(2, head.channels(card), 4, 6), card).numpy()
        assert task_map.shape == (2, *TASKS[name].shape(4, 6))
        assert task_map.dtype == TASKS[name].dtype


def test_maps_say_what_the_heads_say() -> None:
    card = tiny.card()
    logits = torch.zeros(1, len(card.classes), 1, 2)
    logits[0, 3, 0, 0] = logits[0, 7, 0, 1] = 1
    assert LEARNT["segmentation"].to_map(logits, card).tolist() == [[[3, 7]]]

    assert card.depth is not None
    log_depth = torch.tensor([-9.0, math.log(2.5), 9.0]).view(1, 1, 1, 3)
    depth = LEARNT["depth"].to_map(log_depth, card).flatten()
    np.testing.assert_allclose(depth, [card.depth.min_m, 2.5, card.depth.max_m], rtol=1e-6)

    vectors = torch.tensor([[3.0, 0, -4], [0, 0, -9]]).T.reshape(1, 3, 1, 2)
    normals = LEARNT["normals"].to_map(vectors, card)
    np.testing.assert_allclose(normals, [[[[0.6, 0, -0.8], [0, 0, -1]]]], atol=1e-6)

    edges = LEARNT["edges"].to_map(torch.tensor([0.0, math.log(3)]).view(1, 1, 1, 2), card)
    np.testing.assert_allclose(edges, [[[0.5, 0.75]]], rtol=1e-6)
