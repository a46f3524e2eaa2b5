"""Task records: shapes, and maps brought to another size without changing what they mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avtar_ros.model_card import ModelCard
from avtar_ros.tasks import DEPTH, NORMALS, SEGMENTATION, TASKS, Task
from tests.tiny_models import CLASSES
from tests.tiny_models import DEPTH as DEPTH_RANGE

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def test_tasks_are_known_by_their_names() -> None:
    assert {name: task.name for name, task in TASKS.items()} == {name: name for name in TASKS}


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_the_encoding_has_the_type_and_channels_of_the_map(task: Task) -> None:
    names = {"mono8": (np.uint8, 1), "32FC1": (np.float32, 1), "32FC3": (np.float32, 3)}
    assert names[task.encoding] == (task.dtype, max(task.channels, 1))


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
@given(size=SIZES)
def test_a_resized_map_has_the_size_and_type_asked_for(task: Task, size: tuple[int, int]) -> None:
    resized = task.resize(np.ones(task.shape(5, 7), task.dtype), *size)
    assert resized.shape == task.shape(size[1], size[0])
    assert resized.dtype == task.dtype


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
@pytest.mark.parametrize("wider", [False, True])
@given(size=SIZES)
def test_a_map_can_be_resized_into_memory_of_the_callers(task: Task, wider: bool, size: tuple[int, int]) -> None:
    given = np.random.default_rng(0).uniform(1, 9, task.shape(5, 7)).astype(task.dtype)
    out = np.zeros(task.shape(size[1], size[0]), np.float64 if wider else task.dtype)
    assert task.resize(given, *size, out) is out
    np.testing.assert_array_equal(out, task.resize(given, *size))


@given(ids=arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 3, 255])), size=SIZES)
def test_class_ids_are_never_mixed(ids: np.ndarray, size: tuple[int, int]) -> None:
    assert set(np.unique(SEGMENTATION.resize(ids, *size))) <= set(np.unique(ids))


@given(
    normals=arrays(np.float32, (5, 7, 3), elements=st.floats(-1, 1, width=16)),
    size=SIZES,
)
def test_normals_stay_unit_vectors(normals: np.ndarray, size: tuple[int, int]) -> None:
    normals = normals + np.array([0, 0, -2], np.float32)  # they face the camera
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    lengths = np.linalg.norm(NORMALS.resize(normals, *size), axis=-1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_opposite_normals_average_to_something_finite() -> None:
    normals = np.zeros((1, 2, 3), np.float32)
    normals[0, :, 0] = 1, -1
    assert np.isfinite(NORMALS.resize(normals, 1, 1)).all()


def test_a_map_of_the_size_asked_for_is_not_copied() -> None:
    depth = np.ones((5, 7), np.float32)
    assert DEPTH.resize(depth, 7, 5) is depth


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_every_map_can_be_coloured(task: Task) -> None:
    card = ModelCard("tiny", tuple(TASKS), 64, 48, classes=CLASSES, depth=DEPTH_RANGE)
    image = task.colorize(np.ones(task.shape(5, 7), task.dtype), card)
    assert image.shape == (5, 7, 3)
    assert image.dtype == np.uint8
