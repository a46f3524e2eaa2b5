"""Cityscapes in its official layout: 19 train ids, disparity to metres, the camera of each frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.data.layouts import CITYSCAPES_CAMERA, write_cityscapes_frame, write_picture
from training.data.datasets import open_dataset
from training.data.public_config import CityscapesConfig
from training.errors import TrainingError

HEIGHT, WIDTH = 32, 64
FX, BASELINE = CITYSCAPES_CAMERA["intrinsic"]["fx"], CITYSCAPES_CAMERA["extrinsic"]["baseline"]


def config(root: Path, **changes: object) -> CityscapesConfig:
    settings = {"dataset": "cityscapes", "root": root, "width": WIDTH, "height": HEIGHT, **changes}
    return CityscapesConfig.model_validate(settings)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids.reshape(-1)[:35] = range(35)
    disparity = np.full((HEIGHT, WIDTH), 1 + 256 * 20, np.uint16)
    disparity[0, :4] = [0, 1, 1 + 256, 65535]
    for split, city, frame in (("train", "aachen", 0), ("train", "zurich", 1), ("val", "lindau", 0)):
        write_cityscapes_frame(tmp_path, split, f"{city}_000000_{frame:06}", ids, disparity)
    return tmp_path


def test_the_splits_are_those_of_the_folders(root: Path) -> None:
    assert len(open_dataset(config(root), "train")) == 2
    assert len(open_dataset(config(root), "validation")) == 1


def test_labels_are_the_19_train_ids(root: Path) -> None:
    dataset = open_dataset(config(root), "train")
    expected = [255] * 7 + [0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5, 255, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    expected += [255, 255, 16, 17, 18, 255]
    found = dataset.batch([0]).maps["segmentation"]
    assert found.dtype == torch.uint8
    assert found.reshape(-1)[:35].tolist() == expected
    names = [dataset.classes[i].name for i in expected if i != 255]
    assert names[0] == "road" and names[13] == "car" and names[-1] == "bicycle" and len(names) == 19
    assert dataset.classes[13].color == (0, 0, 142)


def test_the_16_classes_are_those_of_synthia(root: Path) -> None:
    dataset = open_dataset(config(root, labels=16), "train")
    found = dataset.batch([0]).maps["segmentation"].reshape(-1)[:35].tolist()
    named = {i: dataset.classes[found[i]].name for i in range(35) if found[i] != 255}
    assert len(dataset.classes) == len(named) == 16
    assert named[26] == "car" and named[33] == "bicycle" and named[23] == "sky"
    assert found[22] == found[27] == found[31] == 255  # terrain, truck, train


def test_disparity_becomes_metres(root: Path) -> None:
    depth = open_dataset(config(root), "train").batch([0]).maps["depth"][0]
    assert depth[5, 5].item() == pytest.approx(BASELINE * FX / 20)
    assert depth[0, :3].isnan().all()  # unknown, infinitely far, beyond 80 m
    assert depth[0, 3].item() == pytest.approx(BASELINE * FX / (65534 / 256), rel=1e-5)
    nearer = open_dataset(config(root, max_depth_m=20), "train").batch([0]).maps["depth"][0]
    assert nearer[5, 5].isnan() and nearer[0, 3].isfinite()


def test_focal_length_goes_with_the_size(root: Path) -> None:
    assert open_dataset(config(root), "train").batch([0, 1]).focal.tolist() == pytest.approx([FX, FX])
    assert open_dataset(config(root, width=32, height=16), "train").batch([0]).focal.item() == pytest.approx(FX / 2)
    # Cut to a square of all the height, then made smaller.
    assert open_dataset(config(root, width=16, height=16), "train").batch([0]).focal.item() == pytest.approx(FX / 2)


def test_images_are_as_stored_and_other_maps_are_computed(root: Path) -> None:
    road, disparity = np.full((HEIGHT, WIDTH), 7, np.uint8), np.full((HEIGHT, WIDTH), 5121, np.uint16)
    pixels = write_cityscapes_frame(root, "val", "lindau_000000_000000", road, disparity)
    batch = open_dataset(config(root), "validation").batch([0])
    assert np.array_equal(batch.image[0].numpy(), pixels)
    np.testing.assert_allclose(batch.maps["normals"][0, 5, 5], [0, 0, -1], atol=1e-4)
    assert float(batch.maps["edges"].sum()) == 0


def test_another_folder_is_refused_by_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "leftImg8bit").mkdir()
    (tmp_path / "gtCoarse").mkdir()
    with pytest.raises(TrainingError) as error:
        open_dataset(config(tmp_path), "train")
    assert "expected leftImg8bit, gtFine, disparity, camera" in str(error.value)
    assert "missing gtFine, disparity, camera. Found there: gtCoarse, leftImg8bit." in str(error.value)
    with pytest.raises(TrainingError, match="There is no such folder"):
        open_dataset(config(tmp_path / "nowhere"), "train")


def test_a_file_that_is_another_is_refused_by_name(root: Path) -> None:
    disparity = next((root / "disparity").glob("val/*/*.png"))
    write_picture(disparity, np.zeros((HEIGHT, WIDTH), np.uint8))
    with pytest.raises(TrainingError, match=r"_disparity.png: expected 16 bits and 1 channels a pixel, found 8 and 1"):
        open_dataset(config(root), "validation").batch([0])
    disparity.write_bytes(b"no picture")
    with pytest.raises(TrainingError, match="not a picture, or a damaged one"):
        open_dataset(config(root), "validation").batch([0])
    disparity.unlink()
    with pytest.raises(TrainingError, match="no such picture"):
        open_dataset(config(root), "validation").batch([0])
    next((root / "camera").glob("train/aachen/*.json")).write_text('{"intrinsic": {"fx": 2262.52}}')
    with pytest.raises(TrainingError, match="expected intrinsic fx, fy, u0, v0 and extrinsic baseline"):
        open_dataset(config(root), "train").batch([0])
