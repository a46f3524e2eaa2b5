"""Configs are checked in full, and every fault is named by the path of its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training import tiny
from training.config import load_config
from training.errors import TrainingError


def test_shipped_configs_are_valid(repository: Path) -> None:
    paths = sorted((repository / "training" / "configs").glob("*.yaml"))
    assert [load_config(path).name for path in paths] == [path.stem for path in paths]


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
        ({"phases": []}, "the last of `phases` must train the adapters"),
        ({"phases": [tiny.phase("backbone")]}, "the last of `phases` must train the adapters"),
        (
            {"phases": [tiny.phase("adapters"), tiny.phase("backbone"), tiny.phase("adapters", name="again")]},
            "`phases` must train the backbone before the adapters",
        ),
        ({"phases": [tiny.phase("adapters")] * 2}, "`phases` must have different names"),
        ({"phases": [tiny.phase("adapters", batch_size=13)]}, "`batch_size` of phase adapters is 13"),
        ({"phases": [tiny.phase("adapters", downscale=5)]}, "`downscale` of phase adapters does not divide 64x48"),
        ({"depth": {}}, "depth.focal_px: "),
        ({"depth": {"focal_px": 50, "max_m": "far"}}, "depth.max_m: "),
        ({"depth": {"focal_px": 50, "min_m": 5, "max_m": 2}}, "depth: min_m, 5, must be less than max_m, 2"),
        ({"tasks": ["depth", "smell"]}, "`tasks` names unknown tasks ['smell']; known: segmentation, depth"),
        ({"tasks": []}, "`tasks` must name at least one"),
        ({"tasks": ["depth", "depth"]}, "`tasks` must name at least one task, each once"),
        ({"loss_weights": {"smell": 1}}, "`loss_weights` names unknown tasks"),
        ({"loss_weights": {"depth": 0}}, "loss_weights.depth: "),
        ({"affinity": {"momentum": 1}}, "affinity.momentum: "),
        ({"model": MODEL | {"backbone": {}}}, "model.backbone: give either `pretrained` or `settings`"),
        ({"model": MODEL | {"replace": [0, 0]}}, "model: `replace` must replace at least one layer"),
        ({"model": MODEL | {"replace": [0, -1]}}, "model.replace.1: "),
    ],
)
def test_a_fault_is_named_by_the_path_of_its_key(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = tiny.write_config(tmp_path / "run.yaml", **changes)
    with pytest.raises(TrainingError) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: {said}"), error.value
    assert "\n" not in str(error.value)


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
)  # fmt: skip
def test_what_is_no_config_says_so(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(TrainingError, match=said) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_config_that_is_not_there_points_to_the_ready_ones(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="training/configs"):
        load_config(tmp_path / "run.yaml")
