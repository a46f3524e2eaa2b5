"""The training loop on a tiny run: phases, logs, and going on after an interruption as if there had been none."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from avtar_ros.disk.locks import BusyError
from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.errors import AvtarError
from avtar_ros.metrics import known_figures
from tests.training import tiny
from tests.training.interrupting import interrupted_after
from training import fit as module
from training.checkpoint import Checkpoint, load_checkpoint
from training.config import RunConfig
from training.data.batch import Batch
from training.errors import TrainingError
from training.fit import PhaseRun, build_model, fit, learning_rate_factor, new_card
from training.models.multitask import MultitaskModel
from training.step_options import follow_affinity


@pytest.fixture(scope="module", autouse=True)
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Rooms are rendered into a folder of these tests alone, once for all of them."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield cache


@pytest.fixture(scope="module")
def config() -> RunConfig:
    """Two phases; in the first the backbone drops paths, which a resumed run must do alike."""
    settings = tiny.settings()
    settings["model"]["backbone"]["settings"] = tiny.PVT | {"drop_path_rate": 0.3}
    return RunConfig.model_validate(settings)


@pytest.fixture(scope="module")
def finished(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("finished")
    assert fit(config, folder) == folder / "adapters" / "last.safetensors"
    return folder


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def same(first: Checkpoint, second: Checkpoint) -> bool:
    return (
        (first.config, first.card, first.phase, first.step) == (second.config, second.card, second.phase, second.step)
        and first.tensors.keys() == second.tensors.keys()
        and all(torch.equal(second.tensors[name], tensor) for name, tensor in first.tensors.items())
    )


def test_each_phase_leaves_a_checkpoint_and_a_log(finished: Path, config: RunConfig) -> None:
    for phase in config.phases:
        folder = finished / phase.name
        adapters = {"adapters.safetensors"} if phase.trains == "adapters" else set()
        files = {"best.safetensors", "last.safetensors", "model.safetensors", "log.jsonl"} | adapters
        assert {path.name for path in folder.iterdir()} == files
        checkpoint = load_checkpoint(folder / "last.safetensors")
        assert (checkpoint.phase, checkpoint.step, checkpoint.config) == (phase.name, phase.steps, config)
        log = lines(folder / "log.jsonl")
        assert [line["step"] for line in log] == list(range(2, phase.steps + 1, 2))
        for line in log:
            assert set(line["losses"]) == set(config.tasks)
            assert all(math.isfinite(loss) for loss in line["losses"].values())
            assert line["metrics"].keys() == known_figures().keys()
            assert ("affinity" in line) == (phase.trains == "adapters")


def test_the_last_model_is_written_without_the_optimisers_state(finished: Path, config: RunConfig) -> None:
    last, alone = (load_checkpoint(finished / "adapters" / f"{name}.safetensors") for name in ("last", "model"))
    assert {name for name in last.tensors if not name.startswith("model.")}
    network = build_model(config, "adapters", alone.card, alone)
    assert {f"model.{name}" for name in network.state_dict()} == set(alone.tensors)
    assert all(torch.equal(tensor, last.tensors[name]) for name, tensor in alone.tensors.items())


def test_adapters_train_on_the_backbone_that_the_first_phase_made(finished: Path) -> None:
    first, second = (load_checkpoint(finished / name / "last.safetensors").tensors for name in ("backbone", "adapters"))
    frozen = {name for name in second if name.startswith("model.backbone.")}
    assert len(frozen) > 50
    assert all(torch.equal(second[name], first[name]) for name in frozen)
    learnt = {name for name in second if name.startswith(("model.decoder.", "model.heads."))}
    assert learnt
    assert not any(torch.equal(second[name], first[name]) for name in learnt)
    assert not any(name.startswith("model.adapters.") for name in first)
    assert any(name.startswith("model.adapters.") for name in second)


def test_adapters_start_from_the_trained_layers_that_they_replace(finished: Path, config: RunConfig) -> None:
    before = load_checkpoint(finished / "backbone" / "last.safetensors")
    model = build_model(config, "adapters", new_card(config), before)
    query = before.tensors["model.backbone.model.encoder.layers.3.blocks.1.attention.query.weight"]
    assert torch.equal(model.adapters[3][1].attention.qkv.weight[: len(query)], query)
    assert torch.equal(model.heads["depth"][0].weight, before.tensors["model.heads.depth.0.weight"])


def test_affinities_are_measured_with_the_adapters_only(finished: Path) -> None:
    first, second = (load_checkpoint(finished / name / "last.safetensors") for name in ("backbone", "adapters"))
    assert first.card.affinity == ()
    assert torch.equal(first.tensors["model.task_embedding.affinity"], torch.eye(4))
    affinity = second.tensors["model.task_embedding.affinity"]
    assert not torch.equal(affinity, torch.eye(4))
    assert ((affinity >= 0) & (affinity <= 1)).all()
    assert torch.equal(torch.tensor(second.card.affinity), affinity)


def test_affinities_are_a_moving_average_of_every_second_step(
    config: RunConfig, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Tensor] = []

    def listening(model: MultitaskModel, affinity: Tensor, momentum: float) -> None:
        measured.append(affinity)
        follow_affinity(model, affinity, momentum)

    monkeypatch.setattr("training.fit.follow_affinity", listening)
    fit(config, tmp_path)
    assert len(measured) == 3, "at steps 0, 2 and 4 of the adapters' six"
    expected = torch.eye(4)
    for affinity in measured:
        expected = 0.5 * expected + 0.5 * affinity
    affinity = load_checkpoint(tmp_path / "adapters" / "last.safetensors").tensors["model.task_embedding.affinity"]
    torch.testing.assert_close(affinity, expected)


@pytest.mark.parametrize("after", [3, 7], ids=["in-the-first-phase", "in-the-second-phase"])
def test_a_resumed_run_ends_with_the_same_bits(
    config: RunConfig, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Interrupted between two checkpoints: it goes on from the first of them."""
    with interrupted_after(after, monkeypatch):
        fit(config, tmp_path)
    fit(config, tmp_path)
    for phase in config.phases:
        expected, got = (load_checkpoint(folder / phase.name / "last.safetensors") for folder in (finished, tmp_path))
        assert same(expected, got)
        steps_logged = [line["step"] for line in lines(tmp_path / phase.name / "log.jsonl")]
        assert steps_logged == [line["step"] for line in lines(finished / phase.name / "log.jsonl")]


