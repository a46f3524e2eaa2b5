"""A rehearsal of a config: it needs no data, takes a step, and says what cannot work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.training import tiny
from tests.training.shipped import CONFIGS, asked_for, load_shipped
from training.cli import main
from training.config import RunConfig, load_config
from training.dry_run import Step, _peak_gb, dry_run
from training.errors import TrainingError
from training.overrides import override

FROM_THE_DEMO = ("kitchen", "own", "taught", "zero-shot")
BACKBONES = {"dinov2": tiny.DINO_V2, "pvt_v2": tiny.PVT, "swin": tiny.SWIN, "swinv2": tiny.SWIN_V2}
SIZE = {"width": tiny.WIDTH, "height": tiny.HEIGHT}
BAG = {"dataset": "rosbag", "bag": "nowhere.mcap", **SIZE}


def test_a_dry_run_needs_no_data_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = {"dataset": "nyud", "root": "nowhere", **SIZE}
    config = tiny.write_config(tmp_path / "run.yaml", data=data)
    assert main(["fit", str(config), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.count("a step of 4 images") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["nyud"])
def test_the_papers_network_is_built_and_runs_a_step(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On a CPU of a size that this does in seconds, with the time that the whole would take."""
    (seconds,) = dry_run(load_shipped(name))
    out, said = capsys.readouterr()
    assert "a step of 2 images of 160x120: " in out
    assert f"a step of 8 images of 640x480 would take about {seconds:.0f} s" in out
    assert "one step with 2 images of 160x120, of the phase's 8 images of 640x480, in float32 on the cpu ..." in said


@pytest.mark.parametrize(
    ("whole", "stride", "expected"),
    [
        (Step(2, 640, 480), 4, Step(2, 160, 120)),
        (Step(16, 256, 192), 4, Step(16, 128, 96)),
        (Step(2, 224, 168), 14, Step(2, 224, 168)),
        (Step(64, 224, 168), 14, Step(64, 112, 84)),
        (Step(64, 252, 168), 14, Step(64, 126, 84)),
        (Step(64, 210, 168), 14, Step(64, 210, 168)),
        (Step(99, 128, 96), 4, Step(99, 128, 96)),
    ],
)
def test_images_of_a_step_are_halved_as_far_as_they_fit(whole: Step, stride: int, expected: Step) -> None:
    assert whole.smaller(stride) == expected


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_config_takes_a_step(
    path: Path, repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a size, and with a backbone, that take a second; those that go on from the demo model have its own."""
    monkeypatch.chdir(repository)
    raw = yaml.safe_load(path.read_text())
    override(raw, asked_for(path.stem))
    if path.stem in FROM_THE_DEMO:
        raw["start_from"] = "models/avtar-demo.safetensors"
        assert f"{path.stem}.yaml --from {raw['start_from']}" in path.read_text()
    else:
        kind = raw["model"]["backbone"].get("settings", {}).get("model_type", "pvt_v2")
        raw["model"] |= {"backbone": {"settings": BACKBONES[kind]}, "replace": [0, 0, 1, 2], "decoder_channels": 32}
    for phase in raw["phases"]:
        phase |= {"batch_size": 2, "accumulate": 1}
    dry_run(RunConfig.model_validate(smaller(raw)))
    assert capsys.readouterr().out.count("a step of 2 images") == len(raw["phases"])


def smaller(raw: Any) -> Any:
    """A config with all of its images brought to one small size."""
    if isinstance(raw, list):
        return [smaller(value) for value in raw]
    if not isinstance(raw, dict):
        return raw
    return {key: {"width": 128, "height": 96}.get(key, smaller(value)) for key, value in raw.items()}


def test_what_the_data_does_not_say_comes_from_the_checkpoint(
    checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phase = tiny.phase("adapters", learns=["depth"])
    config = tiny.write_config(tmp_path / "run.yaml", data=BAG, phases=[phase])
    assert main(["fit", str(config), "--from", str(checkpoint_path), "--dry-run"]) == 0
    assert "a step of 4 images" in capsys.readouterr().out
    with pytest.raises(TrainingError, match=r"`tasks` has segmentation, but `data` has no classes.*`start_from`, or "):
        dry_run(load_config(config))
    with pytest.raises(TrainingError, match=r"none\.safetensors: no such checkpoint"):
        dry_run(load_config(config, tmp_path / "none.safetensors"))


def test_the_memory_of_a_step_on_a_gpu_is_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7e9)
    assert _peak_gb(torch.device("cuda")) == 7
    assert 0 < _peak_gb(torch.device("cpu")) != 7
