"""Exports of labelling tools, written in their formats."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.training import tiny
from tests.training.data.layouts import image, write_picture
from training.config import RunConfig, load_config
from training.data.datasets import open_dataset
from training.data.own_config import ToolConfig
from training.errors import TrainingError

WIDTH, HEIGHT = 64, 48
SQUARE = np.ones((10, 12), bool)
SQUARE[0, 0] = False
UNLABELLED = 255


def png(mask: np.ndarray) -> bytes:
    return cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes()


def ids(root: Path, tool: str, split: str = "train", **changes: Any) -> np.ndarray:
    config = ToolConfig.model_validate({"dataset": tool, "root": root, "width": WIDTH, "height": HEIGHT, **changes})
    dataset = open_dataset(config, split)  # type: ignore[arg-type]
    found: np.ndarray = dataset.batch(range(len(dataset))).maps["segmentation"].numpy()
    return found


def expected(**boxes: Any) -> np.ndarray:
    found = np.full((HEIGHT, WIDTH), UNLABELLED)
    for value, (top, bottom, left, right) in boxes.values():
        found[top:bottom, left:right] = value
    return found


# --- LabelMe


def labelme(root: Path, *shapes: dict[str, Any], count: int = 2) -> Path:
    for i in range(count):
        write_picture(root / f"{i}.png", image(HEIGHT, WIDTH, i))
        raw = {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": f"{i}.png", "imageData": None,
               "imageHeight": HEIGHT, "imageWidth": WIDTH}
        (root / f"{i}.json").write_text(json.dumps(raw))
    return root


def shape(label: str, kind: str, points: list[list[float]], **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def test_labelme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelme(
        tmp_path,
        shape("wall", "polygon", [[0, 0], [40, 0], [40, 30], [0, 30]]),
        shape("cup", "rectangle", [[20, 20], [10, 10]]),
        shape("lamp", "circle", [[50, 40], [53, 40]]),
        shape("box", "mask", [[30, 5], [41, 14]], mask=base64.b64encode(png(SQUARE)).decode()),
        shape("__ignore__", "rectangle", [[0, 0], [3, 3]]),
        shape("cup", "line", [[0, 0], [9, 9]]),
    )
    found = ids(tmp_path, "labelme")[0]
    config = ToolConfig.model_validate({"dataset": "labelme", "root": tmp_path})
    assert [c.name for c in config.classes] == ["box", "cup", "lamp", "wall"]
    assert (found[25, 30], found[15, 15], found[40, 50], found[10, 35], found[2, 2], found[45, 5]) == (
        3, 1, 2, 0, UNLABELLED, UNLABELLED,
    )
    assert found[5, 30] == 3 and found[5, 31] == 0, "the mask's first pixel is not set"
    assert np.count_nonzero(found == 2) == pytest.approx(np.pi * 9, abs=2)
    assert "left out: 2 shapes of type line, without area" in "".join(capsys.readouterr())


# --- Supervisely


def supervisely(root: Path, *objects: dict[str, Any], count: int = 2) -> Path:
    classes = [{"title": name, "shape": "any", "color": "#112233"} for name in ("wall", "cup", "box")]
    root.mkdir(parents=True, exist_ok=True)
    (root / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))
    for i in range(count):
        write_picture(root / "ds0" / "img" / f"{i}.png", image(HEIGHT, WIDTH, i))
        annotation = {"description": "", "size": {"height": HEIGHT, "width": WIDTH}, "objects": list(objects)}
        path = root / "ds0" / "ann" / f"{i}.png.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(annotation))
    return root


def test_supervisely(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ring = {"exterior": [[0, 0], [40, 0], [40, 30], [0, 30]], "interior": [[[10, 10], [20, 10], [20, 20], [10, 20]]]}
    data = base64.b64encode(zlib.compress(png(SQUARE))).decode()
    supervisely(
        tmp_path,
        {"classTitle": "wall", "geometryType": "polygon", "points": ring},
        {"classTitle": "cup", "geometryType": "rectangle", "points": {"exterior": [[50, 5], [55, 9]], "interior": []}},
        {"classTitle": "box", "geometryType": "bitmap", "bitmap": {"data": data, "origin": [60, 40]}},
        {"classTitle": "cup", "geometryType": "point", "points": {"exterior": [[1, 1]], "interior": []}},
    )
    found = ids(tmp_path, "supervisely")[0]
    assert (found[5, 5], found[15, 15], found[7, 52], found[44, 63], found[40, 60]) == (0, UNLABELLED, 1, 2, UNLABELLED)
    assert np.count_nonzero(found == 2) == 4 * 8 - 1, "what sticks out of the picture is cut off"
    assert "left out: 2 shapes of type point, without area" in "".join(capsys.readouterr())


# --- CVAT


def cvat(root: Path, count: int = 2) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    lines = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncup:10,20,30::\nwall:40,50,60::\n"
    (root / "labelmap.txt").write_text(lines)
    colours = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colours[:30, :40], colours[10:20, 10:20] = (40, 50, 60), (10, 20, 30)
    for i in range(count):
        write_picture(root / "JPEGImages" / f"{i}.jpg", image(HEIGHT, WIDTH, i))
        write_picture(root / "SegmentationClass" / f"{i}.png", colours)
    return root


def test_cvat(tmp_path: Path) -> None:
    wanted = expected(wall=(1, (0, 30, 0, 40)), cup=(0, (10, 20, 10, 20)))
    np.testing.assert_array_equal(ids(cvat(tmp_path), "cvat")[0], wanted)
    np.testing.assert_array_equal(ids(tmp_path, "cvat", "validation")[0], wanted)
    rest = ids(tmp_path, "cvat", rest="floor", derive=["edges"])[0]
    np.testing.assert_array_equal(rest, np.where(wanted == UNLABELLED, 2, wanted))
    onto = ids(tmp_path, "cvat", classes={"to": "rooms13", "map": {"cup": "object"}})[0]
    np.testing.assert_array_equal(onto, np.select([wanted == 0, wanted == 1], [12, 0], UNLABELLED))


# --- All


def test_a_config_names_them(tmp_path: Path) -> None:
    data = {"dataset": "cvat", "root": str(cvat(tmp_path / "export")), "width": WIDTH, "height": HEIGHT}
    found = load_config(tiny.write_config(tmp_path / "run.yaml", data=data, tasks=["segmentation"]))
    assert RunConfig.model_validate_json(found.model_dump_json()) == found
    with pytest.raises(TrainingError, match=r"data\.rots: there is no such key"):
        load_config(tiny.write_config(tmp_path / "run.yaml", data=data | {"rots": 1}, tasks=["segmentation"]))


def labelme_far_away(root: Path) -> None:
    labelme(root, shape("cup", "polygon", [[0, 0], [2e9, 1], [2e9, 2e9]]))


def broken_labelme(root: Path) -> None:
    labelme(root)
    (root / "0.json").write_text("{")


def labelme_of_video(root: Path) -> None:
    labelme(root, shape("cup", "cuboid", [[0, 0], [1, 1]]))


def labelme_without_image(root: Path) -> None:
    labelme(root)
    (root / "0.png").unlink()


def supervisely_without_meta(root: Path) -> None:
    supervisely(root)
    (root / "meta.json").unlink()


def supervisely_of_noise(root: Path) -> None:
    supervisely(root, {"classTitle": "box", "geometryType": "bitmap", "bitmap": {"data": "AAAA", "origin": [0, 0]}})


def cvat_without_images(root: Path) -> None:
    cvat(root)
    for path in (root / "JPEGImages").iterdir():
        path.unlink()
    (root / "JPEGImages").rmdir()


def cvat_of_other_colours(root: Path) -> None:
    cvat(root)
    (root / "labelmap.txt").write_text("background:0,0,0::\ncup:1,2,3::\n")


def cvat_of_other_lines(root: Path) -> None:
    cvat(root)
    (root / "labelmap.txt").write_text("cup = red\n")


@pytest.mark.parametrize(
    ("tool", "spoil", "said"),
    [
        ("labelme", broken_labelme, r"0\.json: not JSON"),
        ("labelme", labelme_far_away, r"0\.json: not as LabelMe writes it .*no place in a picture"),
        ("labelme", labelme_of_video, r"0\.json: not as LabelMe writes it .*unknown type 'cuboid'"),
        ("labelme", labelme_without_image, r"0\.png: no such picture"),
        ("labelme", lambda root: root.mkdir(), r"expected LabelMe's files NAME\.json. Found there: nothing"),
        ("labelme", lambda root: labelme(root, count=1), "1 images have labels, and 1 are kept from training"),
        ("supervisely", supervisely_without_meta, r"not the folder of a project of Supervisely: .*missing meta\.json"),
        ("supervisely", supervisely_of_noise, r"0\.png\.json: not as Supervisely writes it"),
        ("cvat", cvat_without_images, "has no JPEGImages: export again with `Save images`"),
        ("cvat", cvat_of_other_colours, r"0\.png: the colours \(10, 20, 30\), \(40, 50, 60\) are of no class"),
        ("cvat", cvat_of_other_lines, r"labelmap\.txt: expected NAME:RED,GREEN,BLUE:PARTS:ACTIONS, found 'cup = red'"),
    ],
)
def test_a_fault_names_the_file_and_what_was_expected(tmp_path: Path, tool: str, spoil: Any, said: str) -> None:
    spoil(tmp_path / "export")
    with pytest.raises(TrainingError, match=said):
        ids(tmp_path / "export", tool)
