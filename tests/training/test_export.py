"""From checkpoint to ONNX: the graph gives what PyTorch gives, carries its card, and costs the robot no task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from avtar_ros.engines.opening import open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.metrics import known_figures
from avtar_ros.model_card import read_onnx_card
from avtar_ros.tasks import TASKS
from tests.training import tiny
from training import export as module
from training.checkpoint import Checkpoint, load_checkpoint, model_tensors
from training.data.synthetic_rooms import render_rooms
from training.errors import TrainingError
from training.evaluate import torch_infer
from training.export import ExportOptions, compare, export, load_model
from training.fit import build_model


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_engine_gives_what_pytorch_gives(family: str, tmp_path: Path) -> None:
    checkpoint, path = tiny.adapted_checkpoint(tiny.FAMILIES[family]), tmp_path / "model.onnx"
    export(checkpoint, path, ExportOptions(rooms=0))
    infer = torch_infer(load_model(checkpoint))
    noise = np.random.default_rng(1).integers(0, 256, (1, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8)
    rooms = render_rooms(range(3), tiny.WIDTH, tiny.HEIGHT).image.numpy()
    with open_engine(path) as engine:
        for pictures in (noise, rooms):
            got, expected = engine.infer(pictures), infer(pictures)
            assert list(got) == list(TASKS)
            for name, task in TASKS.items():
                assert got[name].dtype == expected[name].dtype == task.dtype
                assert got[name].shape == (len(pictures), *task.shape(tiny.HEIGHT, tiny.WIDTH))
            assert np.mean(got["segmentation"] == expected["segmentation"]) >= 0.999
            for name in ("depth", "normals", "edges"):
                np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=1e-3)
                np.testing.assert_allclose(got[name], expected[name], rtol=2e-4, atol=2e-4)
            assert len(np.unique(got["segmentation"])) > 3, "a model that says the same everywhere compares nothing"
            assert got["depth"].std() > 0.05
            np.testing.assert_allclose(np.linalg.norm(got["normals"], axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_depth_along_normals_is_a_part_of_the_graph(precision: str, tmp_path: Path) -> None:
    """In float32 also where the network is in half precision."""
    plain, path = tiny.adapted_checkpoint(), tmp_path / "model.onnx"
    model = plain.config.model.model_copy(update={"depth_along_normals": True})
    checkpoint = replace(plain, config=plain.config.model_copy(update={"model": model}))
    export(checkpoint, path, ExportOptions(rooms=0, precision=precision))
    rooms = render_rooms(range(3), tiny.WIDTH, tiny.HEIGHT).image.numpy()
    expected, without = (torch_infer(load_model(of))(rooms)["depth"] for of in (checkpoint, plain))
    with open_engine(path) as engine:
        np.testing.assert_allclose(engine.infer(rooms)["depth"], expected, rtol=2e-4 if precision == "fp32" else 0.02)
    assert np.abs(expected / without - 1).max() > 0.01


def test_the_graph_keeps_the_contract(exported: Path) -> None:
    model = onnx.load(str(exported))
    onnx.checker.check_model(model)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] >= 18
    (image,) = model.graph.input
    assert image.name == "image"
    assert image.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    batch, *size = image.type.tensor_type.shape.dim
    assert batch.dim_param and [dim.dim_value for dim in size] == [tiny.HEIGHT, tiny.WIDTH, 3]
    assert [output.name for output in model.graph.output] == list(TASKS)
    for output in model.graph.output:
        dtype = np.dtype(TASKS[output.name].dtype)
        assert output.type.tensor_type.elem_type == onnx.helper.np_dtype_to_tensor_dtype(dtype)
        assert output.type.tensor_type.shape.dim[0].dim_param == batch.dim_param


def test_the_card_travels_in_the_file_with_what_was_measured(exported: Path, checkpoint_path: Path) -> None:
    card = read_onnx_card(exported)
    checkpoint = load_checkpoint(checkpoint_path)
    assert card.replace(metrics={}, provenance={}) == checkpoint.card
    assert card.metrics.keys() == known_figures().keys()
    assert card.provenance["phase"] == "adapters"
    assert card.provenance["steps"] == "6"
    assert card.provenance["exported_by"] == "avtar-train export"
    assert card.provenance["measured_on"] == "3 synthetic rooms from seed 7"


def test_what_depends_on_the_tasks_alone_is_constant(exported: Path, checkpoint_path: Path) -> None:
    """No weight that only conditions is in the file, and no node works on constants alone."""
    graph = onnx.load(str(exported)).graph
    weights = {initialiser.name: initialiser for initialiser in graph.initializer}
    conditioning = ("film", "task_scale", "task_shift", "task_embedding", "position_bias", "affinity", "gamma", "beta")
    assert not [name for name in weights if any(word in name for word in conditioning)]

    known = {name for name in weights if name}
    folded = []
    for node in graph.node:
        if node.op_type == "Constant" or all(name in known for name in node.input if name):
            known.update(node.output)
            if node.op_type != "Constant":
                folded.append(node.op_type)
    assert folded == []

    # What took its place: position bias, shift mask and A' in one constant for each layer.
    conditions = load_model(load_checkpoint(checkpoint_path)).conditions
    kept = {array.tobytes() for array in map(numpy_helper.to_array, weights.values())}
    for stage in conditions:
        for condition in stage:
            assert condition.attention.numpy().tobytes() in kept


def altered(source: Path, path: Path, name_part: str) -> None:
    """A copy of a model with one weight changed a little."""
    model = onnx.load(str(source))
    (weight,) = (w for w in model.graph.initializer if name_part in w.name)
    values = numpy_helper.to_array(weight).copy()
    values += 0.05 * np.abs(values).max() + 0.01
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, str(path))


@pytest.mark.parametrize(
    ("weight", "task"),
    [("heads.depth.0.bias", "depth"), ("heads.edges.0.bias", "edges"), ("adapters.3.1.norm_before.bias", "")],
)
def test_a_graph_that_gives_something_else_is_refused_and_nothing_is_written(
    exported: Path, checkpoint_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weight: str, task: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(module, "write_graph", lambda model, path: altered(exported, path, weight))
    with pytest.raises(TrainingError, match=f"differs from PyTorch in {task}.*Nothing was written"):
        export(load_checkpoint(checkpoint_path), out / "model.onnx", ExportOptions(rooms=0))
    assert list(out.iterdir()) == []


def test_a_refused_export_leaves_the_earlier_file(
    exported: Path, checkpoint_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(exported.read_bytes())
    monkeypatch.setattr(module, "write_graph", lambda model, path: altered(exported, path, "heads.depth.0.bias"))
    with pytest.raises(TrainingError):
        export(load_checkpoint(checkpoint_path), path, ExportOptions(rooms=0))
    assert path.read_bytes() == exported.read_bytes()


def test_what_is_no_export_is_not_written_over(exported: Path, checkpoint_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"somebody's own")
    with pytest.raises(AvtarError, match="was not made by this command"):
        export(load_checkpoint(checkpoint_path), path, ExportOptions(rooms=0))
    assert path.read_bytes() == b"somebody's own"


def test_ids_may_differ_on_a_pixel_in_a_thousand_and_no_more(exported: Path, checkpoint_path: Path) -> None:
    model = load_model(load_checkpoint(checkpoint_path))
    pixels = tiny.HEIGHT * tiny.WIDTH
    images = [np.zeros((1, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8)]

    class Slipping:
        """An engine that gives other ids on some pixels, or values that are no numbers."""

        def __init__(self, wrong_ids: int, value: float = 0.0) -> None:
            self.wrong_ids, self.value = wrong_ids, value

        def infer(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
            maps = torch_infer(model)(pictures)
            maps["segmentation"].reshape(-1)[: self.wrong_ids] ^= 1
            maps["edges"].reshape(-1)[:1] += self.value
            return maps

    compare(model, Slipping(pixels // 1000), images)
    with pytest.raises(TrainingError, match="segmentation"):
        compare(model, Slipping(pixels // 1000 + 1), images)
    for value in (0.002, np.nan):
        with pytest.raises(TrainingError, match="edges"):
            compare(model, Slipping(0, value), images)


def test_pictures_of_the_user_are_compared_too(
    exported: Path, checkpoint_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "write_graph", lambda model, path: path.write_bytes(exported.read_bytes()))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "a.jpg"), np.full((100, 90, 3), (10, 60, 200), np.uint8))
    out = tmp_path / "new" / "model.onnx"
    export(load_checkpoint(checkpoint_path), out, ExportOptions(rooms=0, images=pictures))
    assert read_onnx_card(out).metrics == {}
    assert read_onnx_card(out).provenance["measured_on"] == "not measured"
    assert [path.name for path in out.parent.iterdir()] == ["model.onnx"]

    (pictures / "b.txt").write_text("no picture")
    with pytest.raises(TrainingError, match=r"b\.txt: not a picture"):
        export(load_checkpoint(checkpoint_path), out, ExportOptions(rooms=0, images=pictures))


def test_a_checkpoint_without_adapters_is_refused() -> None:
    config = tiny.run_config()
    model = build_model(config, "backbone", tiny.card())
    checkpoint = Checkpoint(config, tiny.card(), "backbone", 4, model_tensors(model))
    with pytest.raises(TrainingError, match="phase 'backbone', which has no adapters yet"):
        load_model(checkpoint)
