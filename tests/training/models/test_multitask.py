"""The whole network: shapes, what runs how often, and what tasks share."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from tests.training import tiny
from training.config import ModelConfig
from training.models.backbone import Backbone, load_backbone
from training.models.inference import InferenceModel
from training.models.multitask import MultitaskModel
from training.tasks import LEARNT


@torch.no_grad()
@pytest.mark.parametrize("size", [(48, 64), (44, 60), (32, 36)], ids=["even", "odd-grids", "least"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_raw_outputs_have_the_images_size(family: str, size: tuple[int, int]) -> None:
    network = tiny.model(tiny.FAMILIES[family])
    image = tiny.batch(3, size[1], size[0]).image
    for name, raw in network(image).items():
        assert raw.shape == (3, LEARNT[name].channels(network.card), *size)
        assert raw.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("replace", [(0, 0, 0, 1), (1, 0, 0, 0), (0, 1, 0, 2), (1, 1, 2, 2)])
def test_adapters_may_begin_in_any_stage(replace: tuple[int, ...]) -> None:
    network = tiny.model(replace=replace)
    raw = network(tiny.batch(2).image)
    assert all(values.shape[2:] == (tiny.HEIGHT, tiny.WIDTH) for values in raw.values())


@torch.no_grad()
def test_the_backbone_runs_once_an_image_and_the_adapters_once_a_task() -> None:
    network = tiny.model()
    images = Counter[str]()
    for part in ("backbone.model", "adapters"):
        for name, module in network.get_submodule(part).named_modules():
            if isinstance(module, torch.nn.LayerNorm):
                rows = f"{part}.{name}"
                stacked = 2 if part == "adapters" else 1  # (T, B, ...), or along the batch
                module.register_forward_hook(
                    lambda _, x, __, rows=rows, to=stacked: images.update({rows: x[0].shape[:to].numel()})
                )
    network(tiny.batch(3).image)
    # The last norms of stages three and four come after the adapters, with the tasks stacked; the first norm of the
    # first adapter layer comes before tasks differ.
    after = {f"backbone.model.encoder.layers.{i}.layer_norm" for i in (2, 3)}
    after.add("backbone.model.encoder.layers.3.patch_embedding.layer_norm")
    assert len(images) > 10
    for name, count in images.items():
        per_task = name in after or (name.startswith("adapters") and name != "adapters.2.0.norm_before")
        assert count == (4 * 3 if per_task else 3), name


@torch.no_grad()
def test_images_do_not_mix() -> None:
    network = tiny.adapted_model()
    image = tiny.batch(3).image
    together = network(image)
    for b in range(3):
        for name, raw in network(image[b : b + 1]).items():
            torch.testing.assert_close(raw[0], together[name][b], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_task_is_the_same_whatever_others_there_are() -> None:
    """With affinity to itself alone, a task of several is that task alone."""
    four = tiny.adapted_model()
    four.task_embedding.affinity.copy_(torch.eye(4))
    card = tiny.card(tasks=("normals",))
    config: ModelConfig = tiny.run_config().model
    one = MultitaskModel(Backbone(load_backbone(config.backbone), config.replace), config, card)
    state = four.state_dict()
    state = {name: state[name] for name in one.state_dict()}
    state["task_embedding.embedding"] = state["task_embedding.embedding"][2:3]
    state["task_embedding.affinity"] = torch.eye(1)
    one.load_state_dict(state)
    image = tiny.batch(2).image
    torch.testing.assert_close(one.eval()(image)["normals"], four(image)["normals"], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_affinities_make_a_difference() -> None:
    network = tiny.adapted_model()
    image = tiny.batch(1).image
    before = network(image)
    network.task_embedding.affinity[0, 1] += 5  # segmentation's weight in depth's embedding
    after = network(image)
    assert not torch.equal(before["depth"], after["depth"])
    assert torch.equal(before["segmentation"], after["segmentation"])


@torch.no_grad()
def test_without_adapters_all_heads_read_the_same_features() -> None:
    config = tiny.run_config().model
    network = MultitaskModel(Backbone(load_backbone(config.backbone), (0, 0, 0, 0)), config, tiny.card())
    network.heads["edges"].load_state_dict(network.heads["depth"].state_dict())
    raw = network(tiny.batch(2).image)
    assert torch.equal(raw["edges"], raw["depth"])
    assert not list(network.adapters.parameters())


@torch.no_grad()
def test_inference_gives_the_networks_maps_with_the_task_constants_folded() -> None:
    network = tiny.adapted_model()
    image = tiny.batch(2).image
    expected = {name: LEARNT[name].to_map(raw, network.card) for name, raw in network(image).items()}
    inference = InferenceModel(network)
    for name, task_map in inference(image).items():
        torch.testing.assert_close(task_map, expected[name], rtol=1e-5, atol=1e-5)

    for adapters in network.adapters:
        for adapter in adapters:
            adapter.attention.film.matrix.fill_(torch.nan)
            adapter.inner_norm.task_scale.weight.fill_(torch.nan)
    network.task_embedding.embedding.fill_(torch.nan)
    for name, task_map in inference(image).items():
        torch.testing.assert_close(task_map, expected[name], rtol=1e-5, atol=1e-5)
