"""Data without some maps, and mixtures: what is there is learnt from, what is not there changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training import tiny
from tests.training.data.layouts import write_cityscapes_frame
from tests.training.data.recordings import write_bag
from training.checkpoint import load_checkpoint
from training.config import RunConfig
from training.data.batch import Batch, concatenated
from training.errors import TrainingError
from training.fit import PhaseRun, fit

SIZE = {"width": tiny.WIDTH, "height": tiny.HEIGHT}
QUICK = {"phases": [tiny.phase("adapters", steps=2, evaluate_every=2, bfloat16=False)], "affinity": {"every": 1}}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def new_run(folder: Path) -> PhaseRun:
    config = tiny.run_config(**QUICK)
    run = PhaseRun(config, config.phases[0], folder, None)
    tiny.stir(run.model)
    return run


def only(batch: Batch, *tasks: str) -> Batch:
    return Batch(batch.image, {task: batch.maps[task] for task in tasks}, batch.focal)


def heads(run: PhaseRun) -> dict[str, torch.Tensor]:
    """The weights of each task's head."""
    return {t: torch.cat([p.detach().flatten() for p in head.parameters()]) for t, head in run.model.heads.items()}


def test_a_task_that_a_batch_lacks_learns_nothing_from_it(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    before, affinity = heads(run), run.model.task_embedding.affinity.clone()
    losses = run.train_step(only(tiny.batch(), "depth", "edges"))
    assert set(losses) == {"depth", "edges"}
    after = heads(run)
    changed = {task for task in before if not torch.equal(before[task], after[task])}
    assert changed == {"depth", "edges"}
    moved = run.model.task_embedding.affinity != affinity
    known = torch.tensor([task in losses for task in run.card.tasks])
    assert moved[known][:, known].all()
    assert not moved[~known].any() and not moved[:, ~known].any()
    assert run.model.task_embedding.affinity.isfinite().all()


def test_images_without_a_map_do_not_count_in_its_loss(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.model.eval()
    whole, bare = tiny.batch(2, seed=1), only(tiny.batch(2, seed=2), "depth")
    mixture = concatenated([whole, bare])
    with torch.no_grad():
        alone, mixed = (run.objective.losses(run.model(batch.image), batch) for batch in (whole, mixture))
    for task in ("segmentation", "normals", "edges"):
        assert mixed[task].item() == pytest.approx(alone[task].item(), rel=1e-4), task
    assert mixed["depth"].item() != pytest.approx(alone["depth"].item(), rel=1e-3)


def test_a_batch_that_teaches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="none of the images of step 0 has a map for any of `tasks`"):
        new_run(tmp_path).train_step(only(tiny.batch()))


def trained(config: RunConfig, folder: Path) -> dict[str, object]:
    """The last line of the log of a whole run; the checkpoint's config and card are as they should be."""
    path = fit(config, folder)
    checkpoint = load_checkpoint(path)
    assert checkpoint.config == config
    assert checkpoint.card.training_data == config.data.description
    assert checkpoint.card.classes == (config.data.classes if "segmentation" in config.tasks else ())
    line: dict[str, object] = json.loads((path.parent / "log.jsonl").read_text().splitlines()[-1])
    assert 0 <= float(str(line["waiting"])) <= 1
    return line


def test_rooms_and_a_recording_are_learnt_from_in_one_run(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "run.mcap")
    parts = [
        {"data": {"rooms": 4, "validation_rooms": 2, **SIZE}},
        {"data": {"dataset": "rosbag", "bag": str(bag), "validation_frames": 2, **SIZE}, "repeat": 2},
    ]
    augment = {"zoom": 1.3, "jitter": 0.2}
    config = tiny.run_config(**QUICK, data={"dataset": "mixed", "parts": parts}, augment=augment)
    line = trained(config, tmp_path / "out")
    assert {"segmentation.miou", "depth.rmse_m", "normals.mean_deg", "edges.f1"} <= set(line["metrics"])


def test_a_recording_alone_teaches_geometry(tmp_path: Path) -> None:
    data = {"dataset": "rosbag", "bag": str(write_bag(tmp_path / "run.mcap")), "validation_frames": 2, **SIZE}
    line = trained(tiny.run_config(**QUICK, data=data, tasks=["depth", "normals", "edges"]), tmp_path / "out")
    assert "depth.rmse_m" in line["metrics"]


def test_cityscapes_brings_its_own_classes(tmp_path: Path) -> None:
    ids = np.tile(np.arange(7, 7 + tiny.HEIGHT // 2, dtype=np.uint8).repeat(2)[:, None], (1, tiny.WIDTH))
    disparity = np.full(ids.shape, 1 + 256 * 30, np.uint16)
    for number in range(4):
        write_cityscapes_frame(tmp_path, "train", f"aachen_{number:06}_000019", ids, disparity)
    write_cityscapes_frame(tmp_path, "val", "lindau_000000_000019", ids, disparity)
    data = {"dataset": "cityscapes", "root": str(tmp_path), **SIZE}
    depth = {"min_m": 1, "max_m": 80, "focal_px": 2262.52}
    line = trained(tiny.run_config(**QUICK, data=data, depth=depth), tmp_path / "out")
    assert "segmentation.miou" in line["metrics"]


def test_more_images_a_batch_than_there_are_is_an_error(tmp_path: Path) -> None:
    data = {"dataset": "rosbag", "bag": str(write_bag(tmp_path / "run.mcap")), "validation_frames": 5, **SIZE}
    config = tiny.run_config(**QUICK, data=data, tasks=["depth"])
    with pytest.raises(TrainingError, match="`batch_size` of phase adapters is 4, but `data` has 3 images"):
        fit(config, tmp_path / "out")