@pytest.mark.parametrize("after", [1, 3])
def test_ctrl_c_saves_the_step_it_was_at_and_the_run_ends_with_the_same_bits(
    config: RunConfig, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    train_step = PhaseRun.train_step
    done = iter(range(after))

    def with_a_signal_inside(run: PhaseRun, batch: Batch, target: Batch | None) -> dict[str, float]:
        if next(done, None) is None and not interrupted:
            interrupted.append(run.step)
            os.kill(os.getpid(), signal.SIGINT)  # Python calls the handler before the next step at the latest
        return train_step(run, batch, target)

    interrupted: list[int] = []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PhaseRun, "train_step", with_a_signal_inside)
        fit(config, tmp_path)
    first = config.phases[0].name
    assert load_checkpoint(tmp_path / first / "last.safetensors").step == interrupted[0] + 1 == after + 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    fit(config, tmp_path)
    for phase in config.phases:
        expected, got = (load_checkpoint(folder / phase.name / "last.safetensors") for folder in (finished, tmp_path))
        assert same(expected, got)


def test_a_finished_run_stays_as_it_is(config: RunConfig, finished: Path) -> None:
    files = sorted(path for path in finished.rglob("*") if path.is_file())
    before = [path.read_bytes() for path in files]
    fit(config, finished)
    assert [path.read_bytes() for path in files] == before


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bits(config: RunConfig, finished: Path, tmp_path: Path, rooms: Path) -> None:
    """SIGKILL at whatever moment it comes, somewhere after the first checkpoint."""
    (tmp_path / "run.json").write_text(config.model_dump_json())  # JSON is YAML
    out = tmp_path / "run"
    command = [sys.executable, "-m", "training.cli", "fit", str(tmp_path / "run.json"), "--out", str(out)]
    environment = os.environ | {"XDG_CACHE_HOME": str(rooms), "OMP_NUM_THREADS": "1"}

    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        while not (out / "backbone" / "last.safetensors").exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, (tmp_path / "log.txt").read_text()

    fit(config, out)
    for phase in config.phases:
        expected, got = (load_checkpoint(folder / phase.name / "last.safetensors") for folder in (finished, out))
        assert same(expected, got)


