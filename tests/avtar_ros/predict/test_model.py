"""Maps of pictures in Python: what is taken, what is given back, and what depth is metric for."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import avtar_ros
from avtar_ros.tasks import TASKS
from tests.tiny_models import DEPTH, write_tiny_model

WIDTH, HEIGHT = 80, 60
MODEL_WIDTH = 64


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[avtar_ros.Model]:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    write_tiny_model(path)
    with avtar_ros.load(path) as model:
        yield model


def pixels(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write_jpeg(path: Path, image: NDArray[np.uint8], **tags: Any) -> Path:
    """A JPEG with EXIF tags of the exposure."""
    picture = Image.fromarray(image)
    exif = picture.getexif()
    exif.get_ifd(0x8769).update({TAGS[name]: value for name, value in tags.items() if name != "orientation"})
    if "orientation" in tags:
        exif[0x0112] = tags["orientation"]
    picture.save(path, quality=100, exif=exif)
    return path


TAGS = {
    "focal_35mm": 0xA405, "focal_mm": 0x920A, "width": 0xA002, "height": 0xA003, "pixels_per_unit": 0xA20E,
    "unit": 0xA210,
}


def test_the_three_lines_of_the_documentation(tmp_path: Path, tiny_model: Path) -> None:
    image = pixels()
    cv2.imwrite(str(tmp_path / "office.png"), image[..., ::-1])
    model = avtar_ros.load(str(tiny_model))
    maps = model.predict(tmp_path / "office.png", focal_px=585)
    for task in TASKS.values():
        assert maps[task.name].shape == task.shape(HEIGHT, WIDTH)
        assert maps[task.name] is getattr(maps, task.name)
    assert list(maps) == list(TASKS)
    assert maps.classes == ("dark", "grey", "light")
    assert len(maps.points()) == WIDTH * HEIGHT
    assert maps.picture().ndim == 3


def test_a_file_an_array_and_pillows_image_give_the_same(model: avtar_ros.Model, tmp_path: Path) -> None:
    image = pixels()
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    of_file = model.predict(str(tmp_path / "a.png"))
    of_array = model.predict(image)
    of_pillow = model.predict(Image.fromarray(image))  # type: ignore[call-overload]
    for task in TASKS:
        np.testing.assert_array_equal(of_file[task], of_array[task])
        np.testing.assert_array_equal(of_pillow[task], of_array[task])


def test_lists_and_generators_are_answered_in_kind(model: avtar_ros.Model) -> None:
    images = [pixels(seed, 40 + seed) for seed in range(3)]
    listed = model.predict(images)
    assert [maps.name for maps in listed] == ["image 0", "image 1", "image 2"]
    taken = []
    generated = model.predict(image for image in images if not taken.append(0))  # type: ignore[func-returns-value]
    assert taken == []  # nothing is read before it is asked for
    for image, one, other in zip(images, listed, generated, strict=True):
        assert one.depth.shape == image.shape[:2]
        np.testing.assert_array_equal(one.depth, other.depth)
    assert len(taken) == 3


def test_a_wrong_array_among_others_is_named(model: avtar_ros.Model) -> None:
    with pytest.raises(avtar_ros.AvtarError, match=r"image 1: an image of shape \(60, 80\).*GRAY2RGB"):
        model.predict([pixels(), pixels()[..., 0]])
    with pytest.raises(avtar_ros.AvtarError, match="float64"):
        model.predict(pixels() / 255)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_what_is_no_picture_is_said(model: avtar_ros.Model, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(avtar_ros.AvtarError, match=str(path)):
        model.predict(path)


def test_depth_is_for_the_focal_length_said(model: avtar_ros.Model) -> None:
    image = pixels()
    unknown = model.predict(image)
    assert not unknown.lens.known
    assert unknown.focal_px == DEPTH.focal_px * WIDTH / MODEL_WIDTH
    twice = model.predict(image, focal_px=2 * unknown.focal_px)
    np.testing.assert_allclose(twice.depth, 2 * unknown.depth, rtol=1e-5)
    view = model.predict(image, fov_deg=90)
    assert view.lens.known
    assert view.focal_px == pytest.approx(WIDTH / 2)


IMPOSSIBLE = [{"focal_px": 5, "fov_deg": 60}, {"focal_px": 0}, {"fov_deg": 180}, {"focal_px": float("nan")}]


@pytest.mark.parametrize("said", IMPOSSIBLE)
def test_a_lens_that_cannot_be_is_refused(model: avtar_ros.Model, said: dict[str, float]) -> None:
    with pytest.raises(avtar_ros.AvtarError):
        model.predict(pixels(), **said)


def test_exif_tells_the_focal_length(model: avtar_ros.Model, tmp_path: Path) -> None:
    phone = model.predict(write_jpeg(tmp_path / "phone.jpg", pixels(), focal_35mm=26))
    assert phone.lens.origin == "EXIF"
    assert phone.focal_px == pytest.approx(26 / 43.2666 * 100, rel=1e-4)  # the diagonal of 80 x 60 is 100
    # 24 mm on a sensor 36 mm wide, 6000 pixels: 4000 px; at 80 pixels, 53.3.
    exact = {"focal_mm": 24.0, "width": 6000, "height": 4500, "pixels_per_unit": 6000 / 3.6, "unit": 3}
    camera = model.predict(write_jpeg(tmp_path / "camera.jpg", pixels(), **exact, focal_35mm=24))
    assert camera.focal_px == pytest.approx(4000 * 80 / 6000, rel=1e-3)
    said = model.predict(tmp_path / "phone.jpg", focal_px=70)
    assert said.lens.origin == "given"


def test_exif_data_that_contradict_themselves_are_no_evidence(model: avtar_ros.Model, tmp_path: Path) -> None:
    tags = {"focal_mm": 24.0, "width": 6000, "height": 4500, "pixels_per_unit": 6000 / 3.6, "unit": 3}
    maps = model.predict(write_jpeg(tmp_path / "odd.jpg", pixels(), **tags, focal_35mm=80))
    assert not maps.lens.known


def test_a_turned_picture_is_turned_back_and_keeps_its_focal_length(model: avtar_ros.Model, tmp_path: Path) -> None:
    lying = model.predict(write_jpeg(tmp_path / "lying.jpg", pixels(), focal_35mm=26))
    upright = model.predict(write_jpeg(tmp_path / "upright.jpg", pixels(), focal_35mm=26, orientation=6))
    assert upright.depth.shape == (WIDTH, HEIGHT)
    assert upright.focal_px == pytest.approx(lying.focal_px)


def test_points_are_the_pixels_in_space_with_their_colours(model: avtar_ros.Model, tmp_path: Path) -> None:
    image = pixels()
    maps = model.predict(image, focal_px=100)
    points = maps.points(stride=20)
    assert points.xyz.shape == points.rgb.shape == (12, 3)
    np.testing.assert_array_equal(points.rgb, image[::20, ::20].reshape(-1, 3))
    x, y, z = points.xyz[5]  # row 20, column 20
    assert z == maps.depth[20, 20]
    assert (x / z, y / z) == pytest.approx(((20 - 39.5) / 100, (20 - 29.5) / 100), abs=1e-6)
    assert len(maps.points(max_m=float(np.median(maps.depth)))) == pytest.approx(WIDTH * HEIGHT / 2, rel=0.1)
    points.write_ply(tmp_path / "out.ply")
    content = (tmp_path / "out.ply").read_bytes()
    header, _, body = content.partition(b"end_header\n")
    assert b"element vertex 12\n" in header
    stored = np.frombuffer(body, [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    np.testing.assert_array_equal(stored["xyz"], points.xyz)
    np.testing.assert_array_equal(stored["rgb"], points.rgb)


@given(width=st.integers(1, 300), height=st.integers(1, 300))
def test_pictures_of_any_size_can_be_looked_at(model: avtar_ros.Model, width: int, height: int) -> None:
    picture = model.predict(pixels(0, width, height)).picture()
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


def test_tasks_can_be_chosen_and_others_are_not_there(tiny_model: Path) -> None:
    with avtar_ros.load(tiny_model, tasks=["edges"]) as model:
        maps = model.predict(pixels())
    assert list(maps) == ["edges"]
    maps.picture()
    with pytest.raises(avtar_ros.AvtarError, match="no map of depth was computed, only edges"):
        _ = maps.depth


def test_a_shipped_model_is_found_by_its_name_from_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("avtar-demo", "avtar-demo.onnx", "models/avtar-demo.onnx", None):
        with avtar_ros.load(name, threads=1) as model:
            assert model.card.name == "avtar-demo"
    with pytest.raises(avtar_ros.AvtarError, match=r"nonesuch: no such model.*avtar-demo"):
        avtar_ros.load("nonesuch")


def test_importing_the_package_loads_no_library_until_it_is_used() -> None:
    script = (
        "import sys, avtar_ros; "
        "print(sorted({'numpy', 'cv2', 'yaml', 'PIL'} & set(sys.modules)), 'load' in dir(avtar_ros))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] True"


def test_what_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        _ = avtar_ros.nonesuch
