"""The settings of the method beside plain multitask training, each run for a few steps on tiny data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.training import tiny
from tests.training.data.recordings import write_bag
from training.checkpoint import load_checkpoint
from training.config import RunConfig, load_config
from training.data.batch import Batch
from training.data.datasets import open_dataset
from training.errors import TrainingError
from training.fit import PhaseRun, fit

SIZE = {"width": tiny.WIDTH, "height": tiny.HEIGHT}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def pictures(folder: Path, count: int = 6) -> dict[str, Any]:
    """A `data` section of random pictures without maps."""
    folder.mkdir()
    for i in range(count):
        noise = np.random.default_rng(i).integers(0, 256, (60, 80, 3), np.uint8)
        assert cv2.imwrite(str(folder / f"{i}.png"), noise)
    return {"dataset": "pictures", "folder": str(folder), "validation_images": 2, **SIZE}


# --- Zero-shot task transfer


def test_in_the_zero_shot_stage_no_gradient_reaches_the_task_left_out(checkpoint_path: Path, tmp_path: Path) -> None:
    data = {"dataset": "rosbag", "bag": str(write_bag(tmp_path / "run.mcap")), "validation_frames": 3, **SIZE}
    phase = tiny.phase("adapters", steps=2, learns=["depth", "normals"], bfloat16=False, weight_decay=0.5)
    path = tiny.write_config(tmp_path / "run.yaml", data=data, phases=[phase])
    config = load_config(path, checkpoint_path)
    before = load_checkpoint(checkpoint_path)

    run = PhaseRun(config, config.phases[0], tmp_path / "step", before)
    losses = run.train_step(open_dataset(config.data, "train").batch([0, 1]))
    assert set(losses) == {"depth", "normals"}
    for task in config.tasks:
        touched = [p.grad is not None and bool(p.grad.any()) for p in run.model.heads[task].parameters()]
        assert touched == [task in losses] * len(touched)

    after = load_checkpoint(fit(config, tmp_path / "run"))
    for name in (n for n in before.tensors if n.startswith("model.heads.")):
        same = torch.equal(before.tensors[name], after.tensors[name])
        assert same == ("depth" not in name and "normals" not in name), name
    # What the task left out is to the others stays as it was measured before; what these are to each other moves.
    was, became = (c.tensors["model.task_embedding.affinity"] for c in (before, after))
    for row, column in ((0, 1), (3, 2), (1, 3), (0, 0)):
        assert was[row, column] == became[row, column]
    assert was[1, 1] != became[1, 1]
    # The classes, for which this data has no labels, are still the checkpoint's; the task left out is measured.
    assert after.card.classes == before.card.classes
    log = (tmp_path / "run" / "adapters" / "log.jsonl").read_text()
    assert "edges.f1" in log


# --- Unsupervised domain adaptation


def adapting(folder: Path, **changes: Any) -> RunConfig:
    phase = tiny.phase("adapters", steps=4, evaluate_every=2, bfloat16=False)
    target = {"data": pictures(folder / "target"), "weight": 0.1, "learning_rate": 1e-3}
    return tiny.run_config(tasks=["segmentation", "depth"], phases=[phase], target=target, **changes)


def test_discriminators_and_model_learn_from_each_other_without_mixing_gradients(tmp_path: Path) -> None:
    config = adapting(tmp_path)
    run = PhaseRun(config, config.phases[0], tmp_path / "run", None)
    assert run.adversary is not None
    source, target = tiny.batch(4, seed=0), tiny.batch(4, seed=1)
    raw, found = run.model(source.image), run.model(target.image)

    run.adversary.confusion(found).backward()
    assert all(p.grad is None for p in run.adversary.parameters()), "what confuses does not teach the discriminators"
    assert any(p.grad is not None and p.grad.any() for p in run.model.heads["depth"].parameters())

    run.model.zero_grad()
    raw, found = run.model(source.image), run.model(target.image)
    before = run.adversary.confusion(found).item()
    losses = [run.adversary.learn(raw, found) for _ in range(30)]
    assert losses[-1] < losses[0]
    assert run.adversary.confusion(found).item() > before, "it is harder to be taken for the source"
    assert all(p.grad is None for p in run.model.parameters()), "telling domains apart changes no map"


def test_labels_of_the_target_are_never_looked_at(tmp_path: Path) -> None:
    config = adapting(tmp_path)
    weights = []
    for seed in (1, 2):
        run = PhaseRun(config, config.phases[0], tmp_path / str(seed), None)
        image = tiny.batch(4, seed=9).image
        target = Batch(image, tiny.batch(4, seed=seed).maps, torch.full((4,), 50.0))
        run.train_step(tiny.batch(4), target)
        weights.append(torch.cat([p.flatten() for p in run.model.parameters()]))
    assert torch.equal(*weights)


def test_an_interrupted_adaptation_ends_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = adapting(tmp_path)
    whole = load_checkpoint(fit(config, tmp_path / "whole"))
    train_step, steps = PhaseRun.train_step, iter(range(3))

    def until_interrupted(run: PhaseRun, batch: Batch, target: Batch | None) -> dict[str, float]:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return train_step(run, batch, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PhaseRun, "train_step", until_interrupted)
        fit(config, tmp_path / "parts")
    parts = load_checkpoint(fit(config, tmp_path / "parts"))
    assert any(name.startswith("optimiser.adversary.") for name in whole.tensors)
    assert whole.tensors.keys() == parts.tensors.keys()
    assert all(torch.equal(parts.tensors[name], tensor) for name, tensor in whole.tensors.items())


def test_what_the_other_domain_is_must_fit(tmp_path: Path) -> None:
    target = {"data": {"dataset": "pictures", "folder": ".", "width": 32, "height": 32}}
    with pytest.raises(TrainingError, match=r"target\.data: must have the width and height of `data`"):
        load_config(tiny.write_config(tmp_path / "run.yaml", target=target))


# --- Distillation


def test_a_student_learns_from_what_a_teacher_sees(exported: Path, tmp_path: Path) -> None:
    data = {"dataset": "taught", "teacher": str(exported), "data": pictures(tmp_path / "pictures")}
    config = tiny.run_config(data=data, phases=[tiny.phase("adapters", steps=6, evaluate_every=3)])
    assert config.data.classes == load_checkpoint(fit(config, tmp_path / "run")).card.classes
    taught, bare = open_dataset(config.data, "train"), open_dataset(config.data.data, "train")  # type: ignore[union-attr]
    batch = taught.batch([0, 3])
    assert set(batch.maps) == set(config.tasks)
    assert bare.batch([0, 3]).maps == {}
    assert torch.equal(batch.image, bare.batch([0, 3]).image)
    # Depth is in metres of the picture's own camera.
    from avtar_ros.engines.opening import open_engine

    with open_engine(exported) as engine:
        assert engine.card.depth is not None
        as_card = torch.from_numpy(engine.infer(batch.image.numpy())["depth"])
        expected = as_card * (batch.focal / engine.card.depth.focal_px)[:, None, None]
    torch.testing.assert_close(batch.maps["depth"], expected)
    assert not torch.allclose(batch.maps["depth"], as_card)


def test_a_teacher_of_another_size_is_refused(exported: Path, tmp_path: Path) -> None:
    smaller = pictures(tmp_path / "pictures") | {"width": 32, "height": 24}
    data = {"dataset": "taught", "teacher": str(exported), "data": smaller}
    with pytest.raises(TrainingError, match="images of 32x24, but the teacher takes 64x48"):
        open_dataset(tiny.run_config(data=data).data, "train")


def test_a_folder_with_too_few_pictures_is_refused(tmp_path: Path) -> None:
    data = pictures(tmp_path / "pictures", count=2)
    config = tiny.run_config(data=data, tasks=["depth"])
    with pytest.raises(TrainingError, match=r"expected more than the 2 pictures .* found 2"):
        open_dataset(config.data, "train")
