"""What is kept of predictions is as close to them as is said."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avtar_ros.tasks import DEPTH, NORMALS
from avtar_ros.tasks.normals import angles_deg


def kept(task, task_map):
    return task.storage.decode(task.storage.rounded(task.storage.encode(task_map)))


@given(arrays(np.float32, (4, 5, 3), elements=st.floats(-1, 1, width=32)))
def test_normals_are_kept_within_half_a_degree(vectors: np.ndarray) -> None:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    normals = np.where(length > 0.01, vectors / np.maximum(length, 0.01), np.float32([0, 0, -1])).astype(np.float32)
    assert angles_deg(kept(NORMALS, normals), normals).max() <= 0.5


@given(arrays(np.float32, (4, 5), elements=st.floats(0.25, 65, width=32)))
def test_depth_is_kept_within_a_thousandth(depth: np.ndarray) -> None:
    np.testing.assert_allclose(kept(DEPTH, depth), depth, rtol=1 / 1024, atol=0.0006)


def test_what_is_unknown_or_out_of_range_stays_unknown() -> None:
    assert np.isnan(kept(DEPTH, np.float32([[np.nan, np.inf, -1, 0, 66]]))).all()
