"""Normals computed from depth are those of the surfaces that the depth was made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.geometry.surface_normals import Window, normals_from_depth

WIDTH, HEIGHT = 40, 30
CAMERA = Pinhole(45.0, 42.0, 22.0, 13.0)
RAYS = CAMERA.rays(WIDTH, HEIGHT)


def plane(normal: np.ndarray, distance: float) -> np.ndarray:
    """Depth (H, W) of the plane at a distance along a normal that faces the camera; NaN beyond the horizon."""
    facing = -(RAYS @ normal.astype(np.float32))
    return np.where(facing > 0.02, distance / np.maximum(facing, 0.02), np.nan).astype(np.float32)


def angles(normals: np.ndarray, expected: np.ndarray) -> np.ndarray:
    apart, together = (np.linalg.norm(v, axis=-1) for v in (normals - expected, normals + expected))
    return np.degrees(2 * np.arctan2(apart, together))


def unit(x: float, y: float, z: float) -> np.ndarray:
    return np.array([x, y, z]) / np.sqrt(x * x + y * y + z * z)


@given(x=st.floats(-1, 1), y=st.floats(-1, 1), distance=st.floats(0.3, 20))
def test_a_plane_has_its_normal_up_to_the_borders_of_the_image(x: float, y: float, distance: float) -> None:
    normal = unit(x, y, -1)
    depth = plane(normal, distance)
    normals = normals_from_depth(depth, CAMERA, Window(reach=2, steepest=0.2))
    assert normals.dtype == np.float32 and normals.shape == (HEIGHT, WIDTH, 3)
    known = np.isfinite(normals).all(axis=-1)
    assert (known == np.isfinite(depth)).mean() > 0.95
    assert angles(normals[known], normal).max() < 0.2
    np.testing.assert_allclose(np.linalg.norm(normals[known], axis=-1), 1, atol=1e-5)


def test_a_wall_seen_frontally_faces_the_camera() -> None:
    normals = normals_from_depth(np.full((HEIGHT, WIDTH), 3, np.float32), CAMERA)
    np.testing.assert_allclose(normals, np.broadcast_to(np.float32([0, 0, -1]), normals.shape), atol=1e-5)


def test_what_lies_behind_does_not_tilt_what_lies_before() -> None:
    """A board before a wall: exact on both sides of its border, which a difference across it would not be."""
    board, wall = unit(0.4, 0, -1), unit(0, -0.5, -1)
    nearer = np.arange(WIDTH) < 18
    depth = np.where(nearer, plane(board, 1.0), plane(wall, 4.0))
    normals = normals_from_depth(depth, CAMERA)
    expected = np.where(nearer[:, None], board, wall)
    assert angles(normals, expected).max() < 0.2


def test_unknown_pixels_are_unknown_and_spoil_no_neighbour() -> None:
    normal = unit(0.3, -0.4, -1)
    depth = plane(normal, 2.0)
    holes = np.random.default_rng(0).random(depth.shape) < 0.15
    depth[holes] = np.nan
    normals = normals_from_depth(depth, CAMERA)
    assert np.isnan(normals[holes]).all()
    known = np.isfinite(normals).all(axis=-1)
    assert known[~holes].mean() > 0.99
    assert angles(normals[known], normal).max() < 0.2


def test_a_line_of_pixels_has_no_normal() -> None:
    depth = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    depth[10] = 2.0
    depth[20, 5] = 2.0
    assert np.isnan(normals_from_depth(depth, CAMERA)).all()


@pytest.mark.parametrize("step", [1, 2])
def test_a_wide_window_evens_out_noise(step: int) -> None:
    normal = unit(0.2, 0.3, -1)
    depth = plane(normal, 3.0)
    noisy = 1 / (1 / depth + np.random.default_rng(0).normal(0, 1e-3, depth.shape)).astype(np.float32)
    narrow, wide = (
        np.median(angles(normals_from_depth(noisy, CAMERA, window), normal))
        for window in (Window(reach=2), Window(reach=6, step=step))
    )
    assert wide < narrow / 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("far", [np.inf, -np.inf, 0, -1])
def test_what_is_out_of_range_is_as_unknown_as_nan_and_says_nothing(far: float) -> None:
    depth = np.full((20, 30), 2, np.float32) + np.arange(30, dtype=np.float32) / 10
    depth[:9] = np.nan
    expected = normals_from_depth(depth, Pinhole.centred(30, 20, 30))
    depth[:9] = far
    np.testing.assert_array_equal(normals_from_depth(depth, Pinhole.centred(30, 20, 30)), expected)
