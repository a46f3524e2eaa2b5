"""Differences between two sets of maps, on maps whose difference is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.agreement import PRECISIONS, Agreement, MapComparison, describe
from avtar_ros.tasks import TASKS, Maps

SHAPE = (2, 6, 8)


def maps(seed: int = 0) -> Maps:
    random = np.random.default_rng(seed)
    normals = random.normal(size=(*SHAPE, 3))
    return {
        "segmentation": random.integers(0, 5, SHAPE).astype(np.uint8),
        "depth": random.uniform(0.5, 10, SHAPE).astype(np.float32),
        "normals": (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32),
        "edges": random.uniform(0, 0.5, SHAPE).astype(np.float32),
    }


def figure(task: str, reference: Maps, other: Maps) -> float:
    comparison = MapComparison([task])
    comparison.add(reference, other)
    return comparison.agreements("fp16")[task].value


def turned(normals: np.ndarray, degrees: float) -> np.ndarray:
    """Each vector turned by as much, towards one that stands upright on it."""
    upright = np.cross(normals, [0.3, 0.5, 0.8])
    upright /= np.linalg.norm(upright, axis=-1, keepdims=True)
    return np.cos(np.radians(degrees)) * normals + np.sin(np.radians(degrees)) * upright


def test_every_task_has_a_figure_and_a_limit_for_each_precision() -> None:
    for task in TASKS.values():
        limits = task.difference.limits
        assert set(limits) == set(PRECISIONS)
        assert limits["fp32"] < limits["fp16"]


def test_the_limits_of_half_precision() -> None:
    limits = {task: record.difference.limits["fp16"] for task, record in TASKS.items()}
    assert limits == {"segmentation": 1.0, "depth": 1.0, "normals": 1.0, "edges": 0.01}


def test_equal_maps_agree_perfectly() -> None:
    comparison = MapComparison(TASKS)
    comparison.add(maps(), maps())
    assert {agreement.value for agreement in comparison.agreements("fp32").values()} == {0.0}


@given(st.integers(0, np.prod(SHAPE).item()))
def test_segmentation_is_the_share_of_pixels_of_another_class(different: int) -> None:
    reference = maps()["segmentation"]
    other = reference.copy()
    other.reshape(-1)[:different] += 1
    assert figure("segmentation", {"segmentation": reference}, {"segmentation": other}) == pytest.approx(
        100 * different / other.size
    )


@given(st.floats(0.5, 2))
def test_depth_is_relative_to_the_reference(factor: float) -> None:
    reference = maps()["depth"].astype(np.float64)
    found = figure("depth", {"depth": reference}, {"depth": factor * reference})
    assert found == pytest.approx(100 * abs(factor - 1), abs=1e-9)


@given(st.floats(0, 179))
def test_normals_are_an_angle_in_degrees_also_where_it_is_small(degrees: float) -> None:
    reference = maps()["normals"].astype(np.float64)
    reference /= np.linalg.norm(reference, axis=-1, keepdims=True)
    found = figure("normals", {"normals": reference}, {"normals": turned(reference, degrees)})
    assert found == pytest.approx(degrees, rel=1e-6, abs=1e-9)


@given(st.floats(-0.5, 0.5))
def test_edges_are_an_absolute_difference(shift: float) -> None:
    reference = maps()["edges"].astype(np.float64)
    assert figure("edges", {"edges": reference}, {"edges": reference + shift}) == pytest.approx(abs(shift))


def test_images_count_by_their_pixels_however_they_come() -> None:
    whole, parts = MapComparison(TASKS), MapComparison(TASKS)
    reference, other = maps(1), maps(2)
    whole.add(reference, other)
    for i in range(SHAPE[0]):
        one = slice(i, i + 1)
        parts.add({t: m[one] for t, m in reference.items()}, {t: m[one] for t, m in other.items()})
    values = {task: agreement.value for task, agreement in whole.agreements("fp16").items()}
    assert {task: agreement.value for task, agreement in parts.agreements("fp16").items()} == pytest.approx(values)


def test_a_map_with_nan_never_agrees() -> None:
    broken = maps()["edges"].copy()
    broken[0, 0, 0] = np.nan
    comparison = MapComparison(["edges"])
    comparison.add(maps(), {"edges": broken})
    assert not comparison.agreements("fp16")["edges"].holds


@pytest.mark.parametrize(("value", "holds"), [(1.0, True), (1.001, False), (float("nan"), False)])
def test_a_limit_may_be_reached_and_no_more(value: float, holds: bool) -> None:
    agreement = Agreement("mean angle", value, 1.0, "°")
    assert agreement.holds is holds
    assert ("FAILED" in describe({"normals": agreement})) is not holds
    assert "allowed 1°" in describe({"normals": agreement})
