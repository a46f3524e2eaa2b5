"""SYNTHIA-RAND-CITYSCAPES in its official layout: 16-bit labels and depth of three channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.data.layouts import image, write_picture
from training.data.datasets import open_dataset
from training.data.public_config import SynthiaConfig
from training.errors import TrainingError

HEIGHT, WIDTH = 38, 64


def config(root: Path, **changes: object) -> SynthiaConfig:
    settings = {"dataset": "synthia", "root": root, "width": WIDTH, "height": HEIGHT, "validation_images": 2, **changes}
    return SynthiaConfig.model_validate(settings)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(5):
        name = f"{number:07}.png"
        write_picture(tmp_path / "RGB" / name, image(HEIGHT, WIDTH, number))
        labels = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
        labels.reshape(-1, 3)[:23, 0] = range(23)
        labels[20:, :, 0], labels[20:, :, 1] = 3, 7 + number  # road; the second channel tells instances apart
        write_picture(tmp_path / "GT" / "LABELS" / name, labels)
        depth = np.full((HEIGHT, WIDTH), 1234 + number, np.uint16)
        depth[0, :2] = 0, 65535
        write_picture(tmp_path / "Depth" / name, depth[..., None].repeat(3, -1))
    return tmp_path


def test_values_come_as_documented(root: Path) -> None:
    dataset = open_dataset(config(root), "train")
    assert len(dataset) == 3
    batch = dataset.batch([0, 2])
    for place, number in enumerate([0, 2]):
        assert np.array_equal(batch.image[place].numpy(), image(HEIGHT, WIDTH, number))
        assert batch.maps["depth"][place, 5, 5].item() == pytest.approx(12.34 + number / 100)
        assert batch.maps["depth"][place, 0, :2].isnan().all()
    ids = batch.maps["segmentation"][0]
    assert ids.dtype == torch.uint8
    names = [dataset.classes[i].name if i != 255 else "" for i in ids.reshape(-1)[:23].tolist()]
    assert names == [
        "", "sky", "building", "road", "sidewalk", "fence", "vegetation", "pole", "car", "traffic sign", "person",
        "bicycle", "motorcycle", "", "", "traffic light", "", "rider", "", "bus", "", "wall", "",
    ]
    assert len(dataset.classes) == 16 and (ids[20:] == 0).all()
    np.testing.assert_allclose(batch.maps["normals"][0, 10, 10], [0, 0, -1], atol=1e-4)
    assert batch.maps["edges"][0, 25].sum() == 0


def test_the_last_images_are_kept_from_training(root: Path) -> None:
    kept = open_dataset(config(root), "validation")
    assert len(kept) == 2
    depths = kept.batch([0, 1]).maps["depth"][:, 5, 5].tolist()
    assert depths == pytest.approx([12.37, 12.38])
    with pytest.raises(TrainingError, match=r"expected more than the 5 pictures of `validation_images`"):
        open_dataset(config(root, validation_images=5), "train")


def test_the_focal_length_is_given_for_the_full_width(root: Path) -> None:
    assert open_dataset(config(root), "train").batch([0]).focal.item() == pytest.approx(532.74 * WIDTH / 1280)
    assert open_dataset(config(root, focal_px=640), "train").batch([0]).focal.item() == pytest.approx(WIDTH / 2)


def test_another_folder_and_other_pictures_are_refused(root: Path, tmp_path: Path) -> None:
    path = root / "Depth" / "0000000.png"
    write_picture(path, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    with pytest.raises(TrainingError, match=r"0000000.png: expected 16 bits and 3 channels a pixel, found 8 and 3"):
        open_dataset(config(root), "train").batch([0])
    with pytest.raises(TrainingError, match=r"expected RGB, GT/LABELS, Depth; missing RGB, GT/LABELS, Depth\."):
        open_dataset(config(root / "GT"), "train")
