"""RVL streams give back what went in, and damaged ones are told."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avtar_ros.imaging.rvl import RvlError, decode_rvl
from tests.packed_depth import rvl


def stream(pixels: np.ndarray) -> bytes:
    return rvl(pixels)[8:]


SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(arrays(np.uint16, SIZES, elements=st.sampled_from([0, 1, 7, 900, 65535])))
def test_whatever_is_packed_comes_back(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_rvl(stream(pixels), pixels.size), pixels.ravel())


def test_a_whole_depth_image_comes_back() -> None:
    rows = np.linspace(4000, 1000, 480).round().astype(np.uint16)
    pixels = np.repeat(rows[:, None], 640, axis=1)
    pixels[np.random.default_rng(0).random(pixels.shape) < 0.1] = 0
    np.testing.assert_array_equal(decode_rvl(stream(pixels), pixels.size), pixels.ravel())


@pytest.mark.parametrize("data", [b"", b"\0" * 3, b"\xff" * 64, stream(np.full((4, 4), 900, np.uint16))[:4]])
def test_what_is_no_stream_or_not_all_of_it_is_refused(data: bytes) -> None:
    with pytest.raises(RvlError):
        decode_rvl(data, 16)


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_being_refused(data: bytes) -> None:
    with contextlib.suppress(RvlError):
        assert decode_rvl(data, 50).shape == (50,)
