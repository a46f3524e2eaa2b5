"""Lenses: what CameraInfo says of them, when images are resized, cut out, binned and distorted."""

import dataclasses
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.geometry.camera_model import CameraModel, rays
from avtar_ros.geometry.lens import read_lens
from avtar_ros.geometry.pinhole import Pinhole

CAMERA = CameraModel(
    width=640, height=480, distortion_model="plumb_bob", d=(-0.2, 0.05, 0.001, -0.002, 0.0),
    k=(500.0, 0.0, 310.0, 0.0, 510.0, 250.0, 0.0, 0.0, 1.0), r=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    p=(480.0, 0.0, 312.0, -48.0, 0.0, 490.0, 252.0, 0.0, 0.0, 0.0, 1.0, 0.0),
)


def info(**changes: object) -> SimpleNamespace:
    """A CameraInfo of CAMERA."""
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    fields = vars(CAMERA) | {"roi": roi, "binning_x": 0, "binning_y": 0}
    return SimpleNamespace(**fields | changes)


def test_camera_info_of_ros1_has_names_in_upper_case() -> None:
    class Info:
        width, height, distortion_model = 64, 48, "plumb_bob"
        K, R, P, D = [1.0] * 9, [2.0] * 9, [3.0] * 12, [4.0] * 5

    model = CameraModel.of_message(Info)
    assert (model.k, model.r, model.p, model.d) == ((1.0,) * 9, (2.0,) * 9, (3.0,) * 12, (4.0,) * 5)


def test_a_camera_info_without_roi_and_binning_is_taken_as_it_is() -> None:
    assert read_lens(info(), 640, 480).model == CAMERA


def test_rectified_images_have_the_projection_and_no_distortion() -> None:
    turned = dataclasses.replace(CAMERA, r=(0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    rectified = turned.rectified()
    assert (rectified.k[0], rectified.k[2], rectified.k[4], rectified.k[5]) == (480.0, 312.0, 490.0, 252.0)
    assert rectified.d == ()
    assert rectified.r == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    middle = rays(rectified, 4)[63, 78]
    np.testing.assert_allclose(middle, [0, 0], atol=1e-6)


def test_without_a_size_it_is_that_of_the_images() -> None:
    assert read_lens(info(width=0, height=0), 640, 480).model == CAMERA


def test_a_roi_moves_the_centre_and_binning_shrinks_what_it_leaves() -> None:
    roi = SimpleNamespace(x_offset=100, y_offset=50, width=320, height=200)
    seen = read_lens(info(roi=roi, binning_x=2, binning_y=2), 160, 100).model
    assert (seen.width, seen.height) == (160, 100)
    assert seen.k[0] == 250.0
    assert seen.k[2] == pytest.approx((310 - 100 + 0.5) / 2 - 0.5)
    assert seen.k[5] == pytest.approx((250 - 50 + 0.5) / 2 - 0.5)


def test_a_lens_in_the_middle_stays_there_through_resizing_both_ways() -> None:
    """Pixels have their centres at whole numbers: 8 of them have their middle at 3.5, 16 at 7.5."""
    small, large = CameraModel.pinhole(8, 8, 10.0), CameraModel.pinhole(16, 16, 20.0)
    assert (small.k[2], large.k[2]) == (3.5, 7.5)
    assert small.resized(16, 16) == large
    assert large.resized(8, 8) == small
    thin = Pinhole.centred(8, 8, 10.0)
    assert (thin.fx, thin.cx) == (small.k[0], small.k[2])
    assert thin.scaled(2, 2) == Pinhole.centred(16, 16, 20.0)
    assert thin.scaled(2, 2).scaled(0.5, 0.5) == thin


@given(st.integers(8, 2000), st.integers(8, 2000))
def test_a_resized_camera_sees_a_point_at_the_same_relative_place(width: int, height: int) -> None:
    point = np.array([0.3, -0.2, 1.7, 1.0])
    resized = CAMERA.resized(width, height)
    for matrix, count in (("k", 3), ("p", 4)):
        x, y = (projected(getattr(camera, matrix), point[:count]) for camera in (CAMERA, resized))
        assert (y + 0.5) / (width, height) == pytest.approx((x + 0.5) / (640, 480))
    assert (resized.d, resized.r) == (CAMERA.d, CAMERA.r)


def projected(matrix: tuple[float, ...], point: np.ndarray) -> np.ndarray:
    u, v, w = np.reshape(matrix, (3, len(point))) @ point
    return np.array([u, v]) / w


@pytest.mark.parametrize("distortion", ["none", "plumb_bob", "equidistant"])
def test_rays_lead_back_to_their_pixels_through_opencvs_projection(distortion: str) -> None:
    d = {"none": (), "plumb_bob": CAMERA.d, "equidistant": (0.02, -0.01, 0.003, 0.0)}[distortion]
    camera = CameraModel(160, 120, distortion, d, CAMERA.resized(160, 120).k, CAMERA.r, CAMERA.p)
    looks = rays(camera, 8)
    assert looks.shape == (15, 20, 2)
    points = np.dstack([looks, np.ones(looks.shape[:2])]).reshape(-1, 1, 3).astype(np.float64)
    project = cv2.fisheye.projectPoints if distortion == "equidistant" else cv2.projectPoints
    still, k = np.zeros(3), np.reshape(camera.k, (3, 3))
    if distortion == "equidistant":
        pixels, _ = project(points, still, still, k, np.array(d))
    else:
        pixels, _ = project(points, still, still, k, np.array(d or (0.0,) * 4))
    expected = np.stack(np.meshgrid(np.arange(0, 160, 8), np.arange(0, 120, 8)), axis=-1)
    np.testing.assert_allclose(pixels.reshape(15, 20, 2), expected, atol=0.05)
