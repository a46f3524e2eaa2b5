"""Keys of a config set on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training import tiny
from training.cli import main
from training.config import load_config
from training.errors import TrainingError


def test_any_key_can_be_set_and_the_rest_stays(tmp_path: Path) -> None:
    path = tiny.write_config(tmp_path / "run.yaml")
    settings = [
        "phases.1.steps=500", "depth.focal_px=1e2", "tasks=[depth, edges]", "augment.zoom=1.5", "name=a=b",
        "loss_weights.depth=2",
    ]
    config, before = load_config(path, settings=settings), load_config(path)
    assert (config.phases[1].steps, config.depth.focal_px, config.name) == (500, 100.0, "a=b")
    assert (config.tasks, config.augment.zoom, config.loss_weights) == (("depth", "edges"), 1.5, {"depth": 2.0})
    assert (config.phases[0], config.model, config.data) == (before.phases[0], before.model, before.data)


def test_the_last_setting_of_a_key_counts(tmp_path: Path) -> None:
    path = tiny.write_config(tmp_path / "run.yaml")
    assert load_config(path, settings=["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("phases.0.steps", "--set phases.0.steps: expected KEY=VALUE"),
        ("=3", "--set =3: expected KEY=VALUE"),
        ("phases..steps=3", "--set phases..steps=3: expected KEY=VALUE"),
        ("phases.7.steps=3", "--set phases.7.steps=3: `phases` is a list of 2; '7' is not an index into it"),
        ("phases.first=3", "`phases` is a list of 2; 'first' is not an index"),
        ("name.first=3", "--set name.first=3: `name` is 'tiny', which has no keys"),
        ("name.first.second=3", "`name` is 'tiny', which has no keys"),
        ("seed=[1", "--set seed=[1: the value is not YAML"),
        ("phases.0.stepz=3", "run.yaml: phases.0.stepz: there is no such key"),
        ("phases.0.steps=many", "run.yaml: phases.0.steps: "),
        ("data.dataset=films", "run.yaml: data.dataset: there is no 'films'"),
    ],
)
def test_what_cannot_be_set_is_said(setting: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as raised:
        load_config(tiny.write_config(tmp_path / "run.yaml"), settings=[setting])
    assert said in str(raised.value)


def test_a_command_takes_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny.write_config(tmp_path / "run.yaml", data={"dataset": "nyud", "width": 64, "height": 48})
    assert main(["fit", str(config), "--dry-run"]) == 1
    assert "data.root: Field required: write it in the file, or give --set data.root=" in capsys.readouterr().err
    settings = ["--set", "data.root=nowhere", "--set", "phases.1.batch_size=2"]
    assert main(["fit", str(config), "--dry-run", *settings]) == 0
    assert "a step of 2 images" in capsys.readouterr().out
