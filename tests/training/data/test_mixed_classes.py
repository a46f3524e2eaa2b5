"""Data sets with other classes in one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training import tiny
from tests.training.data.layouts import write_nyud
from training.config import RunConfig, load_config
from training.data.classes import NYUD_40
from training.data.datasets import open_dataset
from training.data.vocabulary import table, vocabulary
from training.errors import TrainingError

SIZE = {"width": tiny.WIDTH, "height": tiny.HEIGHT}
ROOMS = {"rooms": 4, "validation_rooms": 2, **SIZE}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def loaded(folder: Path, data: dict[str, Any]) -> RunConfig:
    return load_config(tiny.write_config(folder / "run.yaml", data=data))


def mixed(*parts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"dataset": "mixed", "parts": [{"data": part} for part in parts], **changes}


@pytest.mark.parametrize("where", ["the part", "the mixture"])
def test_other_classes_are_brought_to_the_rooms(tmp_path: Path, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_nyud(tmp_path / "nyud", frames=4, height=tiny.HEIGHT, width=tiny.WIDTH)
    nyud: dict[str, Any] = {"dataset": "nyud", "root": str(tmp_path / "nyud"), **SIZE}
    plain = loaded(tmp_path, nyud)
    named = {"the part": mixed(ROOMS, nyud | {"classes": "nyu40_to_rooms13"}),
             "the mixture": mixed(ROOMS, nyud, classes="rooms13")}[where]
    config = loaded(tmp_path, named)
    assert config.data.classes == vocabulary("rooms13")
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    capsys.readouterr()
    ids = open_dataset(config.data, "train").batch([4, 5]).maps["segmentation"]
    own = open_dataset(plain.data, "train").batch([0, 1]).maps["segmentation"]
    lookup = table("nyu40_to_rooms13", NYUD_40).lookup
    assert (ids.numpy() == lookup[own.numpy()]).all()
    assert (ids == 255).any() and (ids != 255).any()
    said = capsys.readouterr()
    assert "NYU Depth v2, 40 classes: 30 of 40 classes are kept; unlabelled: counter, mirror, " in said.out + said.err


def test_one_data_set_takes_other_classes_by_a_mapping(tmp_path: Path) -> None:
    nyud = {"dataset": "nyud", "root": str(tmp_path), **SIZE}
    named = loaded(tmp_path, nyud | {"classes": {"wall": "upright", "door": "upright", "floor": "flat"}})
    assert [c.name for c in named.data.classes] == ["upright", "flat"]
    onto = loaded(tmp_path, nyud | {"classes": {"to": "rooms13", "map": {"counter": "cabinet"}}})
    assert onto.data.classes == vocabulary("rooms13")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": "ade20k_to_rooms13"}, "the table ade20k_to_rooms13 does not know window, bookshelf, picture, "),
        ({"classes": "rooms14"}, "there are no classes called 'rooms14'; known: rooms13, nyu40, "),
        ({"classes": {"roof": "ceiling"}}, "there is no class roof; known: wall, floor, cabinet, "),
        ({"classes": {"to": "rooms13", "map": {"wall": "roof"}}}, "there is no class roof to map onto; known: wall"),
    ],
)
def test_classes_that_do_not_fit_are_said(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainingError) as raised:
        loaded(tmp_path, {"dataset": "nyud", "root": "x", **SIZE, **changes})
    assert said in str(raised.value)


def test_data_without_labels_takes_no_classes(tmp_path: Path) -> None:
    data = {"dataset": "rosbag", "bag": "x.mcap", "classes": "rooms13", **SIZE}
    with pytest.raises(TrainingError, match=r"`classes` is given for data without class labels: camera recording x"):
        loaded(tmp_path, data)


def test_a_mixture_of_strangers_is_refused(tmp_path: Path) -> None:
    nyud = {"dataset": "nyud", "root": "x", **SIZE}
    with pytest.raises(TrainingError, match="those with segmentation must have the same classes; bring them to"):
        loaded(tmp_path, mixed(ROOMS, nyud))
    streets = {"dataset": "cityscapes", "root": "x", **SIZE, "classes": {"road": "tarmac"}}
    with pytest.raises(TrainingError, match="none of the classes of part 1 is one of rooms13 by name; give that part"):
        loaded(tmp_path, mixed(ROOMS, streets, classes="rooms13"))
