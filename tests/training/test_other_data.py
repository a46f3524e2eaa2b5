"""A model measured on, and exported with figures of, data other than rooms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.training import tiny
from tests.training.data import test_manifest
from tests.training.data.layouts import write_cityscapes_frame
from tests.training.data.recordings import write_bag
from training.checkpoint import load_checkpoint
from training.cli import main
from training.config import load_config
from training.evaluate import held_out_images
from training.export import ExportOptions, _measured, _provenance, export
from training.fit import fit, new_card


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def recording(folder: Path, **changes: object) -> Path:
    """A config of a recording of eight frames, three of them kept from training."""
    data = {"dataset": "rosbag", "bag": str(write_bag(folder / "run.mcap")), "validation_frames": 3}
    data |= {"width": tiny.WIDTH, "height": tiny.HEIGHT, **changes}
    steps = [tiny.phase("adapters", steps=2, bfloat16=False)]
    return tiny.write_config(folder / "run.yaml", data=data, tasks=["depth", "normals", "edges"], phases=steps)


def test_a_model_of_rooms_is_measured_on_a_recording(checkpoint_path: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = ["evaluate", str(checkpoint_path), "--data", str(recording(tmp_path)), "--json", str(figures)]
    assert main(command) == 0
    measured = json.loads(figures.read_text())
    assert {"depth.rmse_m", "normals.mean_deg", "edges.f1"} <= measured.keys()
    assert "segmentation.miou" not in measured


def test_images_of_another_size_are_refused(
    checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(checkpoint_path), "--data", str(recording(tmp_path, width=32, height=24))]
    assert main(command) == 1
    assert "images of 32x24, but the model takes 64x48" in capsys.readouterr().err


def test_class_ids_count_only_where_they_mean_the_same(tmp_path: Path) -> None:
    ids = np.full((tiny.HEIGHT, tiny.WIDTH), 26, np.uint8)
    write_cityscapes_frame(tmp_path, "val", "lindau_000000_000019", ids, np.full(ids.shape, 7681, np.uint16))
    data = {"dataset": "cityscapes", "root": str(tmp_path), "width": tiny.WIDTH, "height": tiny.HEIGHT}
    config = tiny.run_config(data=data)
    own, foreign = (next(held_out_images(config.data, card)) for card in (new_card(config), tiny.card()))
    assert (own.maps["segmentation"] == 13).all()
    assert "segmentation" not in foreign.maps and "depth" in foreign.maps


def test_the_figures_of_a_card_are_of_the_data_it_was_trained_on(tmp_path: Path) -> None:
    config = load_config(recording(tmp_path))
    checkpoint = load_checkpoint(fit(config, tmp_path / "out"))
    measured_on = []

    def infer(images: np.ndarray) -> dict[str, np.ndarray]:
        measured_on.append(images)
        shape = images.shape[:3]
        depth, normals = np.full(shape, 2, np.float32), np.zeros((*shape, 3), np.float32)
        normals[..., 2] = -1
        return {"depth": depth, "normals": normals, "edges": np.zeros(shape, np.float32)}

    card = _measured(checkpoint.card, infer, checkpoint.config.data, ExportOptions(rooms=500))
    assert sum(map(len, measured_on)) == 3
    assert "depth.rmse_m" in card.metrics
    assert _provenance(checkpoint, ExportOptions(rooms=500))["measured_on"] == (
        "validation images of: camera recording run.mcap"
    )
    assert _measured(checkpoint.card, infer, checkpoint.config.data, ExportOptions(rooms=0)).metrics == {}


def test_a_card_has_what_was_measured_on_real_images_first(checkpoint_path: Path, tmp_path: Path) -> None:
    entries = [test_manifest.entry("wall"), test_manifest.entry("table", "tables")]
    manifest = test_manifest.write(tmp_path, entries)
    card = export(
        load_checkpoint(checkpoint_path), tmp_path / "model.onnx", ExportOptions(rooms=2, seed=7, manifest=manifest)
    )
    assert card.provenance["measured_on"] == (
        "depth and normals: mean over the real sources of the first group in real.json; "
        "segmentation and edges: 2 synthetic rooms from seed 7"
    )
    rooms, walls = (json.loads(card.provenance[f"measured.{of}"]) for of in ("rooms", "real.rooms"))
    assert card.metrics == rooms | walls
    assert {key.split(".")[0] for key in walls} == {"depth", "normals"}
    assert "measured.real.tables" in card.provenance
