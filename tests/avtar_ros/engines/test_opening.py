"""Engines: what a model file gives, and what is said of one that cannot be run."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from avtar_ros.engines.engine import Engine, EngineError, EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.model_card import CARD_KEY, CardError
from tests.tiny_models import CLASSES, DEPTH, tiny_model, write_tiny_model

WIDTH, HEIGHT = 64, 48


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    write_tiny_model(path, width=WIDTH, height=HEIGHT)
    return path


@pytest.fixture
def engine(model: Path) -> Iterator[Engine]:
    with open_engine(model) as engine:
        yield engine


def images(batch: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (batch, HEIGHT, WIDTH, 3), np.uint8)


@pytest.mark.parametrize("batch", [1, 3])
def test_every_task_of_the_card_has_a_map_of_the_contract_for_each_image(engine: Engine, batch: int) -> None:
    maps = engine.infer(images(batch))
    assert list(maps) == list(engine.card.tasks)
    for task in engine.card.task_records:
        assert maps[task.name].shape == (batch, *task.shape(HEIGHT, WIDTH))
        assert maps[task.name].dtype == task.dtype


def test_maps_are_what_the_model_computes(engine: Engine) -> None:
    batch = images(2)
    maps = engine.infer(batch)
    grey = batch.mean(axis=-1) / 255
    np.testing.assert_allclose(maps["depth"], 0.5 + 9.5 * grey, atol=1e-4)
    np.testing.assert_allclose(maps["edges"], 2 * np.abs(grey - 0.5), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(maps["normals"], axis=-1), 1, atol=1e-4)
    assert (np.abs(maps["segmentation"] - 2.999 * grey) < 1.001).all()


def test_maps_belong_to_the_caller(engine: Engine) -> None:
    first = engine.infer(images(1, seed=1))["depth"]
    kept = first.copy()
    engine.infer(images(1, seed=2))
    np.testing.assert_array_equal(first, kept)


def test_the_card_comes_with_the_model(tmp_path: Path) -> None:
    card = write_tiny_model(tmp_path / "two.onnx", tasks=("edges", "depth"), metrics={"edges.f1": 0.5})
    with open_engine(tmp_path / "two.onnx") as engine:
        assert engine.card == card
        assert set(engine.infer(images(1))) == {"edges", "depth"}


def test_the_engine_says_what_it_runs_on(engine: Engine) -> None:
    assert "ONNX Runtime" in engine.description
    assert "CPUExecutionProvider" in engine.description


def test_threads_and_providers_can_be_chosen(model: Path) -> None:
    with open_engine(model, EngineOptions(threads=1, providers=("CPUExecutionProvider",))) as engine:
        assert engine.description.endswith(", CPUExecutionProvider")


def test_a_provider_that_is_not_there_is_refused(model: Path) -> None:
    with pytest.raises(EngineError, match=r"no AbacusExecutionProvider. Available: .*CPUExecutionProvider"):
        open_engine(model, EngineOptions(providers=("AbacusExecutionProvider",)))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, HEIGHT, WIDTH + 1, 3), np.uint8),
        np.zeros((1, HEIGHT, WIDTH, 4), np.uint8),
        np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        np.zeros((1, HEIGHT, WIDTH, 3), np.float32),
        np.zeros((0, HEIGHT, WIDTH, 3), np.uint8),
    ],
    ids=lambda array: f"{array.shape}-{array.dtype}",
)
def test_images_of_another_shape_or_type_are_refused(engine: Engine, wrong: np.ndarray) -> None:
    with pytest.raises(EngineError, match=r"takes uint8 \(B, 48, 64, 3\)"):
        engine.infer(wrong)


def test_closing_twice_is_harmless_and_a_closed_engine_says_so(model: Path) -> None:
    engine = open_engine(model)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(images(1))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no\.onnx: no such model file.*avtar-train export"):
        open_engine(tmp_path / "no.onnx")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"x")
    with pytest.raises(EngineError, match=r"unknown kind of model '\.pt'"):
        open_engine(tmp_path / "weights.pt")


@pytest.mark.parametrize("content", [b"", b"no model at all", bytes(5000)])
def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.onnx").write_bytes(content)
    with pytest.raises(EngineError, match=r"other\.onnx: .*Copy or export it again"):
        open_engine(tmp_path / "other.onnx")


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(model: Path, tmp_path: Path, part: float) -> None:
    content = model.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: int(part * len(content))])
    with pytest.raises(AvtarError, match=r"cut\.onnx"):
        open_engine(tmp_path / "cut.onnx")


def test_one_whose_text_is_none_is_refused_and_nothing_else_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "x.onnx"
    write_tiny_model(model)
    data = model.read_bytes().replace(b"Cast", b"Ca\xfft")  # an operator
    model.write_bytes(data)
    with pytest.raises(AvtarError):
        open_engine(model)
    assert "Falling back" not in capfd.readouterr().out


def test_a_model_without_a_card_is_refused(tmp_path: Path) -> None:
    card = write_tiny_model(tmp_path / "with.onnx")
    onnx.save(tiny_model(card), str(tmp_path / "without.onnx"))
    with pytest.raises(CardError, match=r"without\.onnx: this ONNX file has no model card"):
        open_engine(tmp_path / "without.onnx")


@pytest.mark.parametrize(
    "promise",
    [
        {"tasks": ("segmentation", "depth")},
        {"width": 32},
        {"height": 32},
    ],
    ids=str,
)
def test_a_model_that_breaks_its_cards_promise_is_refused(tmp_path: Path, promise: dict[str, object]) -> None:
    card = write_tiny_model(tmp_path / "kept.onnx", classes=CLASSES, depth=DEPTH)
    broken = tiny_model(card)
    broken.metadata_props.add(key=CARD_KEY, value=card.replace(**promise).to_json())
    onnx.save(broken, str(tmp_path / "broken.onnx"))
    with pytest.raises(EngineError, match=r"broken\.onnx: the graph .* card promises .*Export the model again"):
        open_engine(tmp_path / "broken.onnx")


def test_an_output_of_another_type_is_refused(tmp_path: Path) -> None:
    card = write_tiny_model(tmp_path / "kept.onnx", tasks=("depth",))
    model = tiny_model(card)
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    model.graph.node[-1].output[0] = "single"
    model.graph.node.append(onnx.helper.make_node("Cast", ["single"], ["depth"], to=onnx.TensorProto.DOUBLE))
    model.metadata_props.add(key=CARD_KEY, value=card.to_json())
    onnx.save(model, str(tmp_path / "double.onnx"))
    with pytest.raises(EngineError, match=r"double\.onnx: .*depth"):
        open_engine(tmp_path / "double.onnx")
