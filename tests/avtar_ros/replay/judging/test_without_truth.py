"""What is measured without ground truth, on frames made so that the answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from avtar_ros.perception import Frame
from avtar_ros.replay.judging.consistency import DepthNormalsMeter, EdgesBoundariesMeter
from avtar_ros.replay.judging.image_quality import ImageQualityMeter
from avtar_ros.replay.judging.meters import View
from avtar_ros.replay.judging.stability import StabilityMeter, StaticPixels
from avtar_ros.replay.judging.unlikeness import look, unlikeness

HEIGHT, WIDTH = 96, 128
MS = 1_000_000


def texture(seed: int = 0, sharp_px: float = 1.5) -> np.ndarray:
    """An RGB image (H, W, 3) with detail at which motion can be seen, as fine as `sharp_px`."""
    noise = np.random.default_rng(seed).random((HEIGHT, WIDTH, 3), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sharp_px)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def pair(before: np.ndarray, now: np.ndarray, maps_before: dict, maps_now: dict, gap_ns: int = 33 * MS) -> View:
    return View(Frame(now, gap_ns, focal_px=100.0), maps_now, {}, View(Frame(before, 0), maps_before, {}))


def stability(task: str, view: View) -> dict[str, float]:
    meter = StabilityMeter(task, StaticPixels())
    sums = meter.measure(view)
    return {} if sums is None else meter.figures(sums)


def tilted(degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.broadcast_to(np.float32([np.sin(angle), 0, -np.cos(angle)]), (HEIGHT, WIDTH, 3)).copy()


HALF = np.arange(WIDTH) < WIDTH // 2
CONSTRUCTED = {
    # A quarter of the ids change; depth grows by 10 %; normals turn by 7°; half of the edges rise by 0.4.
    "segmentation": (np.zeros((HEIGHT, WIDTH), np.uint8),
                     np.where(HALF & (np.arange(HEIGHT) < HEIGHT // 2)[:, None], 1, 0).astype(np.uint8), 0.25),
    "depth": (np.full((HEIGHT, WIDTH), 2, np.float32), np.full((HEIGHT, WIDTH), 2.2, np.float32), np.log(1.1)),
    "normals": (tilted(0), tilted(7), 7),
    "edges": (np.zeros((HEIGHT, WIDTH), np.float32),
              np.broadcast_to(np.where(HALF, 0.4, 0), (HEIGHT, WIDTH)).astype(np.float32), 0.2),
}


@pytest.mark.parametrize("task", CONSTRUCTED)
def test_jitter_of_a_still_scene_is_how_much_the_map_changes(task: str) -> None:
    before, now, expected = CONSTRUCTED[task]
    (value,) = stability(task, pair(texture(), texture(), {task: before}, {task: now})).values()
    assert value == pytest.approx(expected, rel=1e-4)
    (steady,) = stability(task, pair(texture(), texture(), {task: now}, {task: now})).values()
    assert steady == pytest.approx(0, abs=1e-6)


def test_what_moves_is_no_jitter() -> None:
    """The left half of the image moves by 4 px, and only there the map changes."""
    now = texture()
    now[:, : WIDTH // 2] = np.roll(texture(), 4, axis=1)[:, : WIDTH // 2]
    before, changed, _ = CONSTRUCTED["edges"]
    (value,) = stability("edges", pair(texture(), now, {"edges": before}, {"edges": changed})).values()
    assert value < 0.02


def test_frames_far_apart_or_of_different_cameras_are_not_compared() -> None:
    before, now, _ = CONSTRUCTED["depth"]
    assert stability("depth", pair(texture(), texture(), {"depth": before}, {"depth": now}, gap_ns=2000 * MS)) == {}
    assert stability("depth", pair(texture()[:48], texture(), {"depth": before}, {"depth": now})) == {}
    assert stability("depth", View(Frame(texture(), 0), {"depth": now}, {})) == {}


def plane(normal: np.ndarray, focal_px: float) -> np.ndarray:
    """Depth of the plane n·P = -2."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rays = np.dstack([(x - (WIDTH - 1) / 2) / focal_px, (y - (HEIGHT - 1) / 2) / focal_px, np.ones_like(x)])
    return (-2 / (rays @ normal)).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 5, 20])
def test_depth_and_normals_disagree_by_the_angle_between_them(degrees: float) -> None:
    meter = DepthNormalsMeter()
    maps = {"depth": plane(np.array([0.0, 0, -1]), 100), "normals": tilted(degrees)}
    found = meter.figures(meter.measure(View(Frame(texture(), 0, focal_px=100.0), maps, {})))
    assert found == {"normals.from_depth_deg": pytest.approx(degrees, abs=0.05)}
    assert meter.measure(View(Frame(texture(), 0), maps, {})) is None  # the focal length is not known


def test_class_borders_with_an_edge_are_counted() -> None:
    """One border of 96 pixels down the image; an edge runs along its upper three quarters, one pixel beside it."""
    ids = np.where(np.arange(WIDTH) < 64, 1, 2).astype(np.uint8) * np.ones((HEIGHT, 1), np.uint8)
    edges = np.zeros((HEIGHT, WIDTH), np.float32)
    edges[: HEIGHT * 3 // 4, 65] = 0.9
    meter = EdgesBoundariesMeter()
    found = meter.figures(meter.measure(View(Frame(texture(), 0), {"segmentation": ids, "edges": edges}, {})))
    assert found == {"edges.on_boundaries": pytest.approx(0.75, abs=0.01)}
    nothing = {"segmentation": ids, "edges": 0 * edges}
    assert meter.figures(meter.measure(View(Frame(texture(), 0), nothing, {}))) == {"edges.on_boundaries": 0}


@pytest.mark.parametrize(("image", "flag"), [
    (texture(), None),
    (texture() // 10, "image.dark"),
    (np.maximum(texture(), np.where(HALF, 255, 0)[:, None]).astype(np.uint8), "image.overexposed"),
    (texture(sharp_px=8), "image.blurred"),
    (np.full((HEIGHT, WIDTH, 3), 128, np.uint8), None),
])
def test_bad_images_are_flagged_for_what_they_are(image: np.ndarray, flag: str | None) -> None:
    meter = ImageQualityMeter()
    found = meter.figures(meter.measure(View(Frame(image, 0), {}, {})))
    assert {key for key, value in found.items() if value} == ({flag} if flag else set())


def test_the_odd_frame_looks_least_like_the_rest() -> None:
    steady = [np.clip(texture(0).astype(int) + i, 0, 255).astype(np.uint8) for i in range(10)]
    frames = [*steady[:6], 255 - texture(0), *steady[6:]]
    found = unlikeness([look(frame) for frame in frames])
    assert found.argmax() == 6
    assert found[6] > 2 * np.delete(found, 6).max()
    assert unlikeness([]).shape == (0,)
