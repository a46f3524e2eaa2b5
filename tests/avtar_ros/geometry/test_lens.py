"""Whatever drivers put into CameraInfo is read rightly, or refused in words."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from avtar_ros.geometry.camera_model import rays
from avtar_ros.geometry.lens import is_calibrated, is_rectified, read_lens


def info(
    width: int = 160, height: int = 120, k: float = 240, p: float = 240, roi=(0, 0, 0, 0), binning=(0, 0),
    model: str = "plumb_bob", d=(0.0,) * 5, **changes: object,
) -> SimpleNamespace:
    """A CameraInfo; `roi`: x_offset, y_offset, width, height."""
    fields = {
        "width": width, "height": height, "distortion_model": model, "d": list(d), "r": list(np.eye(3).ravel()),
        "k": [k, 0, width / 2, 0, k, height / 2, 0, 0, 1] if k else [0.0] * 9,
        "p": [p, 0, width / 2, 0, 0, p, height / 2, 0, 0, 0, 1, 0] if p else [0.0] * 12,
        "binning_x": binning[0], "binning_y": binning[1],
        "roi": SimpleNamespace(**dict(zip(("x_offset", "y_offset", "width", "height"), roi, strict=True))),
    }
    return SimpleNamespace(**fields | changes)


@pytest.mark.parametrize(("found", "size", "focal_px"), [
    (info(320, 240), (320, 240), 240), (info(320, 240), (160, 120), 120), (info(0, 0), (320, 240), 240),
    (info(320, 240, roi=(80, 60, 160, 120)), (160, 120), 240), (info(320, 240, roi=(80, 60, 160, 120)), (80, 60), 120),
    (info(320, 240, binning=(2, 2)), (160, 120), 120),
    (info(320, 240, binning=(2, 2), roi=(0, 0, 320, 240)), (160, 120), 120),
    (info(640, 480, binning=(2, 2), roi=(160, 120, 320, 240)), (160, 120), 120),
    (info(320, 240, roi=(80, 60, 0, 0)), (240, 180), 240), (info(320, 240, binning=(2, 1)), (160, 240), 120),
])
def test_images_are_cut_out_binned_and_resized(found, size: tuple[int, int], focal_px: float) -> None:
    lens = read_lens(found, *size)
    assert lens.notes == ()
    assert lens.focal_px == pytest.approx(focal_px)
    assert (lens.model.width, lens.model.height) == size


def test_a_region_that_images_do_not_keep_to_is_said() -> None:
    lens = read_lens(info(320, 240, roi=(80, 60, 160, 120)), 320, 240)
    assert lens.focal_px == 240
    assert "taken as not cut" in lens.notes[0]


def test_another_shape_than_the_images_is_said() -> None:
    lens = read_lens(info(1280, 720, k=900), 640, 480)
    assert lens.focal_px == 450
    assert "1280x720, and these are 640x480" in lens.notes[0]


@pytest.mark.parametrize(("k", "p", "rectified", "focal_px", "words"), [
    (240, 180, False, 240, None), (240, 180, True, 180, None), (0, 480, False, 480, "no usable K"),
    (0, 480, True, 480, None), (240, 0, True, 240, "no usable P"), (240, 0, False, 240, None),
    (0, 0, False, None, "not calibrated"), (0, 0, True, None, "not calibrated"),
    (float("nan"), 90, False, 90, "usable K"),
    (-5, 0, False, None, "not calibrated"), (float("inf"), 0, False, None, "not calibrated"),
])
def test_k_or_p_is_taken_whichever_is_there(k, p, rectified, focal_px, words) -> None:
    lens = read_lens(info(k=k, p=p), 160, 120, rectified)
    assert lens.focal_px == focal_px
    assert len(lens.notes) == (words is not None)
    assert words is None or words in lens.notes[0]
    assert is_calibrated(info(k=k, p=p)) == (focal_px is not None)


@pytest.mark.parametrize(("model", "d", "used", "words"), [
    ("plumb_bob", (), 0, None), ("plumb_bob", (0.1, 0, 0, 0), 4, None), ("plumb_bob", (0.1, 0, 0, 0, 0), 5, None),
    ("", (), 0, None), ("none", (0, 0, 0, 0, 0), 5, None), ("pinhole", (), 0, None),
    ("Brown Conrady", (0.1,) * 5, 5, None),
    ("rational_polynomial", (0.1,) * 8, 8, None), ("rational_polynomial", (0.1,) * 14, 14, None),
    ("equidistant", (0.1, 0, 0, 0), 4, None), ("fisheye", (0.1, 0, 0, 0), 4, None), ("Kannala Brandt4", (), 0, None),
    ("equidistant", (-0.006, 0.04, -0.037, 0.006, 0), 4, "where equidistant has 4: the first 4 were"),
    ("equidistant", (0.1,), 4, "1 coefficients"), ("rational_polynomial", (0,) * 6, 4, "6 coefficients"),
    ("rational_polynomial", (0.1,) * 6, 8, "the first 6 were used"), ("plumb_bob", (0.1,), 4, "1 coefficients"),
    ("plumb_bob", (0.1,) * 3, 4, "the first 3"), ("plumb_bob", (0.1,) * 8, 8, "8 coefficients"),
    ("plumb_bob", (0.1, *(0,) * 15), 4, "16 coefficients"),
])
def test_coefficients_are_used_as_far_as_the_model_goes(model: str, d, used: int, words: str | None) -> None:
    lens = read_lens(info(model=model, d=d), 160, 120)
    assert lens.focal_px == 240
    assert len(lens.model.d) == used
    assert len(lens.notes) == (words is not None)
    assert words is None or words in lens.notes[0]
    assert rays(lens.model, 8).shape == (15, 20, 2)


@pytest.mark.parametrize(("model", "d", "words"), [
    ("equirectangular", (), "'equirectangular' is not known"), ("double_sphere", (0.1, 0.2), "not known"),
    ("omnidirectional", (0.1,), "not known"), ("plumb_bob", (0.1,) * 16, "16 coefficients"),
    ("equidistant", (0.1,) * 5, "5 in use"), ("plumb_bob", (float("nan"), 0, 0, 0, 0), "coefficients"),
])
def test_a_lens_that_is_not_known_is_odd_and_gives_no_scale(model: str, d, words: str) -> None:
    lens = read_lens(info(model=model, d=d), 160, 120)
    assert (lens.model, lens.focal_px, lens.odd) == (None, None, True)
    assert "depth is not scaled" in lens.notes[0]
    assert words.replace("5 in use", "5 of them in use") in lens.notes[0]


def test_rectified_images_have_no_distortion_whatever_the_raw_ones_had() -> None:
    lens = read_lens(info(model="equirectangular", p=180), 160, 120, rectified=True)
    assert (lens.focal_px, lens.model.d, lens.notes) == (180, (), ())


def test_a_lens_without_a_height_of_pixels_has_square_ones() -> None:
    lens = read_lens(SimpleNamespace(**vars(info()) | {"k": [50.0, 0, 80, 0, 0, 60, 0, 0, 0]}), 160, 120)
    assert lens.model.k == (50, 0, 80, 0, 50, 60, 0, 0, 1)
    assert "fy" in lens.notes[0]


@pytest.mark.parametrize("changes", [{"k": []}, {"k": [1.0] * 8, "p": ["x"]}, {"width": None}, {"p": [], "r": []}])
def test_fields_of_a_wrong_length_or_kind_are_no_trouble(changes: dict) -> None:
    lens = read_lens(SimpleNamespace(**vars(info()) | changes), 160, 120)
    assert lens.focal_px == (240 if changes in ({"k": []}, {"p": [], "r": []}) else None)


@pytest.mark.parametrize(("topic", "rectified"), [
    ("/camera/image_rect", True), ("/camera/image_rect_color/compressed", True), ("/zed/rgb/rect/image", True),
    ("/camera/image_rect_raw", True), ("/left/image_rectified", True), ("/camera/image_raw", False),
    ("/rect/robot/front/camera/image", False), ("/direct/image_raw", False), ("/cam/image_unrect", False),
])
def test_topics_of_rectified_images_are_known_by_their_names(topic: str, rectified: bool) -> None:
    assert is_rectified(topic) == rectified
