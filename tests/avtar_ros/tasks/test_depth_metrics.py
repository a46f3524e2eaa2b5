"""Depth up to scale, or scale and shift of disparity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.tasks.depth_metrics import DisparityAlignedMetric, MedianScaledMetric
from avtar_ros.tasks.metric import MetricOptions

TRUTH = np.random.default_rng(0).uniform(0.5, 8, (2, 12, 16)).astype(np.float32)


METRICS = {"scaled": MedianScaledMetric, "aligned": DisparityAlignedMetric}


def judged(prefix, prediction, truth=TRUTH, cap=None):
    metric = METRICS[prefix](MetricOptions(classes=0, max_depth_m=cap))
    metric.update(prediction.astype(np.float32), truth)
    return metric.compute()


@given(st.floats(0.1, 10), st.floats(0.1, 10))
def test_each_images_scale_is_taken_out(first, second):
    figures = judged("scaled", TRUTH * np.array([first, second]).reshape(2, 1, 1))
    assert figures == pytest.approx(
        {"depth.scaled_rmse_m": 0, "depth.scaled_abs_rel": 0, "depth.scaled_delta1": 1}, abs=1e-5
    )


@given(st.floats(0.2, 5), st.floats(0, 2))
def test_scale_and_shift_of_disparity_are_taken_out(scale, shift):
    figures = judged("aligned", 1 / (scale / TRUTH + shift))
    assert figures["depth.aligned_abs_rel"] == pytest.approx(0, abs=1e-4)
    assert figures["depth.aligned_delta1"] == 1


def test_a_shift_is_no_scale():
    assert judged("scaled", 1 / (1 / TRUTH + 1))["depth.scaled_abs_rel"] > 0.05


@pytest.mark.parametrize("prefix", ["scaled", "aligned"])
def test_what_is_unknown_neither_counts_nor_aligns(prefix):
    truth, prediction = TRUTH.copy(), 2 * TRUTH
    truth[0, :3] = np.nan
    truth[1, :3] = 30
    prediction[0, 5] = np.inf
    prediction[:, :3] = 0.01
    assert judged(prefix, prediction, truth, cap=20)[f"depth.{prefix}_abs_rel"] == pytest.approx(0, abs=1e-5)


def test_disparity_is_fitted_by_least_squares():
    prediction = np.random.default_rng(1).uniform(0.5, 8, TRUTH.shape)
    errors = []
    for p, g in zip(prediction, TRUTH.astype(float), strict=True):
        slope, offset = np.polyfit(1 / p.astype(np.float32).ravel(), 1 / g.ravel(), 1)
        aligned = 1 / np.maximum(slope / p.ravel() + offset, 1 / g.max())
        errors.append(np.abs(aligned - g.ravel()) / g.ravel())
    expected = float(np.mean(errors))
    assert judged("aligned", prediction)["depth.aligned_abs_rel"] == pytest.approx(expected, rel=1e-4)


def test_a_prediction_without_any_shape_gives_the_mean_disparity():
    figures = judged("aligned", np.full_like(TRUTH, 3.0))
    mean = 1 / (1 / TRUTH.astype(float)).mean((1, 2), keepdims=True)
    assert figures["depth.aligned_abs_rel"] == pytest.approx(float((np.abs(mean - TRUTH) / TRUTH).mean()), rel=1e-5)


def test_nothing_known_gives_no_figures():
    assert judged("aligned", TRUTH, np.full_like(TRUTH, np.nan)) == {}
