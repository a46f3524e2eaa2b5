"""A folder of pictures as a data set: upright, in order, without what is none."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from avtar_ros.source.frame_sources import open_source
from training.data.own_config import PicturesConfig
from training.data.pictures import PicturesDataset


def turned_by_exif(jpeg: bytes) -> bytes:
    """With an EXIF orientation of 6: to be shown turned right by 90 degrees."""
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, 6, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff + jpeg[2:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures 80 wide and 60 high, red on the left, of which cameras said that they are turned."""
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, :40, 2] = 255
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_bytes(turned_by_exif(cv2.imencode(".jpg", picture)[1].tobytes()))
    (tmp_path / "._1.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(60))
    return tmp_path


def test_pictures_are_upright_in_training_as_they_are_played(folder: Path) -> None:
    dataset = PicturesDataset(PicturesConfig(dataset="pictures", folder=folder, validation_images=1), "train")
    assert len(dataset) == 2
    image = dataset.frame(0).image
    assert image.shape == (80, 60, 3)
    assert image[5, 30, 0] > 200 > 50 > image[75, 30, 0]
    with open_source(str(folder)) as source:
        played = list(source.frames())
    assert len(played) == 3
    np.testing.assert_array_equal(np.reshape(played[0].image.data, image.shape), image)
