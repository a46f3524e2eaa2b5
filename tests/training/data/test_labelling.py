"""What is believed of teachers, aligned, derived, kept on disk, and learnt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.bags.ground_truth import GroundTruthWriter
from avtar_ros.bags.writing import BagWriter
from tests import tiny_bags
from tests.training import tiny, tiny_teachers
from tests.training.data.recordings import NORMAL, K, plane
from training.checkpoint import load_checkpoint
from training.config import RunConfig, load_config
from training.data import labelled
from training.data.augment import augmented
from training.data.batch import Batch, concatenated, picked
from training.data.classes import numbered
from training.data.config import AugmentConfig
from training.data.datasets import open_dataset
from training.data.teachers.alignment import fit_depth
from training.data.teachers.config import TeacherConfig, TrustConfig
from training.data.teachers.labelling import Labeller, Share
from training.data.teachers.opinion import Opinion
from training.data.teachers.trust import believed_classes, believed_normals, views_of
from training.errors import TrainingError
from training.fit import fit
from training.tasks.depth import disparity_to_scale_and_shift

HEIGHT, WIDTH = tiny.HEIGHT, tiny.WIDTH
SIZE = {"width": WIDTH, "height": HEIGHT}
TRUST = TrustConfig()
RAMP = np.linspace(1, 5, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "avtar_ros"


# --- Alignment


@given(st.floats(0.05, 20), st.floats(-0.05, 2), st.integers(0, 2**32 - 1))
def test_disparity_is_brought_to_metres_whatever_its_scale_and_a_third_of_the_sensor_is_wrong(
    scale: float, shift: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    disparity = ((1 / RAMP - shift) / scale).astype(np.float32)
    sensor = np.where(random.random(RAMP.shape) < 0.3, random.uniform(0.3, 9, RAMP.shape), RAMP).astype(np.float32)
    sensor[:5] = np.nan
    found = fit_depth(disparity, sensor, "disparity")
    assert found is not None
    np.testing.assert_allclose(found.metres(disparity), RAMP, rtol=0.02)


def test_relative_depth_and_metres_are_fitted_as_what_they_are() -> None:
    relative = fit_depth((RAMP - 3) / 2, RAMP, "relative_depth")
    assert relative is not None
    assert (relative.scale, relative.shift) == (pytest.approx(2, rel=1e-3), pytest.approx(3, rel=1e-3))
    metres = fit_depth(RAMP / 1.5, RAMP, "metres")
    assert metres is not None and (metres.scale, metres.shift) == (pytest.approx(1.5), 0)


def test_what_cannot_be_aligned_is_not() -> None:
    few = np.where(RAMP < 1.05, RAMP, np.nan)
    assert fit_depth(1 / RAMP, few, "disparity") is None
    assert fit_depth(RAMP, RAMP, "disparity") is None, "it is nearer where that is farther"
    assert fit_depth(np.ones_like(RAMP), RAMP, "disparity") is None


# --- Trust


class Says:
    """A teacher that says what it is told, of the picture it is shown: the brightness tells which column one is in."""

    licence, classes = "mit", numbered(["left", "right"])

    def __init__(self, gives: str, name: str = "one", depth_kind: str = "metres", **said: Any) -> None:
        self.gives, self.name, self.depth_kind, self.said = tuple(gives.split()), name, depth_kind, said

    def look(self, images: torch.Tensor, focal: torch.Tensor) -> Opinion:
        return Opinion(**{task: say(images[..., 0].float()) for task, say in self.said.items()})


COLUMNS = torch.arange(WIDTH, dtype=torch.uint8).mul(2).expand(1, HEIGHT, WIDTH)[..., None].repeat(1, 1, 1, 3)
FOCAL = torch.tensor([60.0])


def labelled_by(*teachers: Says, maps: dict[str, torch.Tensor] | None = None, trust: TrustConfig = TRUST,
                aligned: str | None = None, **changes: Any) -> tuple[Batch, Labeller]:
    configs = [TeacherConfig.model_validate({"model": t.name, "gives": t.gives, "align": aligned}) for t in teachers]
    labeller = Labeller(list(zip(teachers, configs, strict=True)), trust, **changes)  # type: ignore[arg-type]
    return labeller.labelled(Batch(COLUMNS, maps or {}, FOCAL)), labeller


def test_views_are_brought_back_to_the_picture() -> None:
    """Depth is the column that the picture says, so that a view that is not brought back would differ."""
    normals = torch.nn.functional.normalize(torch.tensor([0.3, 0.2, -0.9]), dim=0)

    def turned(column: torch.Tensor) -> torch.Tensor:
        upright = (column[:, :, :1] < column[:, :, -1:])[..., None]
        return torch.where(upright, normals, normals * torch.tensor([-1.0, 1, 1])).expand(*column.shape, 3)

    teacher = Says("depth normals", depth=lambda column: column + 10, normals=turned)
    views = views_of(teacher, COLUMNS, FOCAL, TRUST)  # type: ignore[arg-type]
    assert len(views) == 3
    for view in views:
        assert view.depth is not None and view.normals is not None
        torch.testing.assert_close(view.depth[0, 5, 4:-4], COLUMNS[0, 5, 4:-4, 0].float() + 10, atol=1.5, rtol=0)
        torch.testing.assert_close(view.normals[0, 5, 5], normals)
    assert len(views_of(teacher, COLUMNS, FOCAL, TrustConfig(flip=False, scale=1))) == 1  # type: ignore[arg-type]


def test_where_views_differ_nothing_is_labelled() -> None:
    unsteady = Says("depth", depth=lambda column: torch.where(column < 60, 2.0, 2.0 + (column[:, :1, :1] > 60)))
    batch, labeller = labelled_by(unsteady, derive=())
    depth = batch.maps["depth"][0]
    share = labeller.shares()["depth"].believed
    assert share == pytest.approx(float(depth.isfinite().float().mean()))
    assert 0 < share < 1
    assert (depth[depth.isfinite()] == 2).all()


def test_classes_are_believed_where_probable_and_of_some_class() -> None:
    probabilities = torch.zeros(1, 3, 1, 4)
    probabilities[0, :, 0] = torch.tensor([[0.9, 0.4, 0.1, 0.45], [0.1, 0.35, 0.1, 0.55], [0.0, 0.25, 0.8, 0.0]])
    found = believed_classes([probabilities], TRUST)
    assert found.values[0, 0].tolist() == [0, 255, 255, 1]
    other = torch.tensor([[0.0], [1.0], [0.0]])[None, ..., None].expand(1, 3, 1, 4)
    assert believed_classes([probabilities, other], TRUST).values[0, 0].tolist() == [1, 1, 1, 1]


def test_normals_are_believed_where_they_point_alike() -> None:
    up, aside = torch.tensor([0.0, -0.6, -0.8]), torch.tensor([0.8, 0.0, -0.6])
    one = up.expand(1, 2, 2, 3).clone()
    two = one.clone()
    two[0, 0] = aside
    found = believed_normals([one, two], TRUST).values[0]
    assert found[0].isnan().all()
    torch.testing.assert_close(found[1], up.expand(2, 3))


def test_teachers_that_disagree_are_not_believed_and_those_that_agree_are_averaged() -> None:
    def at(metres: float) -> Says:
        return Says("depth", depth=lambda column: torch.full_like(column, metres))

    agreed, _ = labelled_by(at(2.0), at(2.1), derive=())
    torch.testing.assert_close(agreed.maps["depth"], torch.full((1, HEIGHT, WIDTH), 2.05))
    apart, labeller = labelled_by(at(2.0), at(3.0), derive=())
    assert apart.maps["depth"].isnan().all() and labeller.shares() == {"depth": Share(0, 0)}


def test_the_less_teachers_agree_the_less_their_labels_weigh() -> None:
    """Half of what teachers may differ by from their mean weighs half; classes weigh what they are probable."""
    def at(sign: int) -> Says:
        angle = torch.tensor(np.radians(TRUST.normals_deg / 2) * sign, dtype=torch.float32)
        ray = torch.stack([angle.sin(), torch.tensor(0.0), -angle.cos()])
        # Mirrored, what is left is right: these teachers say so, and so their own views agree.
        return Says("depth normals edges segmentation", str(sign),
                    depth=lambda c: torch.full_like(c, 2.0 * (1 + sign * TRUST.depth / 2)),
                    edges=lambda c: torch.full_like(c, 0.5 + sign * TRUST.edges / 2),
                    normals=lambda c: ray.expand(*c.shape, 3),
                    probabilities=lambda c: torch.tensor([0.7 + 0.1 * sign, 0.3 - 0.1 * sign, 0.0])
                    .view(1, 3, 1, 1).expand(len(c), 3, *c.shape[1:]))

    batch, labeller = labelled_by(at(-1), at(1), trust=TrustConfig(flip=False))
    expected = {"depth": 0.5, "edges": 0.5, "normals": 0.5, "segmentation": 0.7}
    assert set(batch.weights) == set(expected)
    for task, weight in expected.items():
        torch.testing.assert_close(batch.weights[task], torch.full((1, HEIGHT, WIDTH), weight), atol=1e-3, rtol=0)
        assert labeller.shares()[task] == Share(1.0, pytest.approx(weight, abs=1e-3))


def test_what_the_data_says_weighs_all_and_what_is_derived_as_much_as_its_depth() -> None:
    def at(metres: float, name: str) -> Says:
        return Says("depth", name, depth=lambda column: torch.full_like(column, metres))

    sensor = torch.full_like(TRUE, torch.nan)
    sensor[:, :10] = 2
    teachers, derived = (at(1.9, "a"), at(2.1, "b")), ("normals", "edges")
    batch, _ = labelled_by(*teachers, maps={"depth": sensor}, keeps=("depth",), derive=derived)
    assert (batch.weights["depth"][:, :10] == 1).all()
    of_teachers = batch.weights["depth"][:, 10:]
    torch.testing.assert_close(of_teachers, torch.full_like(of_teachers, 0.5), atol=1e-3, rtol=0)
    for task in derived:  # there are no edges here
        torch.testing.assert_close(batch.weights[task], torch.full((1, HEIGHT, WIDTH), 0.5), atol=1e-3, rtol=0)


def test_labels_are_learnt_from_as_often_as_they_are_believed() -> None:
    """On average over steps, and of all maps of a task alike; what weighs all or nothing always or never is."""
    batch = tiny.batch(2)
    weight = torch.full((2, HEIGHT, WIDTH), 0.25)
    weight[:, :4], weight[:, 4:8] = 1, 0
    batch.maps["segmentation"] = torch.zeros(2, HEIGHT, WIDTH, dtype=torch.uint8)
    batch = replace(batch, weights={"normals": weight, "segmentation": weight})
    still = AugmentConfig(flip=False)
    random = torch.Generator().manual_seed(0)
    thinned = augmented(batch, still, random)
    assert not thinned.weights and torch.equal(thinned.image, batch.image)
    assert thinned.maps["depth"] is batch.maps["depth"], "without weights all stays"
    stays = [augmented(batch, still, random).maps["segmentation"] != 255 for _ in range(50)]
    share = torch.stack(stays).float().mean(0)
    assert (share[:, :4] == 1).all() and (share[:, 4:8] == 0).all()
    assert float(share[:, 8:].mean()) == pytest.approx(0.25, abs=0.01)
    normals = thinned.maps["normals"]
    assert (normals.isnan().all(-1) == normals.isnan().any(-1)).all()
    torch.testing.assert_close(normals[:, :4], batch.maps["normals"][:, :4], equal_nan=True)


def test_weights_go_with_their_images() -> None:
    weight = torch.rand(4, HEIGHT, WIDTH)
    batch = replace(tiny.batch(4), weights={"depth": weight})
    both = concatenated([tiny.batch(1), picked(batch, torch.tensor([3, 1]))])
    assert torch.equal(both.weights["depth"], torch.cat([torch.ones(1, HEIGHT, WIDTH), weight[[3, 1]]]))
    assert set(both.to("cpu").weights) == {"depth"}


# --- Depth of unknown scale


def disparity(column: torch.Tensor) -> torch.Tensor:
    """Of depth 1 + column / 32 m, at some scale and shift."""
    return 7 / (1 + column / 32) + 3


TRUE = 1 + COLUMNS[..., 0].float() / 32


def test_relative_depth_is_aligned_to_what_the_data_knows() -> None:
    sensor = TRUE.clone()
    sensor[:, :, 20:] = torch.nan
    found, _ = labelled_by(Says("depth", depth_kind="disparity", depth=disparity), maps={"depth": sensor}, derive=())
    assert found.relative is None
    torch.testing.assert_close(found.maps["depth"][:, :, 3:-3], TRUE[:, :, 3:-3], rtol=0.05, atol=0)


def test_relative_depth_is_aligned_to_what_a_metric_teacher_says() -> None:
    metric = Says("depth", "metric", depth=lambda column: 1 + column / 32)
    found, _ = labelled_by(metric, Says("depth", depth_kind="disparity", depth=disparity), derive=())
    torch.testing.assert_close(found.maps["depth"][:, :, 3:-3], TRUE[:, :, 3:-3], rtol=0.05, atol=0)


def test_a_frame_that_cannot_be_aligned_stays_unlabelled_and_is_counted() -> None:
    sensor = torch.full_like(TRUE, torch.nan)
    sensor[0, 0, :10] = 2
    found, labeller = labelled_by(
        Says("depth", depth_kind="disparity", depth=disparity), maps={"depth": sensor}, derive=()
    )
    assert found.maps["depth"].isnan().all() and labeller.tally["frames that could not be aligned"] == 1


def test_without_any_metres_disparity_teaches_up_to_scale_and_shift() -> None:
    found, labeller = labelled_by(Says("depth", depth_kind="disparity", depth=disparity))
    assert found.relative is not None and found.relative.all() and labeller.tally["frames of unknown scale"] == 1
    assert "normals" not in found.maps, "no surface follows from it"
    log_depth = TRUE.log()[:, None]
    right = disparity_to_scale_and_shift(log_depth, found.maps["depth"])
    assert right < 0.05
    assert disparity_to_scale_and_shift(log_depth + 1.3, found.maps["depth"]) == pytest.approx(float(right), abs=1e-4)
    assert disparity_to_scale_and_shift(-log_depth, found.maps["depth"]) > 0.5


def test_the_loss_of_relative_depth_has_gradients_where_something_is_known_alone() -> None:
    log_depth = torch.randn(3, 1, 8, 8, requires_grad=True)
    target = torch.rand(3, 8, 8) + 1
    target[0] = torch.nan
    target[1, :4] = torch.nan
    disparity_to_scale_and_shift(log_depth, target).backward()
    assert log_depth.grad is not None and log_depth.grad.isfinite().all()
    assert not log_depth.grad[0].any() and log_depth.grad[1, 0, 4:].any() and log_depth.grad[2].any()


def test_metres_may_be_scaled_to_the_sensors(tmp_path: Path) -> None:
    half = Says("depth", depth=lambda column: (1 + column / 32) / 2)
    found, _ = labelled_by(half, maps={"depth": TRUE}, aligned="frame", derive=())
    torch.testing.assert_close(found.maps["depth"][:, :, 3:-3], TRUE[:, :, 3:-3], rtol=0.05, atol=0)
    as_said, _ = labelled_by(half, maps={"depth": TRUE}, derive=())
    torch.testing.assert_close(as_said.maps["depth"][:, :, 3:-3], TRUE[:, :, 3:-3] / 2, rtol=0.05, atol=0)


# --- What is derived and kept


def test_normals_and_edges_follow_from_depth_and_classes_but_beside_jumps_nothing_does() -> None:
    near_and_far = Says("depth", depth=lambda column: torch.where(column < 64, 2.0, 4.0))
    sides = Says("segmentation", "two", probabilities=lambda column: torch.stack(
        [(column < 64).float(), (column >= 64).float(), torch.zeros_like(column)], 1))
    found, _ = labelled_by(near_and_far, sides, derive=("normals", "edges"), trust=TrustConfig(flip=False, scale=1))
    normals, edges = found.maps["normals"][0], found.maps["edges"][0]
    torch.testing.assert_close(normals[10, 5], torch.tensor([0.0, 0, -1]), atol=1e-3, rtol=0)
    unknown = normals[10].isnan().any(-1).nonzero().flatten().tolist()
    assert set(range(29, 34)) <= set(unknown) and len(unknown) < 12
    assert edges[10].nonzero().flatten().tolist() == [31]


def test_what_the_data_knows_may_go_first() -> None:
    sensor = torch.full_like(TRUE, torch.nan)
    sensor[:, :10] = 9
    teacher = Says("depth", depth=lambda column: torch.full_like(column, 2.0))
    kept, _ = labelled_by(teacher, maps={"depth": sensor}, keeps=("depth",), derive=())
    assert (kept.maps["depth"][:, :10] == 9).all() and (kept.maps["depth"][:, 10:] == 2).all()


# --- The whole way


def pictures(folder: Path, count: int = 8) -> dict[str, Any]:
    folder.mkdir()
    for i in range(count):
        noise = np.random.default_rng(i).integers(0, 256, (60, 80, 3), np.uint8)
        assert cv2.imwrite(str(folder / f"{i}.png"), noise)
    return {"dataset": "pictures", "folder": str(folder), "validation_images": 3, **SIZE}


def taught(folder: Path, data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    depth = tiny_teachers.depth_anything(folder / "depth-teacher", metres=4.0, licence="cc-by-nc-4.0")
    classes = tiny_teachers.segformer(folder / "class-teacher", said="armchair", licence="mit")
    teachers = [
        {"model": str(depth), "gives": ["depth"]},
        {"model": str(classes), "gives": ["segmentation"], "classes": "ade20k_to_rooms13"},
    ]
    return {"dataset": "taught", "teachers": teachers, "data": data, "batch_size": 2, **changes}


def config(folder: Path, data: dict[str, Any], **changes: Any) -> RunConfig:
    return load_config(tiny.write_config(folder / "run.yaml", data=data, **changes))


def test_labels_are_made_once_and_have_the_right_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = config(tmp_path, taught(tmp_path, pictures(tmp_path / "pictures")))
    assert RunConfig.model_validate_json(found.model_dump_json()) == found
    dataset = open_dataset(found.data, "train")
    batch = dataset.batch([0, 4])
    assert set(batch.weights) == set(batch.maps)
    assert all((weight == 1).all() for task, weight in batch.weights.items() if task != "segmentation")
    assert (batch.maps["segmentation"] == 7).all() and dataset.classes[7].name == "chair"
    torch.testing.assert_close(batch.maps["depth"], torch.full((2, HEIGHT, WIDTH), 4.0), atol=1e-3, rtol=0)
    assert not batch.maps["edges"].any()
    torch.testing.assert_close(batch.maps["normals"][0, 9, 9], torch.tensor([0.0, 0, -1]), atol=0.01, rtol=0)
    said = "".join(capsys.readouterr())
    assert "teachers are believed, and how far: segmentation 100.0% (by 100%), depth 100.0% (by 100%)" in said
    assert "is licensed cc-by-nc-4.0: not for commercial use" in said

    monkeypatch.setattr(labelled, "open_teachers", None)
    again = open_dataset(found.data, "train").batch([0, 4])
    assert torch.equal(again.image, batch.image) and torch.equal(again.maps["depth"], batch.maps["depth"])


def test_an_interrupted_labelling_goes_on(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    found = config(tmp_path, taught(tmp_path, pictures(tmp_path / "pictures", count=10)))
    once = Labeller.labelled
    looked: list[int] = []

    def until(stop: int) -> Any:
        def labelled_until(self: Labeller, batch: Batch) -> Batch:
            if len(looked) == stop:
                raise KeyboardInterrupt
            looked.append(len(batch))
            return once(self, batch)

        return labelled_until

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Labeller, "labelled", until(2))
        open_dataset(found.data, "train")
    assert [json.loads(path.read_text())["done"] for path in cache.glob("*.part/progress.json")] == [4]
    looked.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Labeller, "labelled", until(99))
        dataset = open_dataset(found.data, "train")
    assert looked == [2, 1]
    said = "".join(capsys.readouterr())
    assert "4 of 7 images are labelled already; going on" in said and "labels of 7 images" in said
    assert (dataset.batch(range(7)).maps["segmentation"] == 7).all()


def test_other_teachers_or_trust_make_other_labels(tmp_path: Path, cache: Path) -> None:
    data = taught(tmp_path, pictures(tmp_path / "pictures"))
    open_dataset(config(tmp_path, data).data, "train")
    open_dataset(config(tmp_path, data | {"batch_size": 4}).data, "train")
    assert len([path for path in cache.glob("taught-*") if path.is_dir()]) == 1
    open_dataset(config(tmp_path, data | {"trust": {"depth": 0.2}}).data, "train")
    tiny_teachers.depth_anything(tmp_path / "depth-teacher", metres=3.0)
    other = open_dataset(config(tmp_path, data).data, "train").batch([0]).maps["depth"]
    assert other.mean() == pytest.approx(3.0, abs=0.01)
    assert len([path for path in cache.glob("taught-*") if path.is_dir()]) == 3


def unlabelled_bag(path: Path, frames: int = 6, with_depth: tuple[int, ...] = ()) -> Path:
    with BagWriter(path) as bag:
        writer = GroundTruthWriter(bag, K, jpeg_quality=98)
        for i, stamp in enumerate(tiny_bags.stamps(frames)):
            writer.write(stamp, tiny_bags.image(i), {"depth": plane()} if i in with_depth else {})
    return path


def test_any_recording_becomes_data_for_training(tmp_path: Path) -> None:
    """No frame has depth: relative depth teaches up to scale and shift, and a step learns from it."""
    bag = unlabelled_bag(tmp_path / "run.mcap")
    recording = {"dataset": "rosbag", "bag": str(bag), "validation_frames": 2, **SIZE}
    data = taught(tmp_path, recording)
    relative = tiny_teachers.depth_anything(tmp_path / "relative", metres=None, kind="relative", licence="apache-2.0")
    data["teachers"][0]["model"] = str(relative)
    phase = tiny.phase("adapters", steps=2, evaluate_every=2, batch_size=2)
    found = config(tmp_path, data | {"trust": {"depth": 5.0}}, phases=[phase])
    dataset = open_dataset(found.data, "train")
    batch = dataset.batch(range(4))
    assert batch.relative is not None and batch.relative.all()
    assert batch.maps["depth"].nan_to_num(5).min() >= 1 and batch.maps["depth"].nan_to_num(5).max() <= 10.001
    card = load_checkpoint(fit(found, tmp_path / "out")).card
    assert card.training_data == f"camera recording run.mcap, as {relative}, {tmp_path / 'class-teacher'} see them"
    assert f"taught by {relative} (apache-2.0), {tmp_path / 'class-teacher'} (mit)" in card.licence


def test_a_recordings_depth_scales_what_a_teacher_sees(tmp_path: Path) -> None:
    bag = unlabelled_bag(tmp_path / "run.mcap", with_depth=(0, 1, 2, 3, 4, 5))
    recording = {"dataset": "rosbag", "bag": str(bag), "validation_frames": 2, **SIZE}
    data = taught(tmp_path, recording)
    for align in ("frame", "bag"):
        data["teachers"][0]["align"] = align
        depth = open_dataset(config(tmp_path, data).data, "train").batch([0]).maps["depth"]
        assert float(depth.nanmean()) == pytest.approx(float(np.nanmedian(plane())), rel=0.02), align
    assert NORMAL[2] < 0


def test_the_licence_of_a_teacher_goes_into_the_card(tmp_path: Path) -> None:
    from training.build import new_card

    found = config(tmp_path, taught(tmp_path, pictures(tmp_path / "pictures")), licence="Apache-2.0")
    licence = new_card(found).licence
    assert licence.startswith("Apache-2.0; taught by ") and "depth-teacher (cc-by-nc-4.0)" in licence


def test_teacher_and_teachers_exclude_each_other(tmp_path: Path) -> None:
    data = taught(tmp_path, pictures(tmp_path / "pictures"))
    for wrong in (data | {"teacher": "a.onnx"}, {k: v for k, v in data.items() if k != "teachers"}):
        with pytest.raises(Exception, match="data: give `teacher`, a model of ours, or `teachers`"):
            config(tmp_path, wrong)
    with pytest.raises(Exception, match=r"data\.keeps: names unknown tasks"):
        config(tmp_path, data | {"keeps": ["smell"]})


def test_a_batch_stays_relative_through_what_training_does_with_it() -> None:
    from training.data.augment import downscaled

    batch = replace(tiny.batch(4), relative=torch.tensor([True, False, True, False]))
    changed = downscaled(augmented(batch, AugmentConfig(zoom=1.5, jitter=0.2), torch.Generator().manual_seed(0)), 2)
    assert changed.relative is not None and changed.relative.tolist() == [True, False, True, False]
    both = concatenated([tiny.batch(1), picked(batch, torch.tensor([2, 3]))])
    assert both.relative is not None and both.relative.tolist() == [False, True, False]
    assert concatenated([tiny.batch(1), tiny.batch(1)]).relative is None


def test_labels_of_the_data_stay_beside_what_teachers_give(exported: Path, tmp_path: Path) -> None:
    """A model of ours keeps what it knows while it learns classes of one's own, from a folder of masks."""
    from tests.training.data.test_folder import write_array

    root = tmp_path / "photos"
    for i in range(4):
        write_array(root / "images" / f"{i}.png", tiny_bags.image(i))
        write_array(root / "segmentation" / f"{i}.png", np.full((HEIGHT, WIDTH), i % 2, np.uint8))
    (root / "classes.yaml").write_text("[scratch, dent]")
    teachers = [{"model": str(exported), "gives": ["depth", "normals", "edges"]}]
    data: dict[str, Any] = {"dataset": "taught", "teachers": teachers, "keeps": ["segmentation"],
                            "data": {"dataset": "folder", "root": str(root), **SIZE}}
    found = config(tmp_path, data)
    assert [c.name for c in found.data.classes] == ["scratch", "dent"]
    dataset = open_dataset(found.data, "train")
    batch = dataset.batch(range(3))
    assert set(batch.maps) == {"segmentation", "depth", "normals", "edges"} and dataset.classes == found.data.classes
    assert [ids.unique().tolist() for ids in batch.maps["segmentation"]] == [[0], [1], [0]]
    assert batch.maps["depth"].isfinite().any()
    with pytest.raises(TrainingError, match="the labels that the data keeps and those of its teachers are of other cl"):
        config(tmp_path, data | {"teachers": [{"model": str(exported), "gives": ["segmentation"]}]})
    named = data["data"] | {"classes": {"to": "rooms13", "map": {"scratch": "object"}}}
    onto = config(tmp_path, data | {"data": named, "teachers": [{"model": str(exported), "gives": ["segmentation"]}]})
    kept = open_dataset(onto.data, "train").batch([0]).maps["segmentation"]
    assert (kept == 12).all()
