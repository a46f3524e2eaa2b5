"""Configs are checked in full, and every fault is named by the path of its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training import shipped, tiny
from training.config import RunConfig, load_config
from training.errors import TrainingError


def test_shipped_configs_are_valid(repository: Path) -> None:
    paths = sorted((repository / "training" / "configs").glob("*.yaml"))
    assert [shipped.load_shipped(path.stem).name for path in paths] == [path.stem for path in paths]


@pytest.mark.parametrize("name", shipped.ASKED_FOR)
def test_a_shipped_config_asks_for_the_users_data_by_the_keys_to_set(name: str) -> None:
    with pytest.raises(TrainingError) as raised:
        load_config(shipped.CONFIGS / f"{name}.yaml")
    for key in shipped.ASKED_FOR[name]:
        assert f"{key}: Field required: write it in the file, or give --set {key}=VALUE" in str(raised.value)


def test_a_config_comes_back_from_its_json(tmp_path: Path) -> None:
    config = load_config(tiny.write_config(tmp_path / "run.yaml"))
    assert type(config).model_validate_json(config.model_dump_json()) == config


MODEL = tiny.settings()["model"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, "colour: there is no such key"),
        ({"phases": [tiny.phase("adapters", stepz=3)]}, "phases.0.stepz: there is no such key"),
        ({"phases": [tiny.phase("backbone"), tiny.phase("adapters", steps=0)]}, "phases.1.steps: "),
        ({"phases": [tiny.phase("adapters", batch_size=1)]}, "phases.0.batch_size: "),
        ({"phases": [tiny.phase("everything")]}, "phases.0.trains: "),
        ({"phases": [tiny.phase("adapters", name="a/b")]}, "phases.0.name: "),
        ({"phases": []}, "phases: the last must train the adapters"),
        ({"phases": [tiny.phase("backbone")]}, "phases: the last must train the adapters"),
        (
            {"phases": [tiny.phase("adapters"), tiny.phase("backbone"), tiny.phase("adapters", name="again")]},
            "phases: must train the backbone before the adapters",
        ),
        ({"phases": [tiny.phase("adapters")] * 2}, "phases: must have different names"),
        ({"phases": [tiny.phase("adapters", batch_size=13)]}, "phases.0.batch_size: 13 is more than `data.rooms`, 12"),
        ({"phases": [tiny.phase("adapters", downscale=5)]}, "phases.0.downscale: 5 does not divide 64x48"),
        ({"depth": {}}, "depth.focal_px: "),
        ({"depth": {"focal_px": 50, "max_m": "far"}}, "depth.max_m: "),
        ({"depth": {"focal_px": 50, "min_m": 5, "max_m": 2}}, "depth: min_m, 5, must be less than max_m, 2"),
        ({"tasks": ["depth", "smell"]}, "tasks: names unknown tasks ['smell']; known: segmentation, depth"),
        ({"tasks": []}, "tasks: must name at least one"),
        ({"tasks": ["depth", "depth"]}, "tasks: must name at least one task, each once"),
        ({"loss_weights": {"smell": 1}}, "loss_weights.smell: is not among `tasks`"),
        ({"loss_weights": {"depth": 0}}, "loss_weights.depth: "),
        ({"affinity": {"momentum": 1}}, "affinity.momentum: "),
        ({"model": MODEL | {"backbone": {}}}, "model.backbone: give either `pretrained` or `settings`"),
        ({"model": MODEL | {"replace": [0, 0]}}, "model.replace: must replace at least one layer"),
        ({"model": MODEL | {"replace": [0, -1]}}, "model.replace.1: "),
        (
            {"model": MODEL | {"decoder": "swin", "decoder_channels": 100}},
            "model.decoder_channels: 100 of `decoder: swin` cannot be divided by its 3 heads",
        ),
        ({"phases": [tiny.phase("adapters", accumulate=4)]}, "phases.0.accumulate: 4 must cut `batch_size`, 4, in"),
        (
            {"phases": [tiny.phase("backbone", balancing="pcgrad"), tiny.phase("adapters")]},
            "phases.0.balancing: pcgrad",
        ),
        (
            {"phases": [tiny.phase("adapters", balancing="pcgrad", accumulate=2)]},
            "phases.0.accumulate: must be 1: `balancing: pcgrad`",
        ),
        ({"phases": [tiny.phase("adapters", learns=["smell"])]}, "phases.0.learns: names ['smell'], which `tasks`"),
        ({"tasks": ["depth"], "loss_weights": {"normals": 2.0}}, "loss_weights.normals: is not among `tasks`, depth"),
        (
            {"phases": [tiny.phase("adapters", learns=["depth"], loss_weights={"normals": 2})]},
            "phases.0.loss_weights.normals: is not a task that the phase learns, depth",
        ),
        ({"phases": [tiny.phase("adapters", steps=True)]}, "phases.0.steps: Input should be a valid integer"),
        ({"phases": [tiny.phase("adapters", batch_size="4")]}, "phases.0.batch_size: Input should be a valid integer"),
        ({"phases": [tiny.phase("adapters", batch_size=4.0)]}, "phases.0.batch_size: Input should be a valid integer"),
        ({"phases": [tiny.phase("adapters", learning_rate=float("inf"))]}, "phases.0.learning_rate: Input should be a"),
        ({"phases": [tiny.phase("adapters", learning_rate=True)]}, "phases.0.learning_rate: Input should be a valid"),
        ({"phases": [tiny.phase("adapters", weight_decay=float("nan"))]}, "phases.0.weight_decay: Input should be a"),
        (
            {"phases": [tiny.phase("adapters", steps=4, warmup_steps=5)]},
            "phases.0.warmup_steps: 5 are more than `steps`",
        ),
        ({"seed": True}, "seed: Input should be a valid integer"),
        ({"affinity": {"every": "3"}}, "affinity.every: Input should be a valid integer"),
    ],
)
def test_a_fault_is_named_by_the_path_of_its_key(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = tiny.write_config(tmp_path / "run.yaml", **changes)
    with pytest.raises(TrainingError) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: {said}"), error.value
    assert "\n" not in str(error.value)


def test_numbers_with_and_without_a_point_are_numbers(tmp_path: Path) -> None:
    path = tiny.write_config(tmp_path / "run.yaml", depth={"focal_px": 50, "min_m": "1e-2"})  # unquoted, text to YAML
    assert (load_config(path).depth.focal_px, load_config(path).depth.min_m) == (50.0, 0.01)


def test_what_was_run_with_keys_that_are_no_longer_taken_can_still_be_read() -> None:
    phase = tiny.phase("adapters", warmup_steps=200)
    older = tiny.run_config(tasks=["depth"], loss_weights={"normals": 2.0}, phases=[phase])
    assert RunConfig.model_validate_json(older.model_dump_json()) == older


def test_several_faults_are_all_named(tmp_path: Path) -> None:
    path = tiny.write_config(tmp_path / "run.yaml", depth={"focal_px": -1}, seed="one")
    with pytest.raises(TrainingError) as error:
        load_config(path)
    head, *faults = str(error.value).splitlines()
    assert head == f"{path}:"
    assert [fault.split(":")[0].strip() for fault in faults] == ["seed", "depth.focal_px"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "not a mapping"), ("- one\n- two", "not a mapping"), ("name: [", "not YAML"), ("\x00", "not YAML"),
     ("run: !!python/object/apply:os.getcwd []", "not YAML")],
    ids=["empty", "list", "unfinished", "binary", "object"],
)
def test_what_is_no_config_says_so(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(TrainingError, match=said) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_config_that_is_not_there_points_to_the_ready_ones(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="training/configs"):
        load_config(tmp_path / "run.yaml")
