"""The metrics against plain loops written from their definitions."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from avtar_ros.metrics import StreamingMetrics, known_figures
from avtar_ros.tasks import TASKS
from avtar_ros.tasks.depth_metrics import DepthMetric
from avtar_ros.tasks.edges import EDGE_THRESHOLDS, EDGE_TOLERANCE, thin_edges
from avtar_ros.tasks.metric import MetricError
from avtar_ros.tasks.normals import MEDIAN_STEP_DEG

SHAPE = (2, 4, 5)
CLASSES = 3

ids = arrays.arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2]))
labels = arrays.arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2, 255]))
depths = arrays.arrays(np.float32, SHAPE, elements=st.floats(0.125, 20, width=32))
unknown_depths = st.sampled_from([0, np.nan, np.inf])
true_depths = arrays.arrays(np.float32, SHAPE, elements=st.floats(0.125, 20, width=32) | unknown_depths)
vectors = arrays.arrays(np.float32, (*SHAPE, 3), elements=st.floats(-1, 1, width=16))


def judge(
    task: str, prediction: np.ndarray, truth: np.ndarray, max_depth_m: float | None = None
) -> dict[str, float]:
    """The figures when the images come one after another."""
    metrics = StreamingMetrics([task], CLASSES, max_depth_m)
    for p, g in zip(prediction, truth, strict=True):
        metrics.update({task: p[None]}, {task: g[None]})
    return metrics.compute()


@given(ids, labels)
def test_miou_is_intersection_over_union_averaged_over_classes_present(prediction, truth):
    ious = []
    for c in range(CLASSES):
        pairs = [(p, g) for p, g in zip(prediction.flat, truth.flat, strict=True) if g != 255]
        union = sum(c in pair for pair in pairs)
        if union:
            ious.append(sum(pair == (c, c) for pair in pairs) / union)
    expected = {"segmentation.miou": pytest.approx(statistics.mean(ious))} if ious else {}
    assert judge("segmentation", prediction, truth) == expected


def test_predicted_ids_that_are_no_class_are_errors():
    truth = np.array([[[0, 0, 1, 1]]], np.uint8)
    prediction = np.array([[[0, 7, 1, 255]]], np.uint8)
    assert judge("segmentation", prediction, truth) == {"segmentation.miou": 0.5}


def test_labels_of_other_classes_are_refused():
    with pytest.raises(MetricError, match=r"class id 40.*3 classes"):
        judge("segmentation", np.zeros(SHAPE, np.uint8), np.full(SHAPE, 40, np.uint8))


@given(depths, true_depths, st.none() | st.floats(1, 20))
def test_depth_figures_are_pooled_over_known_pixels(prediction, truth, cap):
    pairs = [(float(p), float(g)) for p, g in zip(prediction.flat, truth.flat, strict=True)
             if math.isfinite(g) and g > 0 and (cap is None or g <= cap)]
    figures = judge("depth", prediction, truth, cap)
    if not pairs:
        assert figures == {}
        return
    assert {key: figures[key] for key in DepthMetric.FIGURES} == pytest.approx({
        "depth.rmse_m": math.sqrt(statistics.mean((p - g) ** 2 for p, g in pairs)),
        "depth.abs_rel": statistics.mean(abs(p - g) / g for p, g in pairs),
        "depth.delta1": statistics.mean(max(p / g, g / p) < 1.25 for p, g in pairs),
        "depth.delta2": statistics.mean(max(p / g, g / p) < 1.25**2 for p, g in pairs),
        "depth.delta3": statistics.mean(max(p / g, g / p) < 1.25**3 for p, g in pairs),
    })


def test_rmse_is_not_a_mean_of_image_values():
    truth = np.full((2, 1, 4), 2.0, np.float32)
    truth[1, 0, 1:] = np.nan
    prediction = np.full((2, 1, 4), 2.0, np.float32)
    prediction[1] = 4.0
    assert judge("depth", prediction, truth)["depth.rmse_m"] == pytest.approx(math.sqrt(4 / 5))


@given(vectors, vectors)
def test_normal_angles_agree_with_the_scalar_product(prediction, truth):
    angles = []
    for p, g in zip(prediction.reshape(-1, 3).astype(float), truth.reshape(-1, 3).astype(float), strict=True):
        lengths = np.linalg.norm(p) * np.linalg.norm(g)
        if lengths > 0:
            angles.append(math.degrees(math.acos(np.clip(p @ g / lengths, -1, 1))))
    figures = judge("normals", prediction, truth)
    if not angles:
        assert figures == {}
        return
    assert figures["normals.mean_deg"] == pytest.approx(statistics.mean(angles), abs=0.02)
    low, high = statistics.median_low(angles), statistics.median_high(angles)
    assert low - 2 * MEDIAN_STEP_DEG <= figures["normals.median_deg"] <= high + 2 * MEDIAN_STEP_DEG
    for limit, key in ((11.25, "within_11_25"), (22.5, "within_22_5"), (30, "within_30")):
        # Angles within rounding of the limit may fall on either side.
        sure, possible = (np.mean([angle < limit + slack for angle in angles]) for slack in (-0.02, 0.02))
        assert sure <= figures[f"normals.{key}"] <= possible


def test_vectors_of_no_length_or_nan_are_unknown():
    truth = np.array([[[[0, 0, -1], [0, 0, 0], [np.nan] * 3]]], np.float32)
    prediction = np.full((1, 1, 3, 3), [0, 0, -2], np.float32)
    figures = judge("normals", prediction, truth)
    assert figures["normals.mean_deg"] == 0
    assert figures["normals.within_11_25"] == 1


def edge_loops(prediction: np.ndarray, truth: np.ndarray) -> float:
    """ODS by its definition: every threshold, every pixel, every partner."""
    tolerance = EDGE_TOLERANCE * math.hypot(*truth.shape[1:])
    best = 0.0
    thin = [thin_edges(p) for p in prediction]
    for threshold in EDGE_THRESHOLDS:
        predicted = hits = true = found = 0
        for p, g in zip(thin, truth, strict=True):
            marks, edges = np.argwhere((p >= threshold) & ~np.isnan(g)), np.argwhere(g >= 0.5)
            near = np.linalg.norm(marks[:, None].astype(float) - edges[None], axis=-1) <= tolerance
            predicted, true = predicted + len(marks), true + len(edges)
            hits, found = hits + near.any(1).sum(), found + near.any(0).sum()
        precision, recall = hits / max(predicted, 1), found / max(true, 1)
        if precision + recall:
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.3), st.floats(0, 0.1))
def test_edges_f_measure_equals_the_best_over_all_thresholds(seed, density, unknown):
    # 200 pixels of diagonal, so that the tolerance is larger than one pixel.
    random = np.random.default_rng(seed)
    shape = (2, 120, 160)
    truth = (random.random(shape) < density / 10).astype(np.float32)
    truth[random.random(shape) < unknown] = np.nan
    prediction = np.where(random.random(shape) < 0.05, random.random(shape), 0).astype(np.float32)
    figures = judge("edges", prediction, truth)
    assert figures["edges.f1"] == pytest.approx(edge_loops(prediction, truth))
    assert figures["edges.l1"] == pytest.approx(float(np.nanmean(np.abs(prediction - truth))), abs=1e-6)


def line(column: int, width: int = 1, value: float = 1.0) -> np.ndarray:
    image = np.zeros((1, 192, 256), np.float32)
    image[:, :, column : column + width] = value
    return image


def test_edges_within_the_tolerance_match_and_beyond_it_do_not():
    truth = line(100)
    assert judge("edges", line(102), truth)["edges.f1"] == 1
    assert judge("edges", line(103), truth)["edges.f1"] == 0


def test_thick_edges_do_not_pay():
    """A line nine pixels wide is thinned to one, so it cannot match two lines at once."""
    truth = line(100) + line(108)
    thick = judge("edges", line(100, width=9), truth)["edges.f1"]
    assert thick < judge("edges", line(100) + line(108), truth)["edges.f1"] == 1
    assert np.count_nonzero(thin_edges(line(100, width=9)[0])) == 192


def test_edges_predicted_where_there_are_none_score_nothing():
    assert judge("edges", line(100), np.zeros((1, 192, 256), np.float32))["edges.f1"] == 0


def test_tasks_without_truth_are_left_out_and_every_figure_is_described():
    random = np.random.default_rng(1)
    maps = {
        "segmentation": random.integers(0, CLASSES, SHAPE, np.uint8),
        "depth": random.uniform(1, 5, SHAPE).astype(np.float32),
        "normals": random.normal(size=(*SHAPE, 3)).astype(np.float32),
        "edges": random.random(SHAPE, np.float32),
    }
    metrics = StreamingMetrics(list(TASKS), CLASSES)
    assert metrics.compute() == {}
    metrics.update(maps, {"depth": maps["depth"]})
    assert {key.split(".")[0] for key in metrics.compute()} == {"depth"}
    metrics.update(maps, maps)
    figures = metrics.compute()
    assert list(figures) == list(known_figures())
    assert all(isinstance(value, float) for value in figures.values())
    assert figures["segmentation.miou"] == 1
    assert figures["depth.rmse_m"] == 0


def test_maps_of_different_size_are_refused():
    metrics = StreamingMetrics(["depth"], CLASSES)
    with pytest.raises(MetricError, match=r"depth: prediction is \(1, 2, 2\), truth \(1, 3, 3\)"):
        metrics.update({"depth": np.ones((1, 2, 2), np.float32)}, {"depth": np.ones((1, 3, 3), np.float32)})
