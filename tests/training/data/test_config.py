"""The `data` section: which data set, with which keys, and the path of what is wrong in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training import tiny
from training.config import RunConfig, load_config
from training.data.config import MixedConfig
from training.data.own_config import BagConfig
from training.data.public_config import (
    CityscapesConfig,
    NyudConfig,
    OmnidataConfig,
    RoomsConfig,
    SynthiaConfig,
    TaskonomyConfig,
)
from training.errors import TrainingError

SIZE = {"width": 64, "height": 48}
ROOMS = {"rooms": 12, **SIZE}
BAG = {"dataset": "rosbag", "bag": "~/run.mcap", **SIZE}
PICTURES = {"dataset": "pictures", "folder": "pictures", **SIZE}
GEOMETRY = ["depth", "normals", "edges"]


def mixed(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"dataset": "mixed", "parts": [{"data": part} for part in parts]}


@pytest.mark.parametrize(
    ("data", "kind", "classes"),
    [
        (ROOMS, RoomsConfig, 13),
        ({"dataset": "synthetic_rooms", **ROOMS}, RoomsConfig, 13),
        ({"dataset": "nyud", "root": "nyud"}, NyudConfig, 40),
        ({"dataset": "nyud", "root": "nyud", "labels": 13}, NyudConfig, 13),
        ({"dataset": "cityscapes", "root": "cityscapes"}, CityscapesConfig, 19),
        ({"dataset": "synthia", "root": "synthia"}, SynthiaConfig, 16),
        ({"dataset": "taskonomy", "root": "taskonomy", "splits": "tiny.csv"}, TaskonomyConfig, 17),
        ({"dataset": "omnidata", "root": "replica", "splits": "r.csv", "depth_steps_per_m": 1000}, OmnidataConfig, 0),
        (BAG, BagConfig, 0),
        (mixed(ROOMS, BAG), MixedConfig, 13),
    ],
)
def test_the_key_dataset_chooses_and_json_keeps_it(data: dict[str, Any], kind: type, classes: int) -> None:
    tasks = [*(["segmentation"] if classes else []), *GEOMETRY]
    config = tiny.run_config(data=data, tasks=tasks)
    assert type(config.data) is kind
    assert len(config.data.classes) == classes
    assert len({c.name for c in config.data.classes}) == len({c.color for c in config.data.classes}) == classes
    assert config.data.description
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_headers_of_older_checkpoints_mean_rooms_without_further_augmentation() -> None:
    older = tiny.run_config().model_dump(mode="json")
    del older["data"]["dataset"], older["augment"]
    assert RunConfig.model_validate(older) == tiny.run_config()
    assert tiny.run_config().data.description == "12 synthetic rooms of avtar_ros (seeds from 0)"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"dataset": "kitti"}}, "data.dataset: there is no 'kitti'; known: 'synthetic_rooms', 'nyud', "),
        ({"data": mixed(ROOMS, {"dataset": "kitti"})}, "data.parts.1.data.dataset: there is no 'kitti'; known: "),
        ({"data": {"dataset": ["nyud"]}}, "data.dataset: there is no "),
        ({"data": "nyud"}, "data: expected keys such as `dataset: nyud`, found 'nyud'"),
        ({"data": PICTURES, "tasks": GEOMETRY}, "data: pictures have no maps to learn from; give them a teacher"),
        ({"data": {"dataset": "nyud", "root": "x", "rooms": 3}}, "data.rooms: there is no such key"),
        ({"data": {"dataset": "nyud"}}, "data.root: Field required"),
        ({"data": {"dataset": "nyud", "root": "x", "labels": 14}}, "data.labels: "),
        ({"data": {"rooms": 0}}, "data.rooms: "),
        ({"data": {"dataset": "omnidata", "root": "x", "splits": "s.csv"}}, "data.depth_steps_per_m: Field required"),
        ({"data": mixed(ROOMS, {**BAG, "every": 0})}, "data.parts.1.data.every: "),
        ({"data": mixed(ROOMS)}, "data.parts: must name two data sets or more"),
        ({"data": mixed(ROOMS, {**BAG, "width": 128})}, "data.parts: must all have the same width and height"),
        ({"data": mixed(ROOMS, {"dataset": "nyud", "root": "x", **SIZE})}, "data.parts: those with segmentation"),
        ({"data": BAG}, "tasks: names segmentation, but `data` has no labels"),
        ({"augment": {"zoom": 0.5}}, "augment.zoom: "),
    ],
)
def test_faults_are_named_by_the_keys_as_they_are_written(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = tiny.write_config(tmp_path / "run.yaml", **changes)
    with pytest.raises(TrainingError) as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: {said}"), error.value


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/robot")
    config = tiny.run_config(data=BAG, tasks=GEOMETRY)
    assert isinstance(config.data, BagConfig)
    assert config.data.bag == Path("/home/robot/run.mcap")
