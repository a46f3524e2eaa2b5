"""A run is told by its metrics, its times and a few of its frames."""

from __future__ import annotations

import numpy as np
import pytest

from avtar_ros.metrics import StreamingMetrics, known_figures
from avtar_ros.model_card import ModelCard
from avtar_ros.perception import Frame
from avtar_ros.replay.judging import tally
from avtar_ros.replay.judging.judge import CLASS_IOU, CLASS_SHARE, PICTURE_WIDTH, SHOWN_FRAMES, Judge, fit
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
    assert {key: judge.figures[key] for key in known_figures()} == pytest.approx(metrics.compute())
    assert [(t.stamp_ns, t.latency_ns) for t in judge.times] == [(stamp, i) for i, stamp in enumerate(stamps(3))]


def test_truth_beyond_the_depth_cap_is_not_judged(card: ModelCard) -> None:
    judge = Judge(card, max_depth_m=2.0)
    depth = np.array([[1, 5]], np.float32)
    judge.add(Frame(image(0), 0), {"depth": np.array([[1, 1]], np.float32)}, {"depth": depth}, 0)
    assert judge.figures["depth.rmse_m"] == 0


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


def judge_of(card: ModelCard, frames: int, **options: float) -> Judge:
    judge = Judge(card, **options)
    for i, stamp in enumerate(stamps(frames)):
        judge.add(Frame(image(i), stamp, focal_px=60.0), truth(i), truth(i + 1), latency_ns=i, camera="/one")
    return judge


def test_every_frame_has_its_own_figures(card: ModelCard) -> None:
    table = judge_of(card, 4).table
    metrics = StreamingMetrics(["depth"], len(CLASSES))
    metrics.update({"depth": truth(2)["depth"][None]}, {"depth": truth(3)["depth"][None]})
    assert table.columns["depth.rmse_m"][2] == pytest.approx(metrics.compute()["depth.rmse_m"])
    assert table.columns["segmentation.flicker"][0] != table.columns["segmentation.flicker"][0]  # none before it: NaN
    assert list(table.stamps_ns) == stamps(4)


def test_bands_hold_the_pixels_that_are_truly_at_that_distance(card: ModelCard) -> None:
    judge = Judge(card)
    true = np.array([[1, 1, 3, 7, 20, np.nan]], np.float32)
    judge.add(Frame(image(0), 0), {"depth": true + np.float32([[1, 2, 3, 4, 5, 6]])}, {"depth": true}, 0)
    bands = {band: figures["depth.rmse_m"] for band, figures in judge.breakdown["True distance"].items()}
    assert bands == pytest.approx({"0–2 m": np.sqrt(2.5), "2–5 m": 3, "5–10 m": 4, "> 10 m": 5})
    assert judge.figures["depth.rmse_m"] == pytest.approx(np.sqrt((1 + 4 + 9 + 16 + 25) / 5))


def test_classes_have_their_iou(card: ModelCard) -> None:
    judge = Judge(card)
    predicted, true = np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 1, 1, 255]], np.uint8)
    judge.add(Frame(image(0), 0), {"segmentation": predicted}, {"segmentation": true}, 0)
    ious = {name: figures["segmentation.iou"] for name, figures in judge.breakdown["Class"].items()}
    assert ious == {"dark": 0.5, "grey": 0.5}


def test_cameras_are_told_apart_where_there_are_several(card: ModelCard) -> None:
    judge = judge_of(card, 2)
    assert "Camera" not in judge.breakdown
    alone = Judge(card)
    for j in (judge, alone):
        j.add(Frame(image(0), 0), truth(0), truth(0), 0, camera="/two")
    assert judge.breakdown["Camera"]["/two"] == alone.figures
    assert judge.breakdown["Camera"]["/one"]["depth.rmse_m"] > judge.figures["depth.rmse_m"]


def test_scaled_depth_is_judged_up_to_the_scale_of_each_frame(card: ModelCard) -> None:
    judge = Judge(card)
    for i in range(3):
        depth = truth(i)["depth"]
        judge.add(Frame(image(i), i), {"depth": depth * np.float32(1 + i)}, {"depth": depth}, 0)
    assert judge.figures["depth.rmse_m"] > 1
    assert judge.figures["depth.scaled_rmse_m"] == pytest.approx(0, abs=1e-6)
    assert judge.figures["depth.scaled_delta1"] == 1


def test_normals_are_judged_against_those_of_true_depth_where_only_that_is_known(card: ModelCard) -> None:
    y, _ = np.mgrid[:48, :64].astype(np.float32)
    # The floor n·P = -1 with n = (0, -0.6, -0.8), seen with a focal length of 60 px.
    floor = 1 / (0.6 * (y - 23.5) / 60 + 0.8)
    normals = np.broadcast_to(np.array([0, -0.6, -0.8], np.float32), (48, 64, 3)).copy()
    judge = Judge(card)
    judge.add(Frame(image(0), 0, focal_px=60.0), {"depth": floor, "normals": normals}, {"depth": floor}, 0)
    assert judge.figures["normals.mean_deg"] == pytest.approx(0, abs=0.1)
    assert judge.figures["normals.from_depth_deg"] == pytest.approx(0, abs=0.1)


def test_the_worst_frames_of_each_task_are_kept_with_their_pictures(card: ModelCard) -> None:
    judge = Judge(card)
    errors = [0.1, 0.9, 0.3, 0.7, 0.2, 0.5]
    for i, error in enumerate(errors):
        depth = truth(0)["depth"]
        judge.add(Frame(image(i), i), {"depth": depth + np.float32(error)}, {"depth": depth}, 0)
    worst = judge.worst["depth.rmse_m"]
    assert [frame.frame.stamp_ns for frame in worst] == [1, 3]
    assert [frame.value for frame in worst] == pytest.approx([0.9, 0.7])
    assert worst[0].frame.pictures


def test_memory_of_sums_is_bounded_and_nothing_is_lost(card: ModelCard, monkeypatch) -> None:
    monkeypatch.setattr(tally, "MOST_BLOCKS", 4)
    judge = judge_of(card, 37)
    arrays = judge.blocks.arrays()
    assert judge.blocks.frames_each == 8
    assert {len(rows) for rows in arrays.values()} == {5}
    whole = {meter.name: meter for meter in judge.meters}["depth"].figures(arrays["depth"].sum(axis=0))
    assert whole == pytest.approx({key: judge.figures[key] for key in whole})


def test_a_class_that_the_recording_lacks_is_shown_apart(card: ModelCard) -> None:
    judge = Judge(card, tasks=["segmentation"])
    wall, floor, sofa = (c.name for c in CLASSES[:3])
    truth = np.repeat(np.uint8([[0, 0, 1, 1]]), 4, axis=0)
    predicted = np.repeat(np.uint8([[0, 0, 1, 2]]), 4, axis=0)
    judge.add(Frame(np.zeros((4, 4, 3), np.uint8), 0), {"segmentation": predicted}, {"segmentation": truth}, 0)
    assert judge.figures["segmentation.miou"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert judge.figures["segmentation.miou_of_true"] == pytest.approx((1 + 0.5) / 2)
    assert judge.breakdown["Class"] == {wall: {CLASS_IOU: 1}, floor: {CLASS_IOU: 0.5}}
    assert judge.breakdown["Class that is not in the truth"] == {sofa: {CLASS_SHARE: 0.25}}
