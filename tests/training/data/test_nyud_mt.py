"""NYUD-MT's folder, in both of its releases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from tests.training.data.layouts import image, write_picture
from training.data.datasets import open_dataset
from training.data.nyud import KINECT
from training.data.public_config import NyudConfig
from training.errors import TrainingError

HEIGHT, WIDTH = 425 // 5, 560 // 5
NAMES = ("0001", "0002", "0003")
CAMERA = KINECT.cropped((640 - WIDTH) / 2, (480 - HEIGHT) / 2)


def config(root: Path) -> NyudConfig:
    return NyudConfig.model_validate({"dataset": "nyud", "root": root, "width": WIDTH, "height": HEIGHT})


def truth(index: int) -> dict[str, np.ndarray]:
    """A slanted plane, another one in each frame, with its normal."""
    normal = np.array([[0.5, 0.2, -1], [-0.3, 0.6, -1], [0.1, -0.5, -1]][index], np.float32)
    normal /= np.linalg.norm(normal)
    depth = (-2 / (CAMERA.rays(WIDTH, HEIGHT) @ normal)).astype(np.float32)
    ids = np.tile(np.arange(WIDTH) % 41, (HEIGHT, 1)).astype(np.uint8)
    edges = np.zeros((HEIGHT, WIDTH), np.uint8)
    edges[:, 30 + index] = 1
    return {"depth": depth, "normals": np.tile(normal, (HEIGHT, WIDTH, 1)), "ids": ids, "edges": edges}


def as_numpy(root: Path, name: str, maps: dict[str, np.ndarray]) -> None:
    write_picture(root / "segmentation" / f"{name}.png", maps["ids"])
    for folder, key in (("depth", "depth"), ("normals", "normals"), ("edge", "edges")):
        (root / folder).mkdir(exist_ok=True)
        np.save(root / folder / f"{name}.npy", maps[key].astype(np.float32))


def as_matlab(root: Path, name: str, maps: dict[str, np.ndarray]) -> None:
    write_picture(root / "edge" / f"{name}.png", 255 * maps["edges"])
    for folder, key in (("segmentation", "ids"), ("depth", "depth")):
        (root / folder).mkdir(exist_ok=True)
        savemat(root / folder / f"{name}.mat", {folder: maps[key]})
    (root / "normals").mkdir(exist_ok=True)
    stored = np.round(127.5 * (maps["normals"] + 1)).astype(np.uint8)
    cv2.imwrite(str(root / "normals" / f"{name}.jpg"), stored[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])


Release = Callable[[Path, str, dict[str, np.ndarray]], None]


def write(root: Path, release: Release, signs: tuple[int, int, int] = (1, 1, 1)) -> Path:
    (root / "images").mkdir(parents=True)
    (root / "gt_sets").mkdir()
    (root / "gt_sets" / "train.txt").write_text("\n".join(NAMES) + "\n")
    (root / "gt_sets" / "val.txt").write_text("\n".join(NAMES[:2]) + "\n")
    for index, name in enumerate(NAMES):
        cv2.imwrite(str(root / "images" / f"{name}.jpg"), image(HEIGHT, WIDTH, index)[..., ::-1])
        maps = truth(index)
        release(root, name, {**maps, "normals": maps["normals"] * np.float32(signs)})
    return root


@pytest.mark.parametrize("release", [as_numpy, as_matlab])
@pytest.mark.parametrize("signs", [(1, 1, 1), (1, -1, -1), (-1, 1, -1)])
def test_both_releases_give_the_same_whichever_way_the_normals_point(
    tmp_path: Path, release: Release, signs: tuple[int, int, int]
) -> None:
    dataset = open_dataset(config(write(tmp_path / "NYUD_MT", release, signs)), "train")
    batch = dataset.batch([2, 0])
    for place, index in enumerate([2, 0]):
        maps, expected = {name: values[place].numpy() for name, values in batch.maps.items()}, truth(index)
        ids = expected["ids"].astype(int)
        assert np.array_equal(maps["segmentation"], np.where(ids == 0, 255, ids - 1))
        np.testing.assert_allclose(maps["depth"], expected["depth"])
        np.testing.assert_allclose(maps["normals"], expected["normals"], atol=0.03)
        np.testing.assert_allclose(np.linalg.norm(maps["normals"], axis=-1), 1, atol=1e-5)
        assert np.array_equal(maps["edges"], expected["edges"])
        colours = batch.image[place].numpy().astype(int) - image(HEIGHT, WIDTH, index)
        assert np.abs(colours[12, 12]).max() < 12  # JPEG
    assert batch.focal.tolist() == pytest.approx([518.858] * 2)
    assert len(open_dataset(config(tmp_path / "NYUD_MT"), "validation")) == 2


def test_normals_that_do_not_fit_the_depth_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "NYUD_MT", as_numpy)
    for name in NAMES:
        other = np.random.default_rng(int(name)).normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32)
        np.save(root / "normals" / f"{name}.npy", other / np.linalg.norm(other, axis=-1, keepdims=True))
    with pytest.raises(TrainingError, match=r"normals: they do not fit depth/: the mean cosine .* is 0\.0"):
        open_dataset(config(root), "train")


def test_what_lacks_is_named(tmp_path: Path) -> None:
    root = write(tmp_path / "NYUD_MT", as_numpy)
    (root / "depth" / "0002.npy").rename(root / "depth" / "0002.tif")
    with pytest.raises(TrainingError, match=r"0002: expected a file with one of .npy, .png, .mat, .jpg"):
        open_dataset(config(root), "train").batch([1])
    (root / "gt_sets" / "val.txt").unlink()
    with pytest.raises(TrainingError, match=r"val.txt: no such list of frames\. Found there: train.txt\."):
        open_dataset(config(root), "validation")
    for path in (root / "edge").iterdir():
        path.unlink()
    (root / "edge").rmdir()
    with pytest.raises(TrainingError, match="missing edge"):
        open_dataset(config(root), "train")


@pytest.mark.parametrize("release", [as_numpy, as_matlab])
def test_a_label_that_is_no_class_is_not_taken_for_one(tmp_path: Path, release: Release) -> None:
    root = write(tmp_path / "NYUD_MT", release)
    ids = truth(1)["ids"]
    ids[3, :2] = 255
    release(root, NAMES[1], truth(1) | {"ids": ids})
    found = open_dataset(config(root), "train").batch([1]).maps["segmentation"][0]
    assert found[3, :3].tolist() == [255, 255, 1]
    ids[3, :2] = 41, 254
    release(root, NAMES[1], truth(1) | {"ids": ids})
    with pytest.raises(TrainingError, match=r"segmentation/0002\.\w+: expected labels from 0 to 40.* found 41, 254\."):
        open_dataset(config(root), "train").batch([1])


def test_a_variable_of_another_name_is_named(tmp_path: Path) -> None:
    root = write(tmp_path / "NYUD_MT", as_matlab)
    savemat(root / "segmentation" / "0001.mat", {"labels": truth(0)["ids"]})
    with pytest.raises(TrainingError, match=r"0001\.mat: expected the variable segmentation; found labels\."):
        open_dataset(config(root), "train").batch([0])


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    root = write(tmp_path / "NYUD_MT", as_numpy)
    np.save(root / "depth" / "0001.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(TrainingError, match="not a NumPy array, or a damaged one"):
        open_dataset(config(root), "train")
