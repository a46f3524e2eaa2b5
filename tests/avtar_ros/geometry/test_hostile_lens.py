"""A CameraInfo is used only where it can be true."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.geometry.camera_model import rays
from avtar_ros.geometry.lens import Lens, own_lens, read_lens

K = [60.0, 0, 48, 0, 60, 36, 0, 0, 1]
P = [60.0, 0, 48, 0, 0, 60, 36, 0, 0, 0, 1, 0]
R = np.eye(3).ravel().tolist()


def info(**changes: Any) -> SimpleNamespace:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    values = {"width": 96, "height": 72, "distortion_model": "plumb_bob", "d": [0.0] * 5, "k": K, "p": P, "r": R}
    return SimpleNamespace(**{**values, "roi": roi, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"d": [float("nan")] * 5}, "coefficients of distortion"),
        ({"d": [1.0] * 16}, "coefficients of distortion"),
        ({"k": [1e300, *K[1:]]}, "cannot be those of images"),
        ({"k": [60.0, 0, 48, 0, 1e-9, 36, 0, 0, 1]}, "cannot be those of images"),
        ({"k": [60.0, 0, float("nan"), 0, 60.0, 36, 0, 0, 1], "p": [0.0] * 12}, "neither K nor P is usable"),
        ({"r": [float("inf")] * 9}, "not all of it are finite numbers"),
        ({"width": 2**32 - 1}, "which no sensor has"),
        ({"k": None}, "cannot be read"),
    ],
)
def test_what_cannot_be_true_is_not_used_and_said(changes: dict[str, Any], said: str) -> None:
    lens = read_lens(info(**changes), 96, 72)
    assert lens.model is None
    assert said in " ".join(lens.notes)


def test_without_an_image_it_is_judged_at_its_own_size() -> None:
    half = own_lens(info(binning_x=2, binning_y=2)).model
    assert half is not None
    assert (half.width, half.height, half.k[0]) == (48, 36, 30.0)
    cut = own_lens(info(roi=SimpleNamespace(x_offset=8, y_offset=0, width=48, height=72))).model
    assert cut is not None
    assert (cut.width, cut.k[2]) == (48, 40.0)
    assert own_lens(info(width=0)) == own_lens(info(height=0)) == Lens(None)
    assert "cannot be read" in own_lens(info(width="wide")).notes[0]
    assert "no sensor has" in own_lens(info(width=2**32 - 1)).notes[0]


def test_a_region_outside_the_sensor_is_said() -> None:
    lens = read_lens(info(roi=SimpleNamespace(x_offset=90, y_offset=0, width=20, height=72)), 48, 36)
    assert "not within its 96x72 pixels" in " ".join(lens.notes)
    assert lens.focal_px == 30


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 60.0, 1.0, 48.0])


@given(
    st.lists(NUMBERS, min_size=9, max_size=9),
    st.lists(NUMBERS, max_size=16),
    st.sampled_from(["plumb_bob", "equidistant", "rational_polynomial", "", "?"]),
    st.integers(0, 2**32 - 1),
)
def test_whatever_comes_is_judged_and_what_is_used_gives_finite_rays(
    k: list[float], d: list[float], model: str, width: int
) -> None:
    lens = read_lens(info(k=k, d=d, distortion_model=model, width=width), 32, 24)
    if lens.model is None:
        assert lens.notes
    else:
        assert np.isfinite(rays(lens.model, 8)).all()
        assert 0 < lens.model.k[0] < 1e6
