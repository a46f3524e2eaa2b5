"""Frames of any size are brought to the size of training without tearing or mixing what they show."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.geometry.surface_normals import normals_from_depth
from training.data.dataset import FrameDataset, Sample, fitted


def sample(height: int, width: int, map_height: int | None = None, map_width: int | None = None) -> Sample:
    """A slanted plane, its depth at a size of its own; the image's red and green are the pixel's place."""
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    camera = Pinhole(1.1 * width, 1.1 * width, 0.55 * width, 0.45 * height)
    map_height, map_width = map_height or height, map_width or width
    of_map = camera.scaled(map_width / width, map_height / height)
    depth = plane(of_map, map_width, map_height)
    ids = np.where(np.arange(map_width) < map_width // 2, 3, 7).astype(np.uint8)[None].repeat(map_height, 0)
    return Sample(image, {"depth": depth, "segmentation": ids}, camera)


def plane(camera: Pinhole, width: int, height: int) -> np.ndarray:
    return (2 / (camera.rays(width, height) @ np.float32([0.2, 0.3, 1]))).astype(np.float32)


def test_rays_go_through_the_principal_point_and_a_pixel_beside_it() -> None:
    rays = Pinhole(50.0, 40.0, 3.0, 2.0).rays(8, 6)
    assert rays.shape == (6, 8, 3)
    np.testing.assert_allclose(rays[2, 3], [0, 0, 1])
    np.testing.assert_allclose(rays[4, 7], [4 / 50, 2 / 40, 1])


def test_the_field_of_view_ends_at_the_borders_of_the_image() -> None:
    camera = Pinhole.of_view(64, 48, 90)
    assert camera == Pinhole(pytest.approx(32.0), pytest.approx(32.0), 31.5, 23.5)
    assert (63.5 - camera.cx) / camera.fx == pytest.approx(1.0)


@pytest.mark.parametrize("maps_at", [(48, 64), (24, 32), (96, 128)])
@pytest.mark.parametrize(("width", "height"), [(32, 24), (24, 24), (40, 20), (128, 96), (64, 48)])
def test_depth_is_still_that_of_the_plane_through_the_new_camera(
    width: int, height: int, maps_at: tuple[int, int]
) -> None:
    """Whatever is cut off, and whatever the size: depth at a pixel is the plane's along the new camera's ray."""
    made = fitted(sample(48, 64, *maps_at), width, height)
    assert made.image.shape == (height, width, 3)
    expected = plane(made.camera, width, height)
    # A pixel takes the depth of the nearest one: at most half a stored and half a new pixel away.
    reach = 0.5 * 64 / maps_at[1] * made.camera.fx / (1.1 * 64) + 0.51
    slope = np.abs(np.gradient(expected)).sum(0)
    assert (np.abs(made.maps["depth"] - expected) <= reach * slope + 1e-5).all()
    normals = normals_from_depth(expected, made.camera)
    np.testing.assert_allclose(normals, np.broadcast_to(normals[0, 0], normals.shape), atol=1e-3)


def test_the_middle_is_kept_and_the_aspect_too() -> None:
    made = fitted(sample(48, 64), 24, 24)
    assert made.camera.fx == pytest.approx(made.camera.fy)
    red, green = made.image[..., 0].astype(float), made.image[..., 1].astype(float)
    assert abs(red[0, 0] - 8.5) <= 0.5 and abs(red[0, -1] - 54.5) <= 0.5  # of 64 columns, 8 to 55
    assert abs(green[0, 0] - 0.5) <= 0.5 and abs(green[-1, 0] - 46.5) <= 0.5


def test_class_ids_and_depths_are_not_mixed() -> None:
    made = fitted(sample(48, 64), 20, 15)
    assert set(np.unique(made.maps["segmentation"])) == {3, 7}
    assert made.maps["segmentation"].dtype == np.uint8
    assert set(np.unique(made.maps["depth"])) <= set(np.unique(sample(48, 64).maps["depth"]))


@pytest.mark.parametrize("column", range(30, 38))
def test_a_thin_edge_survives_wherever_it_lies(column: int) -> None:
    native = sample(48, 64)
    edges = np.zeros((48, 64), np.float32)
    edges[:, column] = 1
    edges[:6] = np.nan
    made = fitted(native.with_maps(edges=edges), 16, 12).maps["edges"]
    assert np.isnan(made[0]).all() and np.isfinite(made[2:]).all()
    assert (made[2:].max(axis=1) == 1).all()
    assert made[2:, column // 4].min() == 1 or made[2:, column // 4 - 1].min() == 1
    assert (made[2:].sum(axis=1) <= 2).all()


class Frames(FrameDataset):
    """Frames 0, 1, 2, ... of which every other has no depth."""

    def __len__(self) -> int:
        return 4

    def frame(self, index: int) -> Sample:
        whole = sample(30, 40 + 10 * index)
        whole.image[..., 2] = index
        maps = whole.maps if index % 2 == 0 else {"segmentation": whole.maps["segmentation"]}
        return Sample(whole.image, maps, whole.camera)


def test_batches_hold_the_frames_asked_for_and_say_what_is_unknown() -> None:
    dataset = Frames((), 20, 15)
    batch = dataset.batch([3, 0, 1])
    assert batch.image.shape == (3, 15, 20, 3) and batch.image.dtype == torch.uint8
    assert batch.image[:, 0, 0, 2].tolist() == [3, 0, 1]
    assert batch.maps["depth"].dtype == torch.float32
    assert [bool(depth.isnan().all()) for depth in batch.maps["depth"]] == [True, False, True]
    for index, focal in zip([3, 0, 1], batch.focal.tolist(), strict=True):
        assert focal == pytest.approx(1.1 * (40 + 10 * index) * 0.5)
    assert "depth" not in dataset.batch([1, 3]).maps
