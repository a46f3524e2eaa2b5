"""NYU Depth v2 as its one HDF5 file, in MATLAB's order of axes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from tests.training.data.layouts import write_nyud
from training.data.classes import NYUD_13, NYUD_13_OF_40, NYUD_40
from training.data.datasets import open_dataset
from training.data.public_config import NyudConfig
from training.errors import TrainingError

HEIGHT, WIDTH = 24, 32


def config(root: Path, **changes: object) -> NyudConfig:
    return NyudConfig.model_validate({"dataset": "nyud", "root": root, "width": WIDTH, "height": HEIGHT, **changes})


@pytest.mark.parametrize(("split", "frames"), [("train", [1, 3]), ("validation", [0, 2, 4])])
def test_frames_come_as_stored_and_in_the_authors_split(tmp_path: Path, split: str, frames: list[int]) -> None:
    stored = write_nyud(tmp_path, 5)
    dataset = open_dataset(config(tmp_path), split)
    assert len(dataset) == len(frames)
    batch = dataset.batch(range(len(frames)))
    assert np.array_equal(batch.image.numpy(), stored["image"][frames])
    np.testing.assert_array_equal(batch.maps["depth"].numpy(), stored["depth"][frames])
    of_40 = np.append(0, stored["of_40"])[stored["label"][frames]]
    expected = np.where(of_40 == 0, 255, of_40.astype(int) - 1)
    assert np.array_equal(batch.maps["segmentation"].numpy(), expected)
    assert batch.maps["segmentation"].dtype == torch.uint8
    assert batch.focal.tolist() == pytest.approx([518.858 * WIDTH / 640] * len(frames))


def test_the_13_classes_are_the_40_put_together(tmp_path: Path) -> None:
    write_nyud(tmp_path, 3)
    of_40 = open_dataset(config(tmp_path), "train").batch([0]).maps["segmentation"].numpy()
    of_13 = open_dataset(config(tmp_path, labels=13), "train").batch([0]).maps["segmentation"].numpy()
    assert np.array_equal(of_13 == 255, of_40 == 255)
    known = of_40 != 255
    assert np.array_equal(of_13[known], np.array(NYUD_13_OF_40)[of_40[known]])
    together = {c.name: NYUD_13[i].name for c, i in zip(NYUD_40, NYUD_13_OF_40, strict=True)}
    assert together["door"] == "wall" and together["desk"] == "table" and together["night stand"] == "furniture"
    assert together["whiteboard"] == "objects" and together["curtain"] == "window" and len(NYUD_40) == 40
    assert set(NYUD_13_OF_40) == set(range(13))


def test_normals_and_edges_are_computed(tmp_path: Path) -> None:
    write_nyud(tmp_path, 3)
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "r+") as file:
        file["depths"][...] = 2.0
        file["depths"][1, :4, :5] = 0  # columns, rows
        file["labels"][...] = 21
        file["labels"][:, 16:] = 894
    mapped = np.full((1, 894), 40, np.uint8)
    mapped[0, 20] = 1
    savemat(tmp_path / "classMapping40.mat", {"mapClass": mapped})
    maps = open_dataset(config(tmp_path), "train").batch([0]).maps
    assert maps["depth"][0, :5, :4].isnan().all() and int(maps["depth"].isnan().sum()) == 20
    np.testing.assert_allclose(maps["normals"][0, 10, 10], [0, 0, -1], atol=1e-4)
    assert (maps["segmentation"][0, :, :16] == 0).all() and (maps["segmentation"][0, :, 16:] == 39).all()
    assert (maps["edges"][0, :, 15] == 1).all() and float(maps["edges"].sum()) == HEIGHT


def test_another_folder_is_refused_by_both_layouts(tmp_path: Path) -> None:
    (tmp_path / "nyu_depth_v2_raw").mkdir()
    with pytest.raises(TrainingError) as error:
        open_dataset(config(tmp_path), "train")
    for expected in ("nyu_depth_v2_labeled.mat", "splits.mat", "gt_sets", "Found there: nyu_depth_v2_raw."):
        assert expected in str(error.value)


def test_what_lacks_beside_the_frames_is_named(tmp_path: Path) -> None:
    write_nyud(tmp_path, 2)
    (tmp_path / "classMapping40.mat").unlink()
    with pytest.raises(TrainingError, match=r"missing classMapping40.mat\. Found there: nyu_depth_v2_labeled"):
        open_dataset(config(tmp_path), "train")


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    write_nyud(tmp_path, 2)
    savemat(tmp_path / "splits.mat", {"trainNdxs": np.array([[1], [9]])})
    with pytest.raises(TrainingError, match=r"splits.mat names frame 9, but nyu_depth_v2_labeled.mat has 2"):
        open_dataset(config(tmp_path), "train")
    with pytest.raises(TrainingError, match=r"splits.mat: expected the variable testNdxs"):
        open_dataset(config(tmp_path), "validation")
    (tmp_path / "splits.mat").write_bytes(b"nothing of MATLAB's" * 10)
    with pytest.raises(TrainingError, match=r"splits\.mat: not a MATLAB 5 file"):
        open_dataset(config(tmp_path), "train")
    (tmp_path / "nyu_depth_v2_labeled.mat").write_bytes(b"cut off")
    with pytest.raises(TrainingError, match="not an HDF5 file, or a damaged one"):
        open_dataset(config(tmp_path), "train")
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as file:
        file["rawDepths"] = np.zeros(3)
    with pytest.raises(TrainingError, match="expected images, depths and labels; found rawDepths"):
        open_dataset(config(tmp_path), "train")
