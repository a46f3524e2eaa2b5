"""Public models as teachers: loaded, mapped and looked through with the right values."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training import tiny_teachers
from training.data.teachers.config import TeacherConfig
from training.data.teachers.opening import classes_of_teachers, open_teachers
from training.data.teachers.opinion import Opinion, Teacher
from training.data.vocabulary import vocabulary
from training.errors import TrainingError
from training.hub import find_model, licence_of

HEIGHT, WIDTH = 48, 64
FOCAL = torch.tensor([40.0, 80.0])
IMAGES = torch.randint(0, 256, (2, HEIGHT, WIDTH, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def opened(model: Path, gives: str, **changes: Any) -> Teacher:
    config = TeacherConfig.model_validate({"model": str(model), "gives": gives.split(), **changes})
    return open_teachers([config], WIDTH, torch.device("cpu"))[0]


def look(model: Path, gives: str, **changes: Any) -> Opinion:
    return opened(model, gives, **changes).look(IMAGES, FOCAL)


def test_metric_depth_is_in_metres_and_scaled_to_the_lens_where_its_own_is_given(tmp_path: Path) -> None:
    folder = tiny_teachers.depth_anything(tmp_path / "depth", metres=5.0)
    depth = look(folder, "depth").depth
    assert depth is not None
    torch.testing.assert_close(depth, torch.full((2, HEIGHT, WIDTH), 5.0))
    scaled = look(folder, "depth", focal_px=40).depth
    assert scaled is not None
    torch.testing.assert_close(scaled[:, 0, 0], torch.tensor([5.0, 10.0]))
    smaller = opened(folder, "depth", focal_px=40).look(IMAGES[:, ::2, ::2].contiguous(), FOCAL / 2).depth
    assert smaller is not None
    torch.testing.assert_close(smaller[:, 0, 0], torch.tensor([5.0, 10.0])), "half the picture, half its focal length"


def test_what_depth_means_is_the_models_or_said(tmp_path: Path) -> None:
    metric, relative = (tiny_teachers.depth_anything(tmp_path / k, kind=k) for k in ("metric", "relative"))
    assert opened(metric, "depth").depth_kind == "metres"
    assert opened(relative, "depth").depth_kind == "disparity"
    assert opened(relative, "depth", depth="relative_depth").depth_kind == "relative_depth"


def test_classes_are_mapped_by_adding_up_their_probabilities(tmp_path: Path) -> None:
    folder = tiny_teachers.segformer(tmp_path / "classes", said="armchair", sure=2.0)
    chosen = opened(folder, "segmentation", classes="ade20k_to_rooms13")
    rooms = vocabulary("rooms13")
    assert chosen.classes == rooms
    probabilities = chosen.look(IMAGES, FOCAL).probabilities
    assert probabilities is not None and probabilities.shape == (2, 14, HEIGHT, WIDTH)
    expected = torch.zeros(14)
    share = torch.tensor([1.0, 1, 1, np.e**2, 1]) / (4 + np.e**2)
    for name, own in zip(("wall", "sofa", None, "chair", "lamp"), share, strict=True):
        place = 13 if name is None else [c.name for c in rooms].index(name)
        expected[place] += own
    torch.testing.assert_close(probabilities[0, :, 5, 5], expected)
    merged = look(folder, "segmentation", classes={"sofa": "seat", "armchair": "seat"}).probabilities
    assert merged is not None
    torch.testing.assert_close(merged[0, :, 0, 0], torch.stack([share[1] + share[3], share[0] + share[2] + share[4]]))


def test_universal_segmentation(tmp_path: Path) -> None:
    folder = tiny_teachers.mask2former(tmp_path / "universal", said="couch")
    probabilities = look(folder, "segmentation", classes={"couch": "sofa", "wall": "wall"}).probabilities
    assert probabilities is not None
    assert (probabilities.argmax(1) == 0).all() and probabilities.shape == (2, 3, HEIGHT, WIDTH)


@pytest.mark.parametrize(("frame", "expected"), [("optical", (0, 0.6, 0.8)), ("opengl", (0, -0.6, -0.8)),
                                                 ("opposite", (0, -0.6, -0.8))])
def test_normals_are_brought_to_the_optical_frame(
    tmp_path: Path, frame: str, expected: tuple[float, float, float]
) -> None:
    normals = look(tiny_teachers.tips(tmp_path / "tips"), "normals", frame=frame).normals
    assert normals is not None
    torch.testing.assert_close(normals, torch.tensor(expected).expand(2, HEIGHT, WIDTH, 3), atol=1e-5, rtol=0)


def test_one_model_gives_several_tasks(tmp_path: Path) -> None:
    folder = tiny_teachers.tips(tmp_path / "tips")
    teacher = opened(folder, "depth normals segmentation", frame="opengl")
    seen = teacher.look(IMAGES, FOCAL)
    assert teacher.depth_kind == "metres" and teacher.licence == "apache-2.0"
    assert seen.depth is not None and seen.depth.shape == (2, HEIGHT, WIDTH)
    assert seen.normals is not None and seen.probabilities is not None and seen.edges is None


def test_an_own_model_teaches_through_its_card(exported: Path) -> None:
    teacher = opened(exported, "depth normals segmentation edges")
    assert teacher.classes == vocabulary("rooms13") and teacher.licence == "Apache-2.0"
    seen = teacher.look(IMAGES, FOCAL)
    from avtar_ros.engines.opening import open_engine

    with open_engine(exported) as engine:
        maps = engine.infer(IMAGES.numpy())
        assert engine.card.depth is not None and (engine.card.width, engine.card.height) == (WIDTH, HEIGHT)
        metres = maps["depth"] * (FOCAL.numpy() / engine.card.depth.focal_px)[:, None, None]
    assert seen.depth is not None and seen.probabilities is not None and seen.normals is not None
    np.testing.assert_allclose(seen.depth.numpy(), metres, rtol=1e-5)
    np.testing.assert_array_equal(seen.probabilities.argmax(1).numpy(), maps["segmentation"])
    np.testing.assert_allclose(seen.normals.numpy(), maps["normals"], atol=1e-5)


def described(**changes: Any) -> dict[str, Any]:
    """What says of `tiny_teachers.graph` how it is used."""
    outputs = {
        "depth": {"name": "distance", "is": "metres"},
        "segmentation": {"name": "logits", "is": "logits", "layout": "nhwc"},
        "normals": {"name": "normals", "is": "unit_normals", "frame": "opengl"},
    }
    return {"width": 32, "height": 32, "labels": ["wall", "couch", "sky"], "outputs": outputs, **changes}


def test_a_graph_without_a_card_teaches_by_its_description(tmp_path: Path) -> None:
    path = tiny_teachers.graph(tmp_path / "any.onnx", logits=3, normals=True)
    grey = torch.full((2, HEIGHT, WIDTH, 3), 51, dtype=torch.uint8)
    teacher = opened(path, "depth segmentation normals", classes={"couch": "sofa"}, onnx=described(), licence="mit")
    seen = teacher.look(grey, FOCAL)
    assert seen.depth is not None and seen.probabilities is not None and seen.normals is not None
    torch.testing.assert_close(seen.depth, torch.full((2, HEIGHT, WIDTH), 1.2))
    assert (seen.probabilities.argmax(1) == 0).all() and [c.name for c in teacher.classes] == ["sofa"]
    torch.testing.assert_close(seen.normals[0, 0, 0], torch.tensor([0, -0.6, -0.8]))
    normalised = opened(path, "depth", onnx=described(mean=[0.1, 0.1, 0.1], std=[0.5, 0.5, 0.5]))
    depth = normalised.look(grey, FOCAL).depth
    assert depth is not None
    torch.testing.assert_close(depth, torch.full((2, HEIGHT, WIDTH), 1.2)), "1 + (0.2 − 0.1) / 0.5"
    lens = opened(path, "depth", focal_px=40, onnx=described()).look(grey, FOCAL).depth
    assert lens is not None
    torch.testing.assert_close(lens[:, 0, 0], torch.tensor([1.2, 2.4]))


def test_a_graph_that_is_not_as_described_is_refused(tmp_path: Path) -> None:
    path = tiny_teachers.graph(tmp_path / "any.onnx", logits=3)
    wrong = described(outputs={"depth": {"name": "deep", "is": "metres"}})
    with pytest.raises(TrainingError, match=r"any\.onnx: has no output deep; it has distance, logits"):
        opened(path, "depth", onnx=wrong)
    other = described(outputs={"segmentation": {"name": "logits", "is": "logits", "layout": "nchw"}})
    with pytest.raises(TrainingError, match=r"output logits is of shape .* as logits it should have 3 channels"):
        look(path, "segmentation", onnx=other)
    with pytest.raises(TrainingError, match=r"inference failed .*; is the input as `onnx` says"):
        look(path, "depth", onnx=described(width=16))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gives": ["smell"]}, "names unknown tasks"),
        ({"gives": []}, "at least 1 item"),
        ({"onnx": described()}, "describes an .onnx file, which `model` is not"),
        ({"model": "a.onnx", "onnx": described(outputs={})}, "lacks depth, which `gives` names"),
        ({"model": "a.onnx", "onnx": described(labels=None)}, "is needed with logits"),
        ({"model": "a.onnx", "onnx": described(outputs={"depth": {"name": "x", "is": "logits"}})}, "is not depth"),
    ],
)
def test_faults_of_a_teachers_config(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TeacherConfig.model_validate({"model": "folder", "gives": ["depth"], **changes})


def test_a_model_that_cannot_give_what_it_is_asked_for_is_refused(tmp_path: Path) -> None:
    depth = tiny_teachers.depth_anything(tmp_path / "depth")
    with pytest.raises(TrainingError, match="is a depth_anything, which gives no segmentation in transformers"):
        opened(depth, "segmentation")
    with pytest.raises(TrainingError, match="transformers has no models for edges; known: depth, segmentation"):
        opened(depth, "edges")
    with pytest.raises(TrainingError, match="nothing says in which frame its normals are; give `frame`"):
        opened(tiny_teachers.tips(tmp_path / "tips"), "normals")
    (depth / "preprocessor_config.json").unlink()
    with pytest.raises(TrainingError, match="its image processor cannot be loaded"):
        opened(depth, "depth")
    (depth / "config.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"not a model that transformers .* knows"):
        opened(depth, "depth")


def test_weights_that_are_missing_are_never_random(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_teachers.segformer(tmp_path / "classes")
    path = folder / "model.safetensors"
    kept = {name: tensor for name, tensor in load_file(path).items() if "classifier" not in name}
    save_file(kept, path, metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"has no weights for decode_head\.classifier.* it is no model for"):
        opened(folder, "segmentation")
    path.unlink()
    with pytest.raises(TrainingError, match=r"its weights cannot be loaded: .* Only safetensors are read"):
        opened(folder, "segmentation")


def test_teachers_of_classes_must_mean_the_same(tmp_path: Path) -> None:
    named = [{"model": str(tiny_teachers.segformer(tmp_path / "a")), "gives": ["segmentation"]},
             {"model": str(tiny_teachers.mask2former(tmp_path / "b")), "gives": ["segmentation"]}]
    with pytest.raises(TrainingError, match="teachers of segmentation must have the same classes; give each `classes`"):
        classes_of_teachers([TeacherConfig.model_validate(n) for n in named])
    onto = [TeacherConfig.model_validate(n | {"classes": {"to": "rooms13", "map": m}})
            for n, m in zip(named, ({"armchair": "chair"}, {"couch": "sofa"}), strict=True)]
    assert classes_of_teachers(onto) == vocabulary("rooms13")
    away = {"model": "nobody/here", "gives": ["segmentation"], "classes": "ade20k_to_rooms13"}
    assert classes_of_teachers([TeacherConfig.model_validate(away)]) == vocabulary("rooms13"), "without a look"


# --- The hub


def test_a_path_is_never_looked_for_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("the hub was asked")

    for name in ("snapshot_download", "get_hf_file_metadata"):
        monkeypatch.setattr(huggingface_hub, name, never)
    for model in ("./models/none", "/models/none", "~/none", "models/some/none", "none", str(tmp_path / "none")):
        with pytest.raises(TrainingError, match=r"no such folder\. Give a folder with a model's config"):
            find_model(model)
    with pytest.raises(TrainingError, match=r"none\.onnx: no such file of a model"):
        find_model("models/none.onnx")
    assert find_model(str(tmp_path)) == tmp_path
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(TrainingError, match=r"runs/backbone: no such folder"):
        find_model("runs/backbone")


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_network_a_name_on_the_hub_fails_soon_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offline: bool
) -> None:
    """Nothing answers on a closed port of this machine, nor does a name server that takes for ever."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}")
    began = time.monotonic()
    with pytest.raises(TrainingError) as raised:
        find_model("depth-anything/nowhere-hf")
    print(f"{time.monotonic() - began:.2f} s")
    said = str(raised.value)
    assert said.startswith("depth-anything/nowhere-hf: ")
    assert "`hf download depth-anything/nowhere-hf --local-dir FOLDER`" in said and "give that as `model`" in said
    assert ("HF_HUB_OFFLINE forbids" if offline else "does not answer") in said


def test_a_silent_hub_is_waited_for_no_longer_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from training import hub as sources

    assert sources.SECONDS + 0.5 < 3
    assert sources._within(lambda: time.sleep(5), 0.01) == "no answer within 0.01 s"
    assert sources._within(lambda: None, 5) is None


@pytest.mark.parametrize(
    ("licence", "warned"),
    [("apache-2.0", ""), ("mit", ""), ("cc-by-nc-4.0", "not for commercial use"), ("other", "Read its page"),
     (None, "licence unknown")],
)
def test_licences_are_read_and_those_that_bind_are_said_aloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], licence: str | None, warned: str
) -> None:
    folder = tiny_teachers.segformer(tmp_path / "model", licence=licence)
    assert licence_of(str(folder)) == (licence or "licence unknown")
    capsys.readouterr()
    opened(folder, "segmentation")
    out = capsys.readouterr().out
    assert (f"WARNING: {folder}" in out and warned in out) if warned else "WARNING" not in out
