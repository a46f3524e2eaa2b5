"""Labels in COCO's formats, written by hand and by COCO's own tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tests.training import tiny
from tests.training.data.layouts import image, write_picture
from training.config import RunConfig, load_config
from training.data.datasets import open_dataset
from training.data.own_config import CocoConfig
from training.data.vocabulary import vocabulary
from training.errors import TrainingError

WIDTH, HEIGHT = 64, 48
CATEGORIES = [{"id": 3, "name": "couch"}, {"id": 1, "name": "wall"}, {"id": 9, "name": "book"}]
WALL, COUCH, BOOK, UNLABELLED = 0, 1, 2, 255


def box(x: int, y: int, width: int, height: int) -> list[list[float]]:
    """A polygon as COCO has them."""
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def run_length(covered: np.ndarray, compressed: bool) -> dict[str, Any]:
    encoded = coco_mask.encode(np.asfortranarray(covered.astype(np.uint8)))
    if compressed:
        return {"size": encoded["size"], "counts": encoded["counts"].decode()}
    flat, counts, value = covered.flatten(order="F"), [], False
    while flat.size:
        run = int(np.argmin(flat == value)) if not (flat == value).all() else flat.size
        counts.append(run)
        flat, value = flat[run:], not value
    return {"size": list(covered.shape), "counts": counts}


def write(
    root: Path, annotations: list[dict[str, Any]], name: str = "labels.json", count: int = 3, **more: Any
) -> Path:
    listed = [{"id": 10 + i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in range(count)]
    for i in range(count):
        write_picture(root / "images" / f"{i}.png", image(HEIGHT, WIDTH, i))
    path = root / name
    path.write_text(json.dumps({"images": listed, "annotations": annotations, "categories": CATEGORIES, **more}))
    return path


def annotation(image: int, category: int, segmentation: Any, area: float = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": 100 * image + category, "image_id": image, "category_id": category, "segmentation": segmentation,
        "area": area, "iscrowd": 0, "bbox": [0, 0, 1, 1], **more,
    }


def config(root: Path, *names: str, **changes: Any) -> CocoConfig:
    given = {"dataset": "coco", "images": root / "images", "annotations": [root / name for name in names]}
    return CocoConfig.model_validate({**given, "width": WIDTH, "height": HEIGHT, **changes})


def masks(root: Path, *names: str, split: str = "train", **changes: Any) -> np.ndarray:
    dataset = open_dataset(config(root, *(names or ("labels.json",)), **changes), split)  # type: ignore[arg-type]
    found: np.ndarray = dataset.batch(range(len(dataset))).maps["segmentation"].numpy()
    return found


def test_instances_lie_on_each_other_by_size_and_the_rest_is_unlabelled(tmp_path: Path) -> None:
    small = annotation(10, 9, box(20, 10, 10, 10), area=100)
    large = annotation(10, 1, box(10, 5, 40, 30), area=1200)
    write(tmp_path, [small, large, annotation(11, 3, box(0, 0, 64, 48))])
    found = masks(tmp_path)
    assert len(found) == 1, "of two images with annotations one is kept from training, the third has none"
    expected = np.full((HEIGHT, WIDTH), UNLABELLED)
    expected[5:35, 10:50], expected[10:20, 20:30] = WALL, BOOK
    np.testing.assert_array_equal(found[0], expected)
    assert (masks(tmp_path, split="validation") == COUCH).all()
    assert [c.name for c in config(tmp_path, "labels.json").classes] == ["wall", "couch", "book"], "in order of ids"


@pytest.mark.parametrize("compressed", [True, False])
def test_run_lengths(tmp_path: Path, compressed: bool) -> None:
    covered = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.5
    covered[0, 0] = False
    write(tmp_path, [annotation(10, 3, run_length(covered, compressed)), annotation(11, 1, box(0, 0, 9, 9))])
    np.testing.assert_array_equal(masks(tmp_path)[0], np.where(covered, COUCH, UNLABELLED))


def test_a_crowd_is_unlabelled(tmp_path: Path) -> None:
    crowd = annotation(10, 9, run_length(np.ones((HEIGHT, WIDTH), bool), False), area=5, iscrowd=1)
    write(tmp_path, [annotation(10, 1, box(0, 0, 64, 48), area=9), crowd, annotation(11, 1, box(0, 0, 9, 9))])
    assert (masks(tmp_path) == UNLABELLED).all()


def test_stuff_lies_below_the_things_of_the_file_before_it(tmp_path: Path) -> None:
    things = [annotation(10, 3, box(0, 0, 32, 48), area=9000), annotation(11, 1, box(0, 0, 9, 9))]
    write(tmp_path, things, "things.json")
    stuff = [{"id": 150, "name": "carpet"}]
    write(tmp_path, [annotation(10, 150, box(0, 0, 64, 48), area=1)], "stuff.json", categories=stuff)
    found = masks(tmp_path, "things.json", "stuff.json")[0]
    assert (found[:, :32] == COUCH).all() and (found[:, 32:] == 3).all()


def test_panoptic_segments(tmp_path: Path) -> None:
    numbers = np.zeros((HEIGHT, WIDTH), np.int64)
    numbers[:, 10:], numbers[:, 30:], numbers[:, 50:] = 70_000, 300, 5
    colours = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], axis=-1).astype(np.uint8)
    segments: list[dict[str, int]] = [{"id": 70_000, "category_id": 3}, {"id": 300, "category_id": 1}]
    segments.append({"id": 5, "category_id": 9, "iscrowd": 1})
    annotations = [{"image_id": 10 + i, "file_name": f"{i}.png", "segments_info": segments} for i in range(2)]
    write(tmp_path, annotations)
    for folder in ("labels", "elsewhere"):
        for i in range(2):
            write_picture(tmp_path / folder / f"{i}.png", colours)
    expected = np.full((HEIGHT, WIDTH), UNLABELLED)
    expected[:, 10:30], expected[:, 30:50] = COUCH, WALL
    np.testing.assert_array_equal(masks(tmp_path)[0], expected)
    np.testing.assert_array_equal(masks(tmp_path, masks=tmp_path / "elsewhere")[0], expected)


def test_theirs_become_ours(tmp_path: Path) -> None:
    write(tmp_path, [annotation(10, 3, box(0, 0, 32, 48)), annotation(11, 1, box(0, 0, 64, 48))])
    given = config(tmp_path, "labels.json", classes="coco_stuff_to_rooms13").class_map
    assert given == "coco_stuff_to_rooms13"
    onto = {"to": "rooms13", "map": {"couch": "sofa", "book": "object"}}
    names = [c.name for c in vocabulary("rooms13")]
    found = masks(tmp_path, classes=onto)[0]
    assert (found[:, :32] == names.index("sofa")).all() and (found[:, 32:] == UNLABELLED).all()
    assert (masks(tmp_path, split="validation", classes=onto) == names.index("wall")).all()
    alone = masks(tmp_path, classes={"couch": "seat"}, rest="floor")[0]
    assert (alone[:, :32] == 0).all() and (alone[:, 32:] == UNLABELLED).all(), "`rest` is brought to none"


def test_the_rest_may_be_a_class(tmp_path: Path) -> None:
    write(tmp_path, [annotation(10, 3, box(0, 0, 32, 48)), annotation(11, 1, box(0, 0, 64, 48))])
    found = masks(tmp_path, rest="background", derive=["edges"])[0]
    assert (found[:, :32] == COUCH).all() and (found[:, 32:] == 3).all()
    assert [c.name for c in config(tmp_path, "labels.json", rest="background").classes][3] == "background"


def test_validation_images_of_their_own(tmp_path: Path) -> None:
    write(tmp_path, [annotation(10, 3, box(0, 0, 64, 48))], count=1)
    write(tmp_path / "val", [annotation(10, 1, box(0, 0, 64, 48))], count=1)
    val = {"images": tmp_path / "val" / "images", "annotations": tmp_path / "val" / "labels.json"}
    assert (masks(tmp_path, validation=val) == COUCH).all()
    assert (masks(tmp_path, validation=val, split="validation") == WALL).all()


def test_many_categories_must_be_brought_to_fewer(tmp_path: Path) -> None:
    many = [{"id": i, "name": f"kind {i}"} for i in range(300)]
    write(tmp_path, [annotation(10, 299, box(0, 0, 64, 48)), annotation(11, 0, box(0, 0, 9, 9))], categories=many)
    with pytest.raises(TrainingError, match=r"has 300 categories, and a model at most 255 classes\. Choose among them"):
        masks(tmp_path)
    assert (masks(tmp_path, classes={"kind 299": "thing"}) == 0).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "labels.json: not JSON"),
        ("[]", "labels.json: expected COCO's images, annotations and categories."),
        ('{"images": []}', "expected COCO's images, annotations and categories; missing annotations, categories"),
        ({"categories": [{"id": 1}]}, "labels.json: not as COCO's files are"),
        ([annotation(10, 3, [])], "labels.json: has boxes or key points alone"),
        ([annotation(10, 4, box(0, 0, 9, 9)), annotation(11, 3, box(0, 0, 9, 9))],
         "annotation 1004 is of category 4, which it does not list"),
        ([annotation(10, 3, [[1, 2, 3]]), annotation(11, 3, box(0, 0, 9, 9))],
         "labels.json: annotation 1003 cannot be decoded"),
        ([annotation(77, 3, box(0, 0, 9, 9))], r"labels.json: annotates images that it does not list: \[77\]"),
        ([annotation(10, 3, box(0, 0, 9, 9))], "1 images have annotations, of which 1 are kept from training"),
        ({"images": [{"id": i, "file_name": "gone.png", "width": 64, "height": 48} for i in (10, 11)]},
         "images: has no image gone.png, which the annotations list. Found there: 0.png, 1.png, 2.png"),
        ({"images": [{"id": i, "file_name": "1.png", "width": 32, "height": 48} for i in (10, 11)]},
         "says that image 10 is 32x48, but it is 64x48"),
    ],
)
def test_a_fault_names_the_file_and_what_was_expected(tmp_path: Path, text: Any, said: str) -> None:
    pair = [annotation(10, 3, box(0, 0, 9, 9)), annotation(11, 3, box(0, 0, 9, 9))]
    path = write(tmp_path, text if isinstance(text, list) else pair, **(text if isinstance(text, dict) else {}))
    if isinstance(text, str):
        path.write_text(text)
    with pytest.raises(TrainingError, match=said):
        masks(tmp_path)


def test_a_config_names_it(tmp_path: Path) -> None:
    write(tmp_path, [annotation(10, 3, box(0, 0, 9, 9)), annotation(11, 3, box(0, 0, 9, 9))])
    data = {"dataset": "coco", "images": str(tmp_path / "images"), "annotations": str(tmp_path / "labels.json"),
            "width": 64, "height": 48}
    found = load_config(tiny.write_config(tmp_path / "run.yaml", data=data, tasks=["segmentation"]))
    assert RunConfig.model_validate_json(found.model_dump_json()) == found
    with pytest.raises(TrainingError, match=r"none\.json: no such file of annotations"):
        load_config(
            tiny.write_config(tmp_path / "run.yaml", data=data | {"annotations": ["none.json"]}, tasks=["segmentation"])
        )
