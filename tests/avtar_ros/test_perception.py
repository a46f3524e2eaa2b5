"""From frames to maps: sizes, alignment, batches, and depth that is metric for the camera."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.engines.engine import Engine
from avtar_ros.engines.opening import open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.perception import Frame, Perception
from avtar_ros.tasks import TASKS
from tests.tiny_models import DEPTH, write_tiny_model

WIDTH, HEIGHT = 64, 48


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    write_tiny_model(path, width=WIDTH, height=HEIGHT)
    with open_engine(path) as engine:
        yield engine


def frame(width: int = 2 * WIDTH, height: int = 2 * HEIGHT, seed: int = 0, focal_px: float | None = None) -> Frame:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Frame(image, stamp_ns=seed, focal_px=focal_px)


def split(left: int, right: int, width: int, height: int) -> Frame:
    """A frame whose left half has one grey, and whose right half another."""
    image = np.full((height, width, 3), left, np.uint8)
    image[:, width // 2 :] = right
    return Frame(image, stamp_ns=0)


@pytest.mark.parametrize(("map_size", "size"), [("camera", (99, 131)), ("model", (HEIGHT, WIDTH))])
def test_maps_have_the_size_asked_for(engine: Engine, map_size: str, size: tuple[int, int]) -> None:
    (maps,) = Perception(engine, map_size=map_size)([frame(131, 99)])
    assert list(maps) == list(TASKS)
    for name, task_map in maps.items():
        assert task_map.shape == TASKS[name].shape(*size)
        assert task_map.dtype == TASKS[name].dtype


@given(width=st.integers(1, 200), height=st.integers(1, 200))
def test_frames_of_any_size_are_served(engine: Engine, width: int, height: int) -> None:
    (maps,) = Perception(engine)([frame(width, height)])
    assert maps["depth"].shape == (height, width)
    assert np.isfinite(maps["depth"]).all()


@pytest.mark.parametrize(("width", "height"), [(640, 480), (640, 200), (100, 300), (WIDTH, HEIGHT)])
def test_maps_lie_over_their_image_whatever_its_aspect(engine: Engine, width: int, height: int) -> None:
    (maps,) = Perception(engine)([split(0, 255, width, height)])
    left, right = np.s_[:, : width // 2 - width // 20], np.s_[:, width // 2 + width // 20 :]
    np.testing.assert_allclose(maps["depth"][left], DEPTH.min_m, atol=1e-3)
    np.testing.assert_allclose(maps["depth"][right], DEPTH.max_m, atol=1e-3)
    assert (maps["segmentation"][left] == 0).all()
    assert (maps["segmentation"][right] == 2).all()


@pytest.mark.parametrize("height", [8 * HEIGHT, HEIGHT, HEIGHT // 2])
def test_shrinking_averages_so_that_fine_detail_does_not_alias(engine: Engine, height: int) -> None:
    stripes = np.zeros((height, 8 * WIDTH, 3), np.uint8)
    stripes[:, ::2] = 254
    (maps,) = Perception(engine, map_size="model")([Frame(stripes, 0)])
    np.testing.assert_allclose(maps["depth"], 0.5 + 9.5 * 127 / 255, atol=0.02)


def test_shrinking_to_a_size_that_is_no_fraction_moves_nothing(engine: Engine) -> None:
    """A ramp shows by its greys where each pixel was taken from."""
    ramp = np.empty((5 * HEIGHT // 2, 5 * WIDTH // 2, 3), np.uint8)
    ramp[:] = np.arange(5 * WIDTH // 2, dtype=np.uint8)[:, None]
    (maps,) = Perception(engine, map_size="model")([Frame(ramp, 0)])
    greys = (np.arange(WIDTH) + 0.5) * 2.5 - 0.5
    np.testing.assert_allclose(maps["depth"], np.tile(0.5 + 9.5 * greys / 255, (HEIGHT, 1)), atol=0.04)


def test_an_image_of_the_models_size_goes_in_untouched(engine: Engine) -> None:
    one = frame(WIDTH, HEIGHT)
    (maps,) = Perception(engine)([one])
    np.testing.assert_array_equal(maps["depth"], engine.infer(one.image[None])["depth"][0])


def test_a_batch_gives_each_frame_what_it_gets_alone(engine: Engine) -> None:
    frames = [frame(200, 100, seed=1), frame(WIDTH, HEIGHT, seed=2, focal_px=90.0), frame(30, 40, seed=3)]
    perception = Perception(engine)
    together = perception(frames)
    for one, maps in zip(frames, together, strict=True):
        (alone,) = Perception(engine)([one])
        for name, task_map in maps.items():
            np.testing.assert_allclose(task_map, alone[name], atol=1e-5)


def test_maps_stay_what_they_were_when_the_next_frame_comes(engine: Engine) -> None:
    perception = Perception(engine, map_size="model")
    (first,) = perception([frame(seed=1)])
    kept = {name: task_map.copy() for name, task_map in first.items()}
    perception([frame(seed=2)])
    for name, task_map in first.items():
        np.testing.assert_array_equal(task_map, kept[name])


@pytest.mark.parametrize("map_size", ["camera", "model"])
@given(width=st.integers(10, 300), focal_px=st.floats(10, 1000))
def test_depth_is_scaled_by_the_cameras_focal_length_at_the_models_width(
    engine: Engine, map_size: str, width: int, focal_px: float
) -> None:
    perception = Perception(engine, map_size=map_size)
    (unscaled,) = perception([frame(width, 40)])
    (scaled,) = perception([frame(width, 40, focal_px=focal_px)])
    factor = focal_px * WIDTH / width / DEPTH.focal_px
    np.testing.assert_allclose(scaled["depth"], unscaled["depth"] * factor, rtol=1e-4)
    for task in ("segmentation", "normals", "edges"):
        np.testing.assert_array_equal(scaled[task], unscaled[task])


def test_depth_of_the_camera_trained_with_is_the_models(engine: Engine) -> None:
    one = frame(WIDTH, HEIGHT, focal_px=DEPTH.focal_px)
    (maps,) = Perception(engine)([one])
    np.testing.assert_allclose(maps["depth"], engine.infer(one.image[None])["depth"][0], rtol=1e-6)


def test_tasks_can_be_chosen(engine: Engine) -> None:
    (maps,) = Perception(engine, tasks=["edges", "segmentation"])([frame()])
    assert list(maps) == ["edges", "segmentation"]


def test_a_task_that_the_model_has_not_is_refused(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "two.onnx", tasks=("edges", "normals"))
    with open_engine(tmp_path / "two.onnx") as engine:
        assert list(Perception(engine)([frame()])[0]) == ["edges", "normals"]
        with pytest.raises(AvtarError, match=r"'tiny' has no task depth\. Choose among: edges, normals"):
            Perception(engine, tasks=["edges", "depth"])


def test_padded_rows_of_a_message_are_no_hindrance(engine: Engine) -> None:
    padded = np.zeros((96, 140, 3), np.uint8)
    padded[:, :128] = frame(128, 96).image
    (expected,) = Perception(engine)([frame(128, 96)])
    (maps,) = Perception(engine)([Frame(padded[:, :128], 0)])
    np.testing.assert_array_equal(maps["depth"], expected["depth"])


DTYPES = [np.uint8, np.int8, np.uint16, np.int32, np.float16, np.float32, np.float64, np.bool_]
SHAPES = [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4), (1, 5, 7, 3), (0, 7, 3), (5, 0, 3), (7,), ()]
SHAPES += [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 3)]


@given(dtype=st.sampled_from(DTYPES), shape=st.sampled_from(SHAPES))
def test_only_rgb_bytes_are_an_image_and_nothing_else_gives_maps(
    engine: Engine, dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    array = np.ones(shape, dtype)
    perception = Perception(engine)
    perception([frame(seed=1)])  # whose maps are not to come again
    if array.dtype == np.uint8 and len(shape) == 3 and shape[2] == 3 and array.size:
        (maps,) = perception([Frame(array, 0)])
        np.testing.assert_allclose(maps["depth"], 0.5 + 9.5 / 255, atol=1e-4)
    else:
        with pytest.raises(AvtarError, match=r"image.* RGB uint8 \(H, W, 3\)"):
            perception([Frame(array, 0)])


@given(
    width=st.integers(1, 140), height=st.integers(1, 110), step_x=st.sampled_from([-3, -1, 1, 2]),
    step_y=st.sampled_from([-2, -1, 1, 3]), reverse=st.booleans(), order=st.sampled_from("CF"),
    writeable=st.booleans(), seed=st.integers(0, 99),
)
def test_an_image_gives_the_same_maps_however_it_lies_in_memory(
    engine: Engine, width: int, height: int, step_x: int, step_y: int, reverse: bool, order: Any, writeable: bool,
    seed: int,
) -> None:
    whole = np.asarray(frame(width * abs(step_x), height * abs(step_y), seed).image, order=order)
    view = whole[::step_y, ::step_x, :: -1 if reverse else 1]
    view.setflags(write=writeable)
    perception = Perception(engine)
    perception([frame(seed=seed + 100)])
    (maps,) = perception([Frame(view, 0)])
    (expected,) = Perception(engine)([Frame(np.ascontiguousarray(view), 0)])
    for task, task_map in maps.items():
        np.testing.assert_array_equal(task_map, expected[task])


def test_what_is_no_array_is_no_image() -> None:
    with pytest.raises(AvtarError, match="not str"):
        Frame("office.jpg", 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("focal_px", [0.0, -5.0, float("nan"), float("inf")])
def test_a_focal_length_that_cannot_be_is_refused(focal_px: float) -> None:
    with pytest.raises(AvtarError, match="focal length"):
        frame(focal_px=focal_px)
