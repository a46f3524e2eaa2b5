"""Evaluation: what is perfect is measured as perfect, whatever the camera's focal length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from avtar_ros.metrics import known_figures
from avtar_ros.tasks import DEPTH, Maps
from tests.training import tiny
from training.data.batch import Batch
from training.data.synthetic_rooms import render_rooms
from training.evaluate import Infer, evaluate, held_out_rooms, torch_infer
from training.models.inference import InferenceModel

WIDTH, HEIGHT = 256, 192
CARD = tiny.card(WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def rooms() -> Batch:
    return render_rooms(range(3), WIDTH, HEIGHT)


def knowing(batch: Batch, depth_scale: float = 1.0) -> Infer:
    """A model that knows these images: depth as the card's camera would have seen it, the rest as it is."""
    assert CARD.depth is not None
    as_card = CARD.depth.focal_px / batch.focal[:, None, None]

    def infer(images: NDArray[np.uint8]) -> Maps:
        assert np.array_equal(images, batch.image.numpy())
        maps = {name: values.numpy().copy() for name, values in batch.maps.items()}
        return maps | {"depth": (batch.maps["depth"] * as_card * depth_scale).numpy()}

    return infer


def test_a_perfect_model_has_perfect_figures(rooms: Batch) -> None:
    assert rooms.focal.unique().numel() == 3, "cameras that differ"
    figures = evaluate(knowing(rooms), CARD, [rooms])
    assert figures.keys() == known_figures().keys()
    for key, value in figures.items():
        perfect = 1 if known_figures()[key].higher_is_better else 0
        assert value == pytest.approx(perfect, abs=0.01), key


def test_depth_is_judged_in_metres_of_each_camera(rooms: Batch) -> None:
    figures = evaluate(knowing(rooms, depth_scale=1.5), CARD, [rooms])
    depth = rooms.maps["depth"].double()
    assert figures["depth.abs_rel"] == pytest.approx(0.5, rel=1e-4)
    assert figures["depth.rmse_m"] == pytest.approx(float((0.5 * depth).square().mean().sqrt()), rel=1e-4)
    assert figures["depth.delta1"] == 0
    assert figures["depth.delta2"] == 1


def test_what_is_wrong_by_a_scale_is_right_up_to_it(rooms: Batch) -> None:
    figures = evaluate(knowing(rooms, depth_scale=1.5), CARD, [rooms])
    assert figures["depth.scaled_delta1"] == figures["depth.aligned_delta1"] == 1
    assert figures["depth.scaled_abs_rel"] == pytest.approx(0, abs=1e-4)


def test_depth_of_an_unknown_camera_is_judged_up_to_scale_alone(rooms: Batch) -> None:
    unknown = Batch(rooms.image, {"depth": rooms.maps["depth"]}, torch.full_like(rooms.focal, torch.nan))
    figures = evaluate(knowing(rooms), CARD, [unknown])
    assert figures.keys() == {key for metric in DEPTH.metrics[1:] for key in metric.FIGURES}
    assert figures["depth.aligned_abs_rel"] == pytest.approx(0, abs=1e-4)


def test_small_images_of_a_first_phase_are_judged_over_the_whole_range_of_depth() -> None:
    """Half the pixels a side are half the focal length: what is far there is twice as far to the network."""
    model = tiny.adapted_model()
    width, height = tiny.WIDTH, tiny.HEIGHT
    model.card = tiny.card(2 * width, 2 * height)
    assert model.card.depth is not None
    head = model.heads["depth"]
    last = [module for module in head.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    assert last.bias is not None
    with torch.no_grad():  # a network that finds everything beyond the range
        last.weight.zero_()
        last.bias.fill_(10.0)
    depth = torch.full((2, height, width), model.card.depth.max_m)
    focal = torch.full((2,), model.card.depth.focal_px / 2)
    batch = Batch(torch.zeros(2, height, width, 3, dtype=torch.uint8), {"depth": depth}, focal)
    figures = evaluate(torch_infer(InferenceModel(model, height, width)), model.card, [batch])
    assert figures["depth.rmse_m"] == pytest.approx(0, abs=1e-4)


def test_figures_are_pooled_over_batches() -> None:
    """The same whether the rooms come at once or one by one, and not a mean of figures."""
    rooms = render_rooms(range(3), tiny.WIDTH, tiny.HEIGHT)
    one_by_one = [
        Batch(rooms.image[i : i + 1], {name: m[i : i + 1] for name, m in rooms.maps.items()}, rooms.focal[i : i + 1])
        for i in range(len(rooms))
    ]
    model = tiny.adapted_model()
    infer = torch_infer(InferenceModel(model))
    together, apart = (evaluate(infer, model.card, batches) for batches in ([rooms], one_by_one))
    assert apart == pytest.approx(together, rel=1e-4)


def test_a_task_without_ground_truth_has_no_figures(rooms: Batch) -> None:
    maps = {name: values for name, values in rooms.maps.items() if name != "segmentation"}
    figures = evaluate(knowing(rooms), CARD, [Batch(rooms.image, maps, rooms.focal)])
    assert {key.split(".")[0] for key in figures} == {"depth", "normals", "edges"}


def test_held_out_rooms_are_those_of_the_seeds_at_the_cards_size() -> None:
    card = tiny.card()
    batches = list(held_out_rooms(5, 70, card, chunk=2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    expected = render_rooms(range(70, 75), card.width, card.height)
    assert torch.equal(torch.cat([batch.image for batch in batches]), expected.image)
