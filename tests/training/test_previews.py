"""avtar-train preview: pictures of any data set as training gets it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training import tiny
from tests.training.data.recordings import write_bag
from training.cli import main


def recording(folder: Path, **changes: object) -> Path:
    """A config of a recording of eight frames, two of them kept from training."""
    bag = folder / "run.mcap"
    if not bag.exists():
        write_bag(bag)
    data = {"dataset": "rosbag", "bag": str(bag), "validation_frames": 2, "width": tiny.WIDTH, "height": tiny.HEIGHT}
    return tiny.write_config(folder / "run.yaml", data=data, tasks=["depth", "normals", "edges"], **changes)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_pictures_show_the_image_and_all_maps_of_samples_evenly_spread(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    assert main(["preview", str(recording(tmp_path)), "--out", str(out), "--count", "3"]) == 0
    assert sorted(path.name for path in out.glob("[!.]*")) == ["000000.png", "000002.png", "000005.png"]
    picture = cv2.imread(str(out / "000000.png"))
    assert picture.shape[1] >= 4 * tiny.WIDTH and picture.shape[0] >= tiny.HEIGHT
    panel = picture.shape[1] // 4
    image, depth, normals, edges = (picture[-tiny.HEIGHT // 2 - 8, i * panel + panel // 2] for i in range(4))
    assert np.ptp(image.astype(int)) <= 4  # the recording is grey
    assert np.ptp(depth.astype(int)) > 50 and np.ptp(normals.astype(int)) > 50
    assert not edges.any()


def test_pictures_of_others_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "photos"
    out.mkdir()
    (out / "000002.png").write_bytes(b"a photo")
    command = ["preview", str(recording(tmp_path)), "--out", str(out), "--count", "3"]
    assert main(command) == 1
    assert "000002.png: is there already and was not made by this command" in capsys.readouterr().err
    assert [(path.name, path.read_bytes()) for path in out.glob("[!.]*")] == [("000002.png", b"a photo")]
    (out / "000002.png").unlink()
    assert main(command) == main(command) == 0  # what it made itself it makes again


def test_there_are_no_more_pictures_than_samples(tmp_path: Path) -> None:
    command = ["preview", str(recording(tmp_path)), "--out", str(tmp_path / "out"), "--validation"]
    assert main(command) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["000000.png", "000001.png"]


def test_augmented_pictures_are_others(tmp_path: Path) -> None:
    config = recording(tmp_path, augment={"zoom": 2.0, "jitter": 0.5})
    for name, options in (("plain", []), ("changed", ["--augmented"]), ("again", ["--augmented"])):
        assert main(["preview", str(config), "--out", str(tmp_path / name), "--count", "1", *options]) == 0
    plain, changed, again = ((tmp_path / name / "000000.png").read_bytes() for name in ("plain", "changed", "again"))
    assert plain != changed and changed == again


def test_a_wrong_folder_is_one_line_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = {"dataset": "cityscapes", "root": str(tmp_path), "width": tiny.WIDTH, "height": tiny.HEIGHT}
    config = tiny.write_config(tmp_path / "run.yaml", data=data)
    assert main(["preview", str(config), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"avtar-train: {tmp_path}: not the folder of Cityscapes: expected leftImg8bit, gtFine")
    assert not (tmp_path / "out").exists()
