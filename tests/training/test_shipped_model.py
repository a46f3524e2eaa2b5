"""The checkpoint that ships beside the demo model: what a robot's fine-tuning starts from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avtar_ros.engines.opening import open_engine
from avtar_ros.model_card import read_onnx_card
from avtar_ros.resources import DEMO_MODEL, find_resource
from tests.training.shipped import load_shipped
from training import seeds
from training.build import build_model, new_card
from training.checkpoint import Checkpoint, load_checkpoint
from training.data.synthetic_rooms import render_rooms
from training.models.inference import InferenceModel


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return load_checkpoint(find_resource(DEMO_MODEL).with_suffix(".safetensors"))


def test_it_is_the_model_that_runs_on_the_robot(shipped: Checkpoint) -> None:
    """What depends on the tasks was solved from constants of the ONNX file: a few pixels in ten thousand differ."""
    card = read_onnx_card(find_resource(DEMO_MODEL))
    assert shipped.card.replace(metrics={}, provenance={}) == card.replace(metrics={}, provenance={})
    model = InferenceModel(build_model(shipped.config, "adapters", shipped.card, shipped))
    rooms = render_rooms(seeds.COMPARED, card.width, card.height).image
    with torch.no_grad():
        found = {task: maps.numpy() for task, maps in model(rooms).items()}
    with open_engine(find_resource(DEMO_MODEL)) as engine:
        expected = engine.infer(rooms.numpy())
    assert np.mean(found["segmentation"] == expected["segmentation"]) > 0.999
    assert np.mean(np.abs(found["depth"] / expected["depth"] - 1)) < 1e-3
    assert np.mean(np.linalg.norm(found["normals"] - expected["normals"], axis=-1)) < 2e-3
    assert np.mean(np.abs(found["edges"] - expected["edges"])) < 1e-3


def test_a_robots_recording_can_be_learnt_from_it(shipped: Checkpoint) -> None:
    config = load_shipped("kitchen")
    model = build_model(config, "adapters", new_card(config, shipped), shipped)
    assert all(torch.equal(tensor, shipped.tensors[f"model.{name}"]) for name, tensor in model.state_dict().items())
    assert not any(p.requires_grad for p in model.backbone.parameters())
