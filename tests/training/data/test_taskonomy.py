"""Taskonomy and Omnidata folders, in the three orders that they are released in."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.training.data.layouts import image, write_picture
from training.data.datasets import open_dataset
from training.data.public_config import OmnidataConfig, TaskonomyConfig
from training.errors import TrainingError

SIZE = 32
FOV = 1.2
FOCAL = SIZE / 2 / math.tan(FOV / 2)
ORDERS = ("{building}/{domain}", "{domain}/{building}", "{domain}/taskonomy/{building}")
NORMAL = np.array([0.6, 0.0, -0.8])


def config(root: Path, kind: str = "taskonomy", **changes: object) -> TaskonomyConfig:
    settings = {"dataset": kind, "root": root, "splits": "train_val_test_tiny.csv", "width": SIZE, "height": SIZE}
    return {"taskonomy": TaskonomyConfig, "omnidata": OmnidataConfig}[kind].model_validate({**settings, **changes})


def file_path(root: Path, order: str, building: str, view: int, domain: str, suffix: str = "png") -> Path:
    folder = root / order.format(building=building, domain=domain)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"point_{10 * view}_view_{view}_domain_{domain}.{suffix}"


def write(root: Path, order: str = ORDERS[0], z: int = -1) -> Path:
    """Two buildings; `z` = 1 stores normals with z pointing backwards, as some releases do."""
    root.mkdir(exist_ok=True)
    table = "id,train,val,test\nallensville,1,0,0\nbeechwood,0,1,0\nuvalda,0,0,1\n"
    (root / "train_val_test_tiny.csv").write_text(table)
    for building, views in (("allensville", 2), ("beechwood", 1)):
        for view in range(views):
            path = partial(file_path, root, order, building, view)
            write_picture(path("rgb"), image(SIZE, SIZE, view))
            depth = np.full((SIZE, SIZE), 1024 + view, np.uint16)
            depth[0, :2] = 65535, 0
            write_picture(path("depth_zbuffer"), depth)
            write_picture(path("depth_euclidean"), depth)
            stored = np.round((NORMAL * [1, 1, -z] + 1) * 127.5).astype(np.uint8)
            write_picture(path("normal"), np.broadcast_to(stored, (SIZE, SIZE, 3)))
            edges = np.zeros((SIZE, SIZE), np.uint16)
            edges[5, :3] = 7500, 15000, 20000
            write_picture(path("edge_texture"), edges)
            labels = np.zeros((SIZE, SIZE), np.uint8)
            labels[3, :18] = range(18)
            write_picture(path("segment_semantic"), labels)
            path("point_info", "json").write_text(json.dumps({"field_of_view_rads": FOV, "resolution": SIZE}))
    return root


@pytest.mark.parametrize("order", ORDERS)
def test_values_come_as_documented_in_every_order_of_folders(tmp_path: Path, order: str) -> None:
    dataset = open_dataset(config(write(tmp_path, order)), "train")
    assert len(dataset) == 2 and len(open_dataset(config(tmp_path), "validation")) == 1
    batch = dataset.batch([0, 1])
    maps = {name: values.numpy() for name, values in batch.maps.items()}
    for view in range(2):
        assert np.array_equal(batch.image[view].numpy(), image(SIZE, SIZE, view))
        assert maps["depth"][view, 5, 5] == np.float32((1024 + view) / 512)
    assert np.isnan(maps["depth"][:, 0, :2]).all()
    assert np.isnan(maps["normals"][:, 0, :2]).all()
    np.testing.assert_allclose(maps["normals"][0, 5, 5], NORMAL, atol=0.01)
    assert maps["edges"][0, 5, :4].tolist() == [0.5, 1, 1, 0]
    assert maps["segmentation"][0, 3, :18].tolist() == [255, *range(17)]
    assert [dataset.classes[i].name for i in (0, 1, 16)] == ["background", "bottle", "vase"]
    assert batch.focal.tolist() == pytest.approx([FOCAL] * 2)


def test_what_is_seen_faces_the_camera_whichever_way_z_is_stored(tmp_path: Path) -> None:
    roots = [write(tmp_path / str(z), z=z) for z in (-1, 1)]
    first, second = (open_dataset(config(root), "train").batch([0]).maps["normals"] for root in roots)
    np.testing.assert_allclose(first, second, atol=0.01)


def test_distance_along_the_ray_becomes_depth_along_the_axis(tmp_path: Path) -> None:
    root = write(tmp_path)
    for path in root.glob("*/depth_zbuffer/*"):
        path.unlink()
    for folder in root.glob("*/depth_zbuffer"):
        folder.rmdir()
    depth = open_dataset(config(root), "train").batch([0]).maps["depth"][0]
    x, y = (4 - (SIZE - 1) / 2) / FOCAL, (20 - (SIZE - 1) / 2) / FOCAL
    assert depth[20, 4].item() == pytest.approx(2 / math.sqrt(1 + x * x + y * y))


def test_domains_that_are_absent_are_maps_absent(tmp_path: Path) -> None:
    root = write(tmp_path)
    for domain in ("normal", "segment_semantic"):
        for folder in root.glob(f"*/{domain}"):
            folder.rename(folder.with_name("elsewhere_" + domain))
    assert set(open_dataset(config(root), "train").batch([0]).maps) == {"depth", "edges"}


def test_any_image_may_lack_any_domain(tmp_path: Path) -> None:
    root = write(tmp_path)
    lacking = [("edge_texture", 0), ("segment_semantic", 1), ("normal", 1), ("depth_zbuffer", 1)]
    for domain, view in lacking:
        file_path(root, ORDERS[0], "allensville", view, domain).unlink()
    dataset = open_dataset(config(root), "train")
    first, second = (set(dataset.batch([index]).maps) for index in range(2))
    assert first == {"segmentation", "depth", "normals"}
    assert second == {"depth", "edges"}, "depth_euclidean takes the place of depth_zbuffer"
    both = dataset.batch([0, 1]).maps
    assert bool((both["segmentation"][1] == 255).all())
    assert bool(both["edges"][0].isnan().all())
    assert bool(both["normals"][1].isnan().all())


def test_omnidata_has_a_depth_scale_of_its_own_and_no_classes(tmp_path: Path) -> None:
    root = write(tmp_path, ORDERS[2])
    dataset = open_dataset(config(root, "omnidata", depth_steps_per_m=1024), "train")
    batch = dataset.batch([0])
    assert dataset.classes == () and set(batch.maps) == {"depth", "normals", "edges"}
    assert batch.maps["depth"][0, 5, 5].item() == 1.0


@pytest.mark.parametrize(("folder", "domain"), [("point_info", "fixatedpose"), ("points", "fixatedpose")])
def test_the_camera_is_found_under_each_of_its_names(tmp_path: Path, folder: str, domain: str) -> None:
    root = write(tmp_path)
    for path in sorted(root.glob("*/point_info/*.json")):
        (path.parents[1] / folder).mkdir(exist_ok=True)
        path.rename(path.parents[1] / folder / path.name.replace("point_info", domain))
    assert open_dataset(config(root), "train").batch([0]).focal.item() == pytest.approx(FOCAL)


def test_without_camera_files_the_field_of_view_must_be_given(tmp_path: Path) -> None:
    root = write(tmp_path)
    for path in root.glob("*/point_info/*.json"):
        path.unlink()
    with pytest.raises(TrainingError, match=r"point_0_view_0_domain_point_info.json: no such file.*field_of_view_deg"):
        open_dataset(config(root), "train").batch([0])
    given = open_dataset(config(root, field_of_view_deg=90), "train").batch([0])
    assert given.focal.item() == pytest.approx(SIZE / 2)


def test_another_folder_and_other_tables_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "none.csv").write_text("id,train,val,test\nuvalda,1,1,0\n")
    with pytest.raises(TrainingError) as error:
        open_dataset(config(root, splits="none.csv"), "train")
    assert "of the buildings uvalda" in str(error.value)
    assert "Found there are the buildings allensville, beechwood." in str(error.value)
    with pytest.raises(TrainingError, match=r"other.csv: no such table of buildings\. Found there: allensville"):
        open_dataset(config(root, splits="other.csv"), "train")
    (root / "none.csv").write_text("name;fold\nuvalda;1\n")
    with pytest.raises(TrainingError, match=r"none.csv: expected a table with columns id and train; found name;fold"):
        open_dataset(config(root, splits="none.csv"), "train")
    write_picture(root / "allensville" / "normal" / "point_0_view_0_domain_normal.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(TrainingError, match=r"normal.png: expected 8 bits and 3 channels a pixel, found 8 and 1"):
        open_dataset(config(root), "train").batch([0])
