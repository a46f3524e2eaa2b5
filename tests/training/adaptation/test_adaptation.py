"""What holds for every way to learn from another domain's images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import tiny
from tests.training.adaptation.adapting import WAYS, adapting
from tests.training.interrupting import interrupted_after
from training.checkpoint import load_checkpoint
from training.config import load_config
from training.data.batch import Batch
from training.errors import TrainingError
from training.fit import PhaseRun, fit

every_way = pytest.mark.parametrize("way", WAYS, ids=[way["by"] for way in WAYS])


@every_way
def test_labels_of_the_target_are_never_looked_at(tmp_path: Path, way: dict[str, Any]) -> None:
    config = adapting(tmp_path, **way)
    weights = []
    for seed in (1, 2):
        run = PhaseRun(config, config.phases[0], tmp_path / str(seed), None)
        image = tiny.batch(4, seed=9).image
        target = Batch(image, tiny.batch(4, seed=seed).maps, torch.full((4,), 50.0))
        run.train_step(tiny.batch(4), target)
        weights.append(torch.cat([p.flatten() for p in run.model.parameters()]))
    assert torch.equal(*weights)


@every_way
def test_images_of_the_target_are_learnt_from(tmp_path: Path, way: dict[str, Any]) -> None:
    config = adapting(tmp_path, **way)
    weights = []
    for seed in (1, 2):
        run = PhaseRun(config, config.phases[0], tmp_path / str(seed), None)
        run.train_step(tiny.batch(4), tiny.batch(4, seed=seed))
        weights.append(torch.cat([p.flatten() for p in run.model.parameters()]))
    assert not torch.equal(*weights)


@every_way
def test_an_interrupted_adaptation_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any]
) -> None:
    config = adapting(tmp_path, **way)
    whole = load_checkpoint(fit(config, tmp_path / "whole"))
    with interrupted_after(3, monkeypatch):
        fit(config, tmp_path / "parts")
    parts = load_checkpoint(fit(config, tmp_path / "parts"))
    assert any(name.startswith(("adversary.", "teacher.")) for name in whole.tensors)
    assert whole.tensors.keys() == parts.tensors.keys()
    assert all(torch.equal(parts.tensors[name], tensor) for name, tensor in whole.tensors.items())


@pytest.mark.parametrize(("target", "fault"), [
    ({"width": 32, "height": 32}, r"target\.data: must have the width and height of `data`"),
    ({"by": "magic"}, r"target\.by: there is no 'magic'; known: 'discriminators', 'consistency'"),
    ({"by": "consistency", "momentum": 1.0}, r"target\.momentum: Input should be less than 1"),
    ({"by": "consistency", "learning_rate": 1e-4}, r"target\.learning_rate: there is no such key"),
])
def test_a_fault_of_the_section_has_the_path_of_its_key(tmp_path: Path, target: dict[str, Any], fault: str) -> None:
    size = {"width": target.pop("width", tiny.WIDTH), "height": target.pop("height", tiny.HEIGHT)}
    target["data"] = {"dataset": "pictures", "folder": ".", **size}
    with pytest.raises(TrainingError, match=fault):
        load_config(tiny.write_config(tmp_path / "run.yaml", target=target))
