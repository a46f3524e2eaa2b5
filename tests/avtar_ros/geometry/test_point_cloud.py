"""Points of depth maps: where they are, which colour they have, and which are left out."""

import numpy as np

from avtar_ros.geometry.camera_model import CameraModel
from avtar_ros.geometry.point_cloud import colored_points

CAMERA = CameraModel.pinhole(8, 6, focal_px=10.0)
EVERYTHING = (0.0, 1000.0)


def test_a_point_lies_at_its_depth_on_the_ray_of_its_pixel() -> None:
    depth = np.linspace(1, 3, 48, dtype=np.float32).reshape(6, 8)
    points = colored_points(depth, np.zeros((6, 8, 3), np.uint8), CAMERA, 1, EVERYTHING)
    assert points.shape == (6, 8, 4)
    v, u = np.mgrid[:6, :8]
    np.testing.assert_allclose(points[..., 0], (u - 3.5) / 10 * depth, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(points[..., 1], (v - 2.5) / 10 * depth, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(points[..., 2], depth)


def test_a_stride_keeps_every_nth_pixel_of_every_nth_row() -> None:
    depth = np.random.default_rng(0).uniform(1, 2, (6, 8)).astype(np.float32)
    image = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
    every = colored_points(depth, image, CAMERA, 1, EVERYTHING)
    third = colored_points(depth, image, CAMERA, 3, EVERYTHING)
    np.testing.assert_array_equal(third.view(np.uint32), every[::3, ::3].view(np.uint32))


def test_colours_are_those_of_the_image_brought_to_the_maps_size() -> None:
    image = np.zeros((12, 16, 3), np.uint8)
    image[:, 8:] = 10, 20, 30
    colors = colored_points(np.ones((6, 8), np.float32), image, CAMERA, 1, EVERYTHING).view(np.uint32)[..., 3]
    assert set(colors[:, :4].ravel()) == {0}
    assert set(colors[:, 4:].ravel()) == {10 << 16 | 20 << 8 | 30}


def test_what_is_unknown_or_out_of_range_has_no_place() -> None:
    depth = np.full((6, 8), 2, np.float32)
    depth[0, :4] = np.nan, np.inf, 0.5, 7.0
    points = colored_points(depth, np.zeros((6, 8, 3), np.uint8), CAMERA, 1, (1.0, 5.0))
    assert np.isnan(points[0, :4, :3]).all()
    assert not np.isnan(points[0, 4:, :3]).any()
