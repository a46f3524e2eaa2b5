"""Consistency with a model's own moving average."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from avtar_ros.meaning import UNLABELLED
from tests.training import tiny
from tests.training.adaptation.adapting import adapting
from training.adaptation.mean_teacher import MeanTeacher
from training.checkpoint import load_checkpoint
from training.data.batch import Batch
from training.fit import PhaseRun, fit
from training.target_config import ConsistencyConfig

HALF = {"by": "consistency", "momentum": 0.5, "confidence": 0.0}


def begun(folder: Path, **changes: Any) -> tuple[PhaseRun, MeanTeacher]:
    config = adapting(folder, **HALF | changes)
    run = PhaseRun(config, config.phases[0], folder / "run", None)
    assert isinstance(run.adaptation, MeanTeacher)
    return run, run.adaptation


def test_the_average_follows_the_model_by_what_its_momentum_leaves(tmp_path: Path) -> None:
    run, teacher = begun(tmp_path)
    name = next(name for name, p in run.model.named_parameters() if p.requires_grad)
    weight = run.model.get_parameter(name)
    before = weight.detach().clone()
    with torch.no_grad():
        weight.add_(1.0)
    assert torch.equal(teacher.tensors()[f"teacher.{name}"], before), "what the model learns is not the average's yet"
    teacher.follow()
    assert torch.allclose(teacher.tensors()[f"teacher.{name}"], before + 0.5)


def test_its_labels_are_what_the_model_finds_in_clean_images(tmp_path: Path) -> None:
    run, teacher = begun(tmp_path)
    batch = tiny.batch(4, seed=3)
    batch = Batch(batch.image, batch.maps, torch.full((4,), 2 * run.config.depth.focal_px))
    labelled = teacher.labelled(batch)
    run.model.eval()
    with torch.no_grad():
        raw = run.model(batch.image)
    assert torch.equal(labelled.maps["segmentation"], raw["segmentation"].argmax(1).to(torch.uint8))
    # Through twice the focal length of the card's camera things are twice as far away as they seem.
    limits = run.config.depth.min_m, run.config.depth.max_m
    torch.testing.assert_close(labelled.maps["depth"], 2 * raw["depth"][:, 0].exp().clamp(*limits))


def test_its_labels_are_its_own_once_the_model_has_moved(tmp_path: Path) -> None:
    run, teacher = begun(tmp_path)
    batch = tiny.batch(2)
    before = teacher.labelled(batch).maps["depth"]
    with torch.no_grad():
        for parameter in run.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    own = run.model(batch.image)["depth"]
    assert torch.equal(teacher.labelled(batch).maps["depth"], before)
    assert torch.equal(run.model(batch.image)["depth"], own), "and the model is as it was"
    teacher.follow()
    assert not torch.equal(teacher.labelled(batch).maps["depth"], before)


def test_a_model_that_agrees_with_it_has_nothing_to_learn_in_depth(tmp_path: Path) -> None:
    run, teacher = begun(tmp_path)
    run.model.eval()
    batch = tiny.batch(4, seed=3)
    losses = run.objective.losses(run.model(batch.image), teacher.labelled(batch))
    assert losses["depth"].item() == pytest.approx(0, abs=1e-5)
    assert losses["segmentation"].item() > 0, "its most likely class could be likelier still"


def test_classes_that_it_is_unsure_of_are_unlabelled(tmp_path: Path) -> None:
    _, teacher = begun(tmp_path, confidence=0.99)
    assert (teacher.labelled(tiny.batch(2)).maps["segmentation"] == UNLABELLED).all(), "it has learnt nothing yet"
    assert not teacher.labelled(tiny.batch(2)).maps["depth"].isnan().any()


def test_the_average_sees_clean_images_and_the_model_changed_ones(tmp_path: Path) -> None:
    run, teacher = begun(tmp_path)
    clean, seen = tiny.batch(4, seed=5), list[Tensor]()

    def forward(batch: Batch) -> dict[str, Tensor]:
        seen.append(batch.image)
        return run.model(batch.image)

    teacher.adapt(forward, {}, clean, 1.0)
    (changed,) = seen
    assert changed.shape == clean.image.shape
    assert not torch.equal(changed, clean.image)
    config = run.config.target
    assert isinstance(config, ConsistencyConfig)
    weak = config.augment(run.config.augment)
    assert (weak.jitter, weak.camera, weak.zoom) == (0, 0, run.config.augment.zoom)


def test_a_frozen_backbone_is_in_a_checkpoint_once(tmp_path: Path) -> None:
    config = adapting(tmp_path, **HALF)
    tensors = load_checkpoint(fit(config, tmp_path / "run")).tensors
    frozen = [name for name in tensors if name.startswith("model.backbone.")]
    assert frozen
    assert not any(name.startswith("teacher.backbone.") for name in tensors)
    alone = load_checkpoint(tmp_path / "run" / "adapters" / "model.safetensors").tensors
    assert not any(name.startswith("teacher.") for name in alone)
