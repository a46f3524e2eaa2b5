"""The adapters for real rooms that ship: of the shipped config, and on their backbone a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from avtar_ros.model_card import read_onnx_card
from avtar_ros.resources import find_resource
from tests.training.shipped import load_shipped
from training.build import build_model
from training.checkpoint import load_checkpoint
from training.evaluate import evaluate, held_out_rooms, torch_infer
from training.models.inference import InferenceModel

ADAPTERS = "models/avtar-indoor.safetensors"
MODEL = "models/avtar-indoor-fp16.onnx"
BACKBONE = Path(__file__).parents[3] / "shared" / "models" / "dinov2-small"


def test_the_checkpoint_holds_adapters_alone_of_the_shipped_configs() -> None:
    checkpoint = load_checkpoint(find_resource(ADAPTERS))
    assert checkpoint.backbone_digest
    assert not any("backbone" in name for name in checkpoint.tensors)
    for name in ("avtar-indoor", "kitchen-indoor", "consistency"):
        config = load_shipped(name)
        assert all(getattr(checkpoint.config, part) == getattr(config, part) for part in ("tasks", "model", "depth"))


def test_it_is_said_whose_backbone_and_whose_furniture_is_in_it() -> None:
    notice = (find_resource(ADAPTERS).parents[1] / "NOTICE").read_text()
    assert all(text in notice for text in ("DINOv2", "Apache License 2.0", "sweethome3d-furniture", ADAPTERS))
    assert load_checkpoint(find_resource(ADAPTERS)).card.licence == "Apache-2.0"


@pytest.mark.skipif(not BACKBONE.is_dir(), reason="the backbone is not here: ../shared/models/dinov2-small")
def test_on_their_backbone_they_know_rooms() -> None:
    """Well below what was measured on 200 rooms, δ < 1.25 0.60 and normals 19.5°, and far above chance."""
    checkpoint = load_checkpoint(find_resource(ADAPTERS))
    model = checkpoint.config.model
    there = model.backbone.model_copy(update={"pretrained": str(BACKBONE)})
    config = checkpoint.config.model_copy(update={"model": model.model_copy(update={"backbone": there})})
    network = InferenceModel(build_model(config, "adapters", checkpoint.card, checkpoint))
    figures = evaluate(torch_infer(network), network.card, held_out_rooms(12, 1_000_000, network.card))
    assert figures["depth.delta1"] > 0.5
    assert figures["normals.mean_deg"] < 26


def test_the_model_that_ships_is_of_these_adapters_and_the_readme_tells_what_its_card_does() -> None:
    card = read_onnx_card(find_resource(MODEL))
    trained = load_checkpoint(find_resource(ADAPTERS)).card
    for same in ("tasks", "width", "height", "depth", "classes"):
        assert getattr(card, same) == getattr(trained, same)
    assert card.licence == "Apache-2.0"
    assert card.metrics["depth.delta1"] == json.loads(card.provenance["measured.real.rooms"])["depth.delta1"]
    readme = (find_resource(MODEL).parents[1] / "README.md").read_text()
    assert f"| depth within 25 %, metres | {card.metrics['depth.delta1']:.3f} |" in readme
