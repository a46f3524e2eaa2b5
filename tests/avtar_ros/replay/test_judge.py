"""A run is told by its metrics, its times and a few of its frames."""

from __future__ import annotations

import numpy as np
import pytest

from avtar_ros.metrics import StreamingMetrics
from avtar_ros.model_card import ModelCard
from avtar_ros.perception import Frame
from avtar_ros.replay.judge import PICTURE_WIDTH, SHOWN_FRAMES, Judge, fit
from avtar_ros.tasks import TASKS
from tests.tiny_bags import image, stamps, truth
from tests.tiny_models import CLASSES, DEPTH


@pytest.fixture
def card() -> ModelCard:
    return ModelCard("tiny", tuple(TASKS), 64, 48, CLASSES, DEPTH)


def test_figures_are_those_of_the_metrics_with_truth_brought_to_the_maps_size(card: ModelCard) -> None:
    judge, metrics = Judge(card), StreamingMetrics(card.tasks, len(CLASSES))
    for i, stamp in enumerate(stamps(3)):
        maps, larger = truth(i), {task: m.repeat(2, 0).repeat(2, 1) for task, m in truth(i + 1).items()}
        judge.add(Frame(image(i), stamp), maps, larger, latency_ns=i)
        metrics.update({t: m[None] for t, m in maps.items()}, {t: m[None] for t, m in truth(i + 1).items()})
    assert judge.metrics.compute() == metrics.compute()
    assert [(t.stamp_ns, t.latency_ns) for t in judge.times] == [(stamp, i) for i, stamp in enumerate(stamps(3))]


def test_truth_beyond_the_depth_cap_is_not_judged(card: ModelCard) -> None:
    judge = Judge(card, max_depth_m=2.0)
    depth = np.array([[1, 5]], np.float32)
    judge.add(Frame(image(0), 0), {"depth": np.array([[1, 1]], np.float32)}, {"depth": depth}, 0)
    assert judge.metrics.compute()["depth.rmse_m"] == 0


@pytest.mark.parametrize("frames", [0, 1, 2, 5, 40, 333])
def test_a_handful_of_frames_from_begin_to_end_is_shown(card: ModelCard, frames: int) -> None:
    judge = Judge(card.replace(tasks=("edges",), classes=(), depth=None))
    for i, stamp in enumerate(stamps(frames)):
        judge.add(Frame(image(i, 16, 12), stamp), {"edges": np.zeros((12, 16), np.float32)}, {}, 0)
    shown = [stamps(frames).index(frame.stamp_ns) for frame in judge.shown]
    assert len(shown) == min(frames, SHOWN_FRAMES)
    assert shown == sorted(set(shown))
    if frames > SHOWN_FRAMES:
        assert shown[0] == 0
        assert shown[-1] >= frames / 2
        assert max(np.diff(shown)) <= frames / 2


def test_shown_pictures_are_the_image_and_each_map_with_its_truth(card: ModelCard) -> None:
    judge = Judge(card)
    judge.add(Frame(image(0), 7), truth(0), {"depth": truth(0)["depth"]}, 0)
    (frame,) = judge.shown
    assert [picture.title for picture in frame.pictures] == ["Image", *(task.title for task in TASKS.values())]
    assert [picture.title for picture in frame.pictures if picture.truth is not None] == ["Depth"]
    for picture in frame.pictures:
        assert picture.image.shape == (PICTURE_WIDTH * 48 // 64, PICTURE_WIDTH, 3)
    np.testing.assert_array_equal(frame.pictures[2].image, frame.pictures[2].truth)
    edges = frame.pictures[4].image
    assert edges[:, : PICTURE_WIDTH // 4].max() < 30 < edges.max()


def test_truth_is_fitted_without_mixing_values() -> None:
    ids = np.array([[0, 200], [7, 255]], np.uint8)
    fitted = fit(ids, np.zeros((5, 7), np.float32))
    assert fitted.shape == (5, 7)
    assert set(np.unique(fitted)) == {0, 7, 200, 255}
