"""A run that goes on from another's checkpoint: a model of rooms, its adapters fine-tuned on a robot's recording."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from avtar_ros.bags.bag import BagError
from tests.training import tiny
from tests.training.data.recordings import write_bag
from tests.training.shipped import load_shipped
from training.build import build_model, new_card, parameter_table, starting_point
from training.checkpoint import load_checkpoint
from training.cli import main
from training.config import load_config
from training.errors import TrainingError
from training.evaluate import held_out_images
from training.fit import fit


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def kitchen(folder: Path, **changes: Any) -> Path:
    """A config like the shipped one: rooms with classes and a recording of eight frames, three of them kept out."""
    size = {"width": tiny.WIDTH, "height": tiny.HEIGHT}
    recording = {"dataset": "rosbag", "bag": str(write_bag(folder / "run.mcap")), "validation_frames": 3, **size}
    parts = [{"data": {"rooms": 8, "validation_rooms": 2, **size}}, {"data": recording, "repeat": 2}]
    phases = [tiny.phase("adapters", steps=2, bfloat16=False)]
    settings: dict[str, Any] = {"data": {"dataset": "mixed", "parts": parts}, "phases": phases, "name": "kitchen"}
    return tiny.write_config(folder / "kitchen.yaml", **(settings | changes))


def test_it_starts_with_every_weight_of_the_checkpoint(checkpoint_path: Path, tmp_path: Path) -> None:
    config, before = load_config(kitchen(tmp_path), checkpoint_path), load_checkpoint(checkpoint_path)
    model = build_model(config, "adapters", new_card(config, before), before)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before.tensors[f"model.{name}"]), name
    assert not any(p.requires_grad for p in model.backbone.parameters())


def test_the_recordings_last_frames_are_kept_out_and_measured_before_and_after(
    checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out, figures = kitchen(tmp_path), tmp_path / "out", tmp_path / "figures.json"
    measure = ["--data", str(config), "--json", str(figures)]

    def measured(model: Path) -> dict[str, dict[str, float]]:
        assert main(["evaluate", str(model), *measure]) == 0
        found: dict[str, dict[str, float]] = json.loads(figures.read_text())
        return found

    before = measured(checkpoint_path)
    assert main(["fit", str(config), "--from", str(checkpoint_path), "--out", str(out)]) == 0
    tuned = load_checkpoint(out / "adapters" / "last.safetensors")
    after = measured(out / "adapters" / "last.safetensors")
    assert list(before) == list(after) == ["8 synthetic rooms of avtar_ros (seeds from 0)", "camera recording run.mcap"]
    rooms, recording = before.values()
    assert "segmentation.miou" in rooms
    assert "segmentation.miou" not in recording
    assert before != after
    # What it learnt on goes into the card; the backbone is still the checkpoint's.
    assert tuned.card.training_data.startswith(load_checkpoint(checkpoint_path).card.training_data + "; then 8 synth")
    assert "camera recording run.mcap, 2 times" in tuned.card.training_data
    frozen = {name: t for name, t in load_checkpoint(checkpoint_path).tensors.items() if ".backbone." in name}
    assert frozen
    assert all(torch.equal(tuned.tensors[name], tensor) for name, tensor in frozen.items())
    assert "backbone" in capsys.readouterr().out, "the table of parameters"


def test_what_is_measured_on_is_never_trained_on(checkpoint_path: Path, tmp_path: Path) -> None:
    """Each frame of the recording has a brightness of its own."""
    recording = load_config(kitchen(tmp_path)).data.single[1]
    from training.data.datasets import open_dataset

    training = open_dataset(recording, "train")
    trained = {int(training.batch([i]).image.float().mean().round()) for i in range(len(training))}
    card = load_checkpoint(checkpoint_path).card
    kept_out = {int(image.float().mean().round()) for b in held_out_images(recording, card) for image in b.image}
    assert len(trained) == 5
    assert len(kept_out) == 3
    assert not trained & kept_out


def test_a_checkpoint_of_another_model_is_refused_before_anything_starts(checkpoint_path: Path, tmp_path: Path) -> None:
    model = tiny.settings()["model"] | {"decoder_channels": 12}
    with pytest.raises(TrainingError, match="does not fit this config's model"):
        fit(load_config(kitchen(tmp_path, model=model), checkpoint_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(TrainingError, match=r"has the tasks .* in this order; this config has edges, depth"):
        fit(load_config(kitchen(tmp_path, tasks=["edges", "depth"]), checkpoint_path), tmp_path / "out")
    phases = [tiny.phase("backbone"), tiny.phase("adapters")]
    with pytest.raises(TrainingError, match="`trains: backbone` cannot go on from a checkpoint of adapters"):
        fit(load_config(kitchen(tmp_path, phases=phases), checkpoint_path), tmp_path / "out")
    with pytest.raises(TrainingError, match="no such checkpoint"):
        fit(load_config(kitchen(tmp_path, start_from=str(tmp_path / "none.safetensors"))), tmp_path / "out")


def test_a_missing_recording_is_known_before_rooms_are_rendered(
    checkpoint_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(kitchen(tmp_path), checkpoint_path)
    (tmp_path / "run.mcap").unlink()
    monkeypatch.setattr("training.data.datasets.RoomsDataset", None)
    with pytest.raises(BagError, match=r"run\.mcap: no such bag"):
        fit(config, tmp_path / "out")


def test_the_table_of_parameters_adds_up() -> None:
    model = tiny.model()
    rows = {line.split("  ")[0]: line.split() for line in parameter_table(model).splitlines()[1:]}
    assert set(rows) == {"backbone", "task embedding", "adapters", "decoder", "heads", "all"}

    def numbers(part: str) -> tuple[int, int]:
        total, trained = (int(text.replace(",", "")) for text in rows[part][-3:-1])
        return total, trained

    assert numbers("all") == tuple(map(sum, zip(*(numbers(part) for part in rows if part != "all"), strict=True)))
    assert numbers("backbone")[1] == 0
    assert numbers("all")[1] == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert rows["backbone"][-1] == "0.0%"


KITCHEN = Path(os.environ.get("AVTAR_DATA", Path(__file__).parents[3] / "shared" / "data")) / "rgbd_kitchen_train/mcap"


@pytest.mark.skipif(not KITCHEN.exists(), reason=f"{KITCHEN} is not there; AVTAR_DATA names another folder")
def test_the_shipped_config_reads_a_real_recording() -> None:
    _, recording = load_shipped("kitchen").data.single
    from training.data.datasets import open_dataset

    recording = recording.model_copy(update={"bag": KITCHEN, "every": 20, "validation_frames": 3})
    batch = open_dataset(recording, "validation").batch([0, 2])
    assert batch.image.shape == (2, 192, 256, 3)
    assert set(batch.maps) == {"depth", "normals", "edges"}
    assert 0.5 < float(batch.maps["depth"].nanmedian()) < 5


def test_classes_of_ones_own_get_a_new_head_and_all_else_goes_on(checkpoint_path: Path, tmp_path: Path) -> None:
    size = {"width": tiny.WIDTH, "height": tiny.HEIGHT}
    names = {"wall": "upright", "door": "upright", "floor": "flat"}
    own = {"rooms": 8, "validation_rooms": 2, **size, "classes": names}
    phases = [tiny.phase("adapters", steps=2, bfloat16=False), tiny.phase("adapters", name="more", steps=2)]
    settings: dict[str, Any] = {"data": own, "phases": phases, "name": "own"}
    path = tiny.write_config(tmp_path / "own.yaml", **settings)
    with pytest.raises(TrainingError, match=r"has the classes wall, .*of your own, `new_heads: \[segm"):
        fit(load_config(path, checkpoint_path), tmp_path / "refused")

    path = tiny.write_config(tmp_path / "own.yaml", **settings, new_heads=["segmentation"])
    config, before = load_config(path, checkpoint_path), load_checkpoint(checkpoint_path)
    start = starting_point(config)
    assert start is not None
    model = build_model(config, "adapters", new_card(config, start), start)
    for name, tensor in model.state_dict().items():
        if name.startswith("heads.segmentation."):
            assert name != "heads.segmentation.2.weight" or len(tensor) == 2
        else:
            assert torch.equal(tensor, before.tensors[f"model.{name}"]), name
    tuned = load_checkpoint(fit(config, tmp_path / "run"))
    assert [c.name for c in tuned.card.classes] == ["upright", "flat"]
    first = load_checkpoint(tmp_path / "run" / "adapters" / "last.safetensors")
    assert first.card.classes == tuned.card.classes, "the second phase goes on with the head of the first"
    with pytest.raises(TrainingError, match=r"new_heads: all heads are new: no `start_from`"):
        fit(load_config(path), tmp_path / "run")
    with pytest.raises(TrainingError, match=r"new_heads: names \['smell'\], which `tasks` does not"):
        load_config(path, checkpoint_path, ["new_heads=[smell]"])
