"""RGB-D images that a manifest lists: read as written, measured by source and group, faults named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.training import tiny
from training.by_source import SourceFigures, group_means, table
from training.data.datasets import open_dataset
from training.data.manifest import read_manifest
from training.data.own_config import ManifestConfig
from training.errors import TrainingError
from training.fit import PhaseRun

CARD = tiny.card()
WIDTH, HEIGHT = CARD.width, CARD.height
K = [60.0, 60.0, 63.5, 47.5]
Entries = list[dict[str, Any]]


def write(folder: Path, entries: Entries) -> Path:
    """A manifest whose pictures are all grey walls, 2 m away but for a hole."""
    for entry in entries:
        for image, depth in entry["pairs"]:
            (folder / image).parent.mkdir(exist_ok=True)
            cv2.imwrite(str(folder / image), np.full((96, 128, 3), 90, np.uint8))
            wall = np.full((96, 128), 2000, np.uint16)
            wall[:40, :40] = 0
            cv2.imwrite(str(folder / depth), wall)
    path = folder / "real.json"
    path.write_text(json.dumps(entries))
    return path


def entry(name: str, group: str = "rooms", k: list[float] | None = K, images: int = 1) -> dict[str, Any]:
    pairs = [[f"{name}/{i}.jpg", f"{name}/{i}.png"] for i in range(images)]
    return {"name": name, "group": group, "K": k, "camera": "any", "pairs": pairs}


def test_depth_normals_and_camera_are_as_written(tmp_path: Path) -> None:
    (source,) = read_manifest(write(tmp_path, [entry("wall", images=3)]), WIDTH, HEIGHT)
    batches = list(source.batches(chunk=2))
    assert [len(batch) for batch in batches] == [2, 1]
    depth, normals = batches[0].maps["depth"], batches[0].maps["normals"]
    assert depth.shape == (2, CARD.height, CARD.width)
    assert depth[:, :19, :19].isnan().all()
    torch.testing.assert_close(depth[:, 22:], torch.full_like(depth[:, 22:], 2.0))
    torch.testing.assert_close(normals[0, -1, -1], torch.tensor([0.0, 0.0, -1.0]), atol=1e-3, rtol=0)
    assert batches[0].focal.tolist() == pytest.approx([30.0, 30.0])


def test_a_camera_that_nobody_knows_has_no_focal_length_and_no_normals(tmp_path: Path) -> None:
    (source,) = read_manifest(write(tmp_path, [entry("wall", k=None)]), WIDTH, HEIGHT)
    (batch,) = source.batches()
    assert batch.focal.isnan().all()
    assert batch.maps.keys() == {"depth"}


def test_each_source_of_a_group_counts_once() -> None:
    sources = {
        "a": SourceFigures("rooms", {"depth.delta1": 0.2, "normals.mean_deg": 30.0}),
        "b": SourceFigures("rooms", {"depth.delta1": 0.6}),
        "c": SourceFigures("tables", {"depth.scaled_delta1": 0.5}),
    }
    assert group_means(sources) == {
        "rooms": {"depth.delta1": pytest.approx(0.4), "normals.mean_deg": 30.0},
        "tables": {"depth.scaled_delta1": 0.5},
    }
    lines = table(sources).splitlines()
    assert len(lines) == 6
    assert lines[-2].split()[:5] == ["mean", "of", "2", "rooms", "0.400"]
    assert "–" in lines[-1]


def without(key: str) -> Callable[[Entries], Entries]:
    return lambda entries: [{k: v for k, v in e.items() if k != key} for e in entries]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (without("K"), r"0\.K: Field required"),
        (without("pairs"), r"0\.pairs"),
        (lambda e: [e[0] | {"pairs": []}], "at least 1 item"),
        (lambda e: [e[0] | {"K": [0, 1, 1, 1]}], "greater than 0"),
        (lambda e: [e[0] | {"pairs": [["no.jpg", "no.png"]]}], r"wall names no\.jpg"),
        (lambda e: e + e, "several sources called wall"),
        (lambda e: [], "lists no source"),
        (lambda e: {"a": e}, "valid list"),
    ],
)
def test_faults_are_named(tmp_path: Path, change: Callable[[Entries], Any], expected: str) -> None:
    entries = [entry("wall")]
    path = write(tmp_path, entries)
    path.write_text(json.dumps(change(entries)))
    with pytest.raises(TrainingError, match=expected) as caught:
        read_manifest(path, WIDTH, HEIGHT)
    assert str(path) in str(caught.value)


def test_what_is_no_json_and_what_is_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "real.json"
    with pytest.raises(TrainingError, match="No such file"):
        read_manifest(path, WIDTH, HEIGHT)
    path.write_text("{")
    with pytest.raises(TrainingError, match="not JSON"):
        read_manifest(path, WIDTH, HEIGHT)


def test_depth_of_another_size_than_its_picture_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [entry("wall")])
    cv2.imwrite(str(tmp_path / "wall/0.png"), np.ones((48, 64), np.uint16))
    (source,) = read_manifest(path, WIDTH, HEIGHT)
    with pytest.raises(TrainingError, match=r"0\.png: is \(64, 48\), but 0\.jpg \(128, 96\)"):
        list(source.batches())


def test_sources_are_a_data_set_that_keeps_some_from_training(tmp_path: Path) -> None:
    path = write(tmp_path, [entry("wall", images=3), entry("unknown", k=None), entry("last", images=2)])
    data = {"dataset": "manifest", "file": str(path), "width": WIDTH, "height": HEIGHT}

    def lengths(**changes: Any) -> list[int]:
        config = ManifestConfig.model_validate(data | changes)
        return [len(open_dataset(config, split)) for split in ("train", "validation")]  # type: ignore[arg-type]

    assert lengths() == [4, 2]
    assert lengths(validation_sources=["wall", "last"]) == [1, 5]
    batch = open_dataset(ManifestConfig.model_validate(data), "train").batch([0, 3])
    assert batch.focal[0] == pytest.approx(30) and batch.focal[1].isnan()
    assert batch.maps["normals"][1].isnan().all() and not batch.maps["normals"][0].isnan().all()
    losses = PhaseRun(config := tiny.run_config(tasks=["depth", "normals"]), config.phases[1], tmp_path / "run", None)
    assert all(np.isfinite(loss) for loss in losses.train_step(batch).values()), "an unknown lens teaches no depth"
    with pytest.raises(TrainingError, match=r"has no source walls; it has wall, unknown, last"):
        lengths(validation_sources=["walls"])
    with pytest.raises(TrainingError, match="all of its sources are kept from training"):
        lengths(validation_sources=["wall", "unknown", "last"])
