"""Path-traced images and their maps: whether they show the same, and whether a broken run is gone on with."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from avtar_ros.errors import AvtarError
from training.data.datasets import open_dataset
from training.data.own_config import FolderConfig
from training.data.path_traced_rooms.cameras import View
from training.data.path_traced_rooms.catalogue import FURNITURE, Catalogue
from training.data.path_traced_rooms.models import ModelStore
from training.data.path_traced_rooms.plan import Body, Finish, Pose, Room
from training.data.path_traced_rooms.render import Renderer, edges
from training.data.path_traced_rooms.scene import SceneBuilder
from training.data.path_traced_rooms.tracer import find_llvm, mitsuba
from training.data.path_traced_rooms.write import Job, write_path_traced
from training.data.synthetic_rooms.classes import OBJECT, WALL
from training.errors import TrainingError

pytestmark = [
    pytest.mark.skipif(find_spec("mitsuba") is None, reason="Mitsuba is not installed"),
    pytest.mark.skipif(find_llvm() is None, reason="libllvm19 is not installed"),
    pytest.mark.skipif(not any(FURNITURE.glob("*.sh3f")), reason="sweethome3d-furniture is not installed"),
]
WIDTH, HEIGHT = 56, 42


@pytest.fixture(scope="module")
def tracer() -> Any:
    return mitsuba(threads=1)


@pytest.fixture(scope="module")
def builder(tracer: Any, tmp_path_factory: pytest.TempPathFactory) -> SceneBuilder:
    return SceneBuilder(tracer, ModelStore(tracer, tmp_path_factory.mktemp("meshes")))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue()


def wall_and_box(catalogue: Catalogue, builder: SceneBuilder) -> Room:
    """A glowing wall 3 m before the camera, and a box whose front is 1 m before it, right of and below the middle."""
    room = Room((6.0, 6.0, 3.0), "living", np.random.default_rng(0), catalogue, builder._store)
    glow = Finish(glow=(1.0, 1.0, 1.0))
    room.add(Body("plane", Pose(3, 3, 1), (20, 20, 0), WALL, 0, glow, (0.0, -1.0, 0.0)))
    room.add(Body("box", Pose(3.3, 1.25, 0), (0.4, 0.5, 0.9), OBJECT, 7, Finish(colour=(0.0, 0.0, 0.0))))
    return room


def ahead() -> View:
    """From (3, 0, 1) along +y."""
    rotation = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    return View("hand", np.array([3.0, 0.0, 1.0]), rotation, 70.0)


def test_maps_are_those_of_the_geometry(tracer: Any, builder: SceneBuilder, catalogue: Catalogue) -> None:
    scene = builder.build(wall_and_box(catalogue, builder))
    seen = Renderer(tracer, WIDTH, HEIGHT, 1).geometry(scene, [ahead()], WIDTH, HEIGHT)[0]
    box = seen.instances == 7
    assert (seen.class_ids[box] == OBJECT).all() and (seen.class_ids[~box] == WALL).all()
    assert seen.depth[~box] == pytest.approx(3.0, abs=1e-4), "along the optical axis, not along the ray"
    assert (seen.normals[~box] @ [0, 0, -1]) == pytest.approx(1, abs=1e-4)
    front = box & (seen.normals[..., 2] < -0.99)
    assert seen.depth[front] == pytest.approx(1.0, abs=1e-4)
    rows, columns = np.nonzero(front)
    camera = ahead().camera(WIDTH, HEIGHT)
    assert (columns.min() - camera.cx) / camera.fx == pytest.approx(0.1, abs=1.01 / camera.fx)
    assert (rows.min() - camera.cy) / camera.fy == pytest.approx(0.1, abs=1.01 / camera.fy)


def test_the_image_shows_what_the_maps_show(tracer: Any, builder: SceneBuilder, catalogue: Catalogue) -> None:
    scene = builder.build(wall_and_box(catalogue, builder))
    renderer = Renderer(tracer, WIDTH, HEIGHT, 4)
    seen = renderer.geometry(scene, [ahead()], WIDTH, HEIGHT)[0]
    image = renderer.radiance(scene, [ahead()], 0)[0].mean(axis=2)
    dark = image < 0.5
    inner = cv2.erode((seen.instances == 7).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    outer = cv2.dilate((seen.instances == 7).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert dark[inner].all() and not dark[~outer].any()


def test_edges_are_where_instances_change(tracer: Any, builder: SceneBuilder, catalogue: Catalogue) -> None:
    scene = builder.build(wall_and_box(catalogue, builder))
    seen = Renderer(tracer, WIDTH, HEIGHT, 1).geometry(scene, [ahead()], WIDTH, HEIGHT)[0]
    box = seen.instances == 7
    border = np.zeros_like(box)
    border[:, :-1] |= box[:, 1:] != box[:, :-1]
    border[:-1] |= box[1:] != box[:-1]
    found = edges(seen, ahead().camera(WIDTH, HEIGHT).fx).astype(bool)
    front = seen.normals[..., 2] < -0.99  # of the box's side, seen at a grazing angle, depth steps from pixel to pixel
    assert found[border].all() and not found[front & ~border & (seen.instances != 7)].any()
    assert not found[cv2.erode((front & box).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)].any()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rooms")
    write_path_traced(Job(out, images=2, seed=3, width=WIDTH, height=HEIGHT, samples=1), processes=1)
    return out


def test_a_folder_is_read_as_a_data_set(rendered: Path) -> None:
    config = FolderConfig.model_validate(
        {"dataset": "folder", "root": rendered, "width": WIDTH, "height": HEIGHT, "validation_images": 1}
    )
    batch = open_dataset(config, "train").batch([0])
    depth, normals = batch.maps["depth"][0].numpy(), batch.maps["normals"][0].numpy()
    known = np.isfinite(depth)
    assert known.mean() > 0.99 and (depth[known] > 0.1).all() and (depth[known] < 25).all()
    assert np.linalg.norm(normals[known], axis=-1) == pytest.approx(1, abs=1e-3)
    assert set(np.unique(batch.maps["edges"].numpy())) == {0.0, 1.0}
    assert len(config.classes) == 13 and int(batch.maps["segmentation"].max()) < 13
    assert 20 < WIDTH / 2 / float(batch.focal[0]) * 40 < 60
    assert batch.image.numpy().mean() > 10
    assert "CC BY 3.0" in (rendered / "LICENSES").read_text()


def test_what_is_missing_is_rendered_again_just_as_it_was(rendered: Path) -> None:
    names = ("images/000000.jpg", "depth/000000.png", "edges/000001.png")
    before = {name: (rendered / name).read_bytes() for name in names}
    next((rendered / "shards").iterdir()).unlink()
    (rendered / "images/000000.jpg").unlink()
    write_path_traced(Job(rendered, images=2, seed=3, width=WIDTH, height=HEIGHT, samples=1), processes=1)
    assert {name: (rendered / name).read_bytes() for name in names} == before
    assert sorted(json.loads((rendered / "intrinsics.json").read_text())) == ["000000", "000001"]


def test_a_folder_of_ones_own_images_is_left_alone(rendered: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/000000.jpg").write_bytes(b"a photo")
    with pytest.raises(AvtarError, match="images: is there already"):
        write_path_traced(Job(tmp_path, images=2, width=WIDTH, height=HEIGHT, samples=1), processes=1)
    assert [path.name for path in tmp_path.rglob("[!.]*")] == ["images", "000000.jpg"]
    (rendered / ".avtar_ros").unlink()  # as folders are that were rendered before there were markers
    write_path_traced(Job(rendered, images=2, seed=3, width=WIDTH, height=HEIGHT, samples=1), processes=1)


def test_a_folder_of_another_recipe_is_left_alone(rendered: Path) -> None:
    with pytest.raises(TrainingError, match="Name another folder"):
        write_path_traced(Job(rendered, images=2, seed=4, width=WIDTH, height=HEIGHT, samples=1), processes=1)