def test_a_run_of_another_model_in_the_same_folder_is_refused(config: RunConfig, finished: Path) -> None:
    other = config.model_copy(update={"model": config.model.model_copy(update={"decoder_channels": 12})})
    with pytest.raises(TrainingError, match="does not fit this config's model"):
        fit(other, finished)


def test_a_run_of_other_tasks_in_the_same_folder_is_refused(config: RunConfig, finished: Path) -> None:
    """In another order the weights fit, and each task would have another's."""
    with pytest.raises(TrainingError, match="has the tasks segmentation, depth, normals, edges, in this order"):
        fit(config.model_copy(update={"tasks": config.tasks[::-1]}), finished)


def test_a_run_that_goes_on_differently_says_so(
    config: RunConfig, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(config, finished)
    assert "another config" not in capsys.readouterr().out
    fit(config.model_copy(update={"loss_weights": {"depth": 2.0}, "seed": 1}), finished)
    assert "was begun with another config, which differs in: seed, loss_weights" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": tiny.settings()["model"] | {"replace": [0, 0, 1, 3]}}, "model.replace"),
        ({"data": {"width": 66, "height": 48, "rooms": 8}}, "images of 66x48, .* must be multiples of 4"),
        ({"phases": [tiny.phase("adapters", downscale=16)]}, "images of 4x3, .* must be multiples of 4"),
        ({"phases": [tiny.phase("adapters", downscale=2)]}, "images of 32x24, .* too small for the backbone"),
    ],
    ids=["replace", "size", "downscale", "too-small"],
)
def test_what_cannot_work_is_refused_before_rooms_are_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(module, "open_dataset", None)
    with pytest.raises(TrainingError, match=said):
        fit(tiny.run_config(**changes), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_losses_see_depth_as_the_cards_camera_would(config: RunConfig, tmp_path: Path) -> None:
    """A room photographed with twice the focal length looks half as deep."""
    run = PhaseRun(config, config.phases[-1], tmp_path, None)
    batch = tiny.batch(4)
    assert run.card.depth is not None
    scale = run.card.depth.focal_px / batch.focal
    seen = batch.maps["depth"] * scale[:, None, None]
    raw = {name: torch.zeros(4, head, tiny.HEIGHT, tiny.WIDTH) for name, head in
           {"segmentation": len(run.card.classes), "normals": 3, "edges": 1}.items()}
    raw["depth"] = seen.log()[:, None]
    assert float(run.objective.losses(raw, batch)["depth"]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("warmup", "steps"), [(4, 20), (1, 3), (10, 5), (7, 7)])
def test_the_learning_rate_warms_up_and_then_follows_half_a_cosine(warmup: int, steps: int) -> None:
    for step in range(steps):
        factor = learning_rate_factor(step, warmup, steps)
        if step < warmup:
            assert factor == pytest.approx((step + 1) / warmup)
        else:
            done = (step - warmup) / (steps - warmup)
            assert factor == pytest.approx(math.cos(done * math.pi / 2) ** 2)
        assert 0 < factor <= 1


def test_a_run_without_a_first_phase_starts_from_the_backbone_as_it_is(tmp_path: Path) -> None:
    """As with a pretrained backbone: the adapters alone, on fewer tasks, at half the size."""
    config = tiny.run_config(
        tasks=["normals", "depth"],
        data={"width": 2 * tiny.WIDTH, "height": 2 * tiny.HEIGHT, "rooms": 4, "validation_rooms": 2},
        phases=[tiny.phase("adapters", steps=2, downscale=2, bfloat16=False)],
    )
    checkpoint = load_checkpoint(fit(config, tmp_path))
    assert checkpoint.card.tasks == ("normals", "depth")
    assert checkpoint.card.classes == ()
    assert len(checkpoint.card.affinity) == 2


def test_a_folder_that_another_run_writes_to_is_refused(config: RunConfig, tmp_path: Path) -> None:
    with OutputFolder(tmp_path), pytest.raises(BusyError, match="is writing there"):
        fit(config, tmp_path)


def test_a_folder_of_ones_own_called_like_a_phase_is_left_alone(config: RunConfig, tmp_path: Path) -> None:
    mine = tmp_path / config.phases[0].name / "best.safetensors"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(AvtarError, match="was not made by this command"):
        fit(config, tmp_path)
    assert mine.read_text() == "mine"
