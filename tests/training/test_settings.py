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
from training.config import load_config
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
