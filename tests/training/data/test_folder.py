"""A folder of images with any maps beside them, as people have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from avtar_ros.geometry.pinhole import Pinhole
from tests.training import tiny
from tests.training.data.layouts import image, write_picture
from training.config import load_config
from training.data.batch import Batch
from training.data.datasets import open_dataset
from training.data.own_config import FolderConfig
from training.errors import TrainingError

WIDTH, HEIGHT = 64, 48
SIZE = {"width": WIDTH, "height": HEIGHT}
CAMERA = {"fx": 60.0, "fy": 60.0, "cx": 31.5, "cy": 23.5, "width": WIDTH, "height": HEIGHT}
CLASSES = """
- {name: void, id: 0, ignored: true, colour: [0, 0, 0]}
- {name: wall, id: 7, color: [10, 20, 30]}
- {name: floor, id: 300, colour: [40, 50, 60]}
"""


def write_images(root: Path, count: int = 4) -> Path:
    for i in range(count):
        write_picture(root / "images" / f"{i:02}.png", image(HEIGHT, WIDTH, i))
    (root / "intrinsics.json").write_text(json.dumps(CAMERA))
    return root


def write_array(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values)
    else:
        write_picture(path, values)


def batch(root: Path, split: str = "train", **changes: Any) -> Batch:
    dataset = open_dataset(FolderConfig(dataset="folder", root=root, **SIZE, **changes), split)  # type: ignore[arg-type]
    return dataset.batch(range(len(dataset)))


def one_map(root: Path, task: str, values: np.ndarray, ending: str = ".png", **changes: Any) -> np.ndarray:
    write_array(write_images(root) / task / f"00{ending}", values)
    if task == "segmentation":
        (root / "classes.yaml").write_text(CLASSES)
    found: np.ndarray = batch(root, **changes).maps[task][0].numpy()
    return found


def full(value: Any, dtype: type, *channels: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, *channels), value, dtype)


@pytest.mark.parametrize(
    ("values", "ending", "formats", "metres"),
    [
        (full(1500, np.uint16), ".png", {}, 1.5),
        (full(1500, np.uint16), ".tiff", {}, 1.5),
        (full(1.5, np.float32), ".npy", {}, 1.5),
        (full(1.5, np.float64), ".npy", {}, 1.5),
        (full(1.5, np.float32), ".tiff", {}, 1.5),
        (full(1500, np.int32), ".npy", {}, 1.5),
        (full(3000, np.uint16), ".png", {"unit": 0.0005}, 1.5),
        (full(15, np.uint8), ".png", {"unit": 0.1}, 1.5),
        (full(0, np.uint16), ".png", {}, np.nan),
        (full(65535, np.uint16), ".png", {}, np.nan),
        (full(np.inf, np.float32), ".npy", {}, np.nan),
        (full(9999, np.uint16), ".png", {"unknown": [9999]}, np.nan),
        (full(-1, np.float32), ".npy", {"unknown": [-1]}, np.nan),
    ],
)
def test_depth(tmp_path: Path, values: np.ndarray, ending: str, formats: dict[str, Any], metres: float) -> None:
    found = one_map(tmp_path, "depth", values, ending, maps={"depth": formats})
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.full((HEIGHT, WIDTH), metres), rtol=1e-6)


def test_masks_are_ids_or_colours_of_the_classes(tmp_path: Path) -> None:
    ids = full(7, np.uint16)
    ids[:10], ids[10:20], ids[20:22] = 300, 0, 255
    expected = full(0, np.uint8)
    expected[:10], expected[10:20], expected[20:22] = 1, 255, 255
    np.testing.assert_array_equal(one_map(tmp_path / "png", "segmentation", ids), expected)
    np.testing.assert_array_equal(one_map(tmp_path / "npy", "segmentation", ids.astype(np.int64), ".npy"), expected)

    colours = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    colours[:] = 10, 20, 30
    colours[:10], colours[10:22] = (40, 50, 60), 0
    np.testing.assert_array_equal(one_map(tmp_path / "colours", "segmentation", colours), expected)


def test_a_mask_with_a_palette_holds_ids(tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "classes.yaml").write_text("[wall, floor]")
    ids = full(0, np.uint8)
    ids[5:], ids[40:] = 1, 255
    picture = Image.fromarray(ids, "P")
    picture.putpalette([200, 10, 10, 10, 200, 10] + [0] * 750 + [255, 255, 255][:3])
    (tmp_path / "segmentation").mkdir()
    picture.save(tmp_path / "segmentation" / "00.png")
    np.testing.assert_array_equal(batch(tmp_path).maps["segmentation"][0].numpy(), ids)


NORMAL = np.array([0.6, 0, -0.8], np.float32)


@pytest.mark.parametrize("largest", [255, 65535])
def test_normals_of_whole_numbers(tmp_path: Path, largest: int) -> None:
    dtype = np.uint8 if largest == 255 else np.uint16
    stored = full(0, dtype, 3)
    stored[1:] = np.round((NORMAL + 1) / 2 * largest)
    found = one_map(tmp_path, "normals", stored)
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1:], np.broadcast_to(NORMAL, found[1:].shape), atol=1.5 / largest * 2)
    np.testing.assert_allclose(np.linalg.norm(found[1:], axis=-1), 1, rtol=1e-5)


def test_normals_of_other_frames(tmp_path: Path) -> None:
    stored = full(0, np.float32, 3)
    stored[:] = NORMAL * [1, -1, -1]
    found = one_map(tmp_path, "normals", stored, ".npy", maps={"normals": {"frame": "opengl"}})
    np.testing.assert_allclose(found, np.broadcast_to(NORMAL, found.shape), atol=1e-6)
    with pytest.raises(TrainingError, match=r"00\.npy: has normals that point away from the camera; try .*: opengl`"):
        batch(tmp_path)


def test_walls_at_the_border_of_a_wide_picture_may_turn_from_its_middle(tmp_path: Path) -> None:
    """A camera of 90° that looks along a corridor sees walls whose normals have z > 0, on more than half of it."""
    stored = full(0, np.float32, 3)
    stored[:] = NORMAL
    stored[:, : stored.shape[1] * 2 // 3] = [0.98, 0, 0.199]
    found = one_map(tmp_path, "normals", stored, ".npy")
    np.testing.assert_allclose(found[:, 0], np.broadcast_to([0.98, 0, 0.199], found[:, 0].shape), atol=1e-3)


@pytest.mark.parametrize(
    ("value", "dtype", "ending", "formats", "edge"),
    [
        (255, np.uint8, ".png", {}, 1.0),
        (51, np.uint8, ".png", {}, 0.2),
        (65535, np.uint16, ".png", {}, 1.0),
        (1, np.uint8, ".png", {"unit": 1}, 1.0),
        (0.25, np.float32, ".npy", {}, 0.25),
        (np.nan, np.float32, ".npy", {}, np.nan),
        (127, np.uint8, ".png", {"unknown": [127]}, np.nan),
    ],
)
def test_edges(tmp_path: Path, value: float, dtype: type, ending: str, formats: dict[str, Any], edge: float) -> None:
    found = one_map(tmp_path, "edges", full(value, dtype), ending, maps={"edges": formats})
    np.testing.assert_allclose(found, np.full((HEIGHT, WIDTH), edge), rtol=1e-6)


def test_what_is_missing_is_unknown_and_what_was_found_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path, count=6)
    write_array(tmp_path / "depth" / "01.png", full(2000, np.uint16))
    write_array(tmp_path / "depth" / "other.png", full(2000, np.uint16))
    write_array(tmp_path / "edges" / "03.png", full(255, np.uint8))
    found = batch(tmp_path, validation_images=2)
    assert len(found) == 4
    assert set(found.maps) == {"depth", "edges"}
    assert found.maps["depth"].isnan().all(dim=(1, 2)).tolist() == [True, False, True, True]
    assert found.maps["edges"].isnan().all(dim=(1, 2)).tolist() == [True, True, True, False]
    said = "".join(capsys.readouterr())
    assert f"{tmp_path}: 6 images; of them with depth 1, edges 1" in said
    assert "left out: maps in depth/ without an image: other" in said
    assert batch(tmp_path, "validation", validation_images=2).maps == {}
    np.testing.assert_array_equal(batch(tmp_path, "validation").image[0], image(HEIGHT, WIDTH, 5))


def test_normals_and_edges_are_derived_where_asked_for(tmp_path: Path) -> None:
    write_images(tmp_path)
    write_array(tmp_path / "depth" / "00.png", full(2000, np.uint16))
    assert set(batch(tmp_path).maps) == {"depth"}
    found = batch(tmp_path, derive=["normals", "edges"])
    assert set(found.maps) == {"depth", "normals", "edges"}
    expected = torch.tensor([0.0, 0, -1]).expand(HEIGHT - 4, WIDTH - 4, 3)
    torch.testing.assert_close(found.maps["normals"][0, 2:-2, 2:-2], expected, atol=1e-3, rtol=0)


def test_cameras_are_one_for_all_or_a_folders_or_an_images(tmp_path: Path) -> None:
    for name in ("front/a", "front/b", "rear/c", "rear/d"):
        write_picture(tmp_path / "images" / f"{name}.jpg", image(HEIGHT * 2, WIDTH * 2))
    cameras = {"front": CAMERA, "rear/c": [100, 100, 63.5, 47.5], "rear": CAMERA | {"fx": 70.0, "fy": 70.0}}
    (tmp_path / "intrinsics.json").write_text(json.dumps(cameras))
    assert batch(tmp_path).focal.tolist() == [60, 60, 50], "of numbers at half the size, and at the image's own"
    assert batch(tmp_path, "validation").focal.tolist() == [70]
    (tmp_path / "intrinsics.json").write_text(json.dumps({"front": CAMERA}))
    assert batch(tmp_path).focal.tolist() == [60], "of the two that have a camera one is kept from training"
    (tmp_path / "intrinsics.json").unlink()
    assert batch(tmp_path, field_of_view_deg=90).focal[0] == Pinhole.of_view(WIDTH, HEIGHT, 90).fx


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, r"not the folder of images with maps: expected images; missing images"),
        ({"images/a.txt": b""}, r"images: expected pictures \(\.jpg, .*Found there: a\.txt"),
        ({"images/a.png": image(48, 64), "images/a.jpg": image(48, 64)}, r"a\.jpg and a\.png have the same name"),
        ({"images/a.png": image(48, 64)}, "1 images, and `validation_images` keeps 1 from training"),
        ({"depth/00.jpg": image(48, 64)}, r"depth: expected maps \(\.png, \.tif"),
        ({"depth/00.png": full(9, np.uint8)}, r"00\.png: is depth of 8 bits, whose steps nobody can guess"),
        ({"depth/00.png": full(9, np.uint16)[:24]}, r"00\.png: is 64x24, of another shape than its image, 64x48"),
        ({"depth/00.png": b"no"}, r"00\.png: not a picture, or a damaged one"),
        ({"depth/00.npy": b"no"}, r"00\.npy: not an array of numbers, or a damaged one"),
        ({"depth/00.npy": full(-1, np.float32)}, r"00\.npy: has negative depths"),
        ({"depth/00.png": image(48, 64)}, r"00\.png: expected depth of one channel, found .*\(48, 64, 3\)"),
        ({"segmentation/00.png": full(9, np.uint8)}, r"classes\.yaml: no such file; it says what the ids"),
        (
            {"segmentation/00.png": full(9, np.uint8), "classes.yaml": CLASSES.encode()},
            r"00\.png: the ids 9 are of no class",
        ),
        (
            {"segmentation/00.png": full(9, np.uint8, 3), "classes.yaml": CLASSES.encode()},
            r"00\.png: the colours \(9, 9, 9\) are of no class",
        ),
        ({"segmentation/00.png": full(9, np.uint8), "classes.yaml": b"[{id: 3}]"}, r"classes\.yaml: 0\.name: Field"),
        ({"segmentation/00.png": full(9, np.uint8), "classes.yaml": b"[a, a]"}, "several classes have the name a"),
        ({"segmentation/00.png": full(9, np.uint8), "classes.yaml": b"3"}, "expected a list of classes"),
        ({"normals/00.npy": full(3, np.float32, 3)}, r"00\.npy: has vectors that are no unit vectors"),
        ({"normals/00.png": full(3, np.uint8)}, r"00\.png: expected normals of three channels"),
        ({"edges/00.npy": full(3, np.float32)}, r"00\.npy: has edges of 3 to 3; expected 0 to 1"),
        ({"intrinsics.json": b"{"}, r"intrinsics\.json: not JSON"),
        ({"intrinsics.json": b'{"fx": 3}'}, r"intrinsics\.json: .*fy: Field required"),
        ({"intrinsics.json": json.dumps(CAMERA | {"width": 640}).encode()}, r"camera of 00 is for images of 640x48"),
    ],
)
def test_a_fault_names_the_file_and_what_was_expected(tmp_path: Path, files: dict[str, Any], said: str) -> None:
    if files and not any(name.startswith("images/") for name in files):
        write_images(tmp_path)
    for name, what in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, bytes):
            path.write_bytes(what)
        else:
            write_array(path, what)
    with pytest.raises(TrainingError, match=said):
        batch(tmp_path)


def test_depth_needs_a_camera(tmp_path: Path) -> None:
    write_array(write_images(tmp_path) / "depth" / "00.png", full(2000, np.uint16))
    (tmp_path / "intrinsics.json").unlink()
    with pytest.raises(TrainingError, match=r"has depth, but neither intrinsics\.json says of what camera, nor `field"):
        batch(tmp_path)


def test_a_unit_of_what_is_no_quantity_is_refused(tmp_path: Path) -> None:
    data = {"dataset": "folder", "root": str(tmp_path), "maps": {"normals": {"unit": 2}}, **SIZE}
    with pytest.raises(TrainingError, match=r"data\.maps\.normals\.unit: has no meaning"):
        load_config(tiny.write_config(tmp_path / "run.yaml", data=data))
