"""A new task needs two records and nothing else: it is learnt, exported, published, replayed, judged and reported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from avtar_ros.bags.ground_truth import GroundTruthWriter
from avtar_ros.bags.writing import BagWriter
from avtar_ros.model_card import read_onnx_card
from avtar_ros.node.outputs import frame_outputs
from avtar_ros.predict.cli import main as avtar_predict
from avtar_ros.replay.cli import main as avtar_replay
from avtar_ros.tasks import TASKS, Task, TaskMap
from avtar_ros.tasks.metric import Figure, Sums, TaskMetric
from avtar_ros.tasks.task import Difference, Stability, Storage
from tests import tiny_bags
from tests.training import tiny
from training.checkpoint import load_checkpoint
from training.data.batch import Batch
from training.dry_run import random_batch
from training.export import ExportOptions, export
from training.fit import fit
from training.gains import relative_gain
from training.tasks import LEARNT, LearntTask
from training.tasks.learnt_task import Packing, unchanged

NAME = "reflectance"
TASKS_LEARNT = ("segmentation", "depth", NAME)


def grey(reflectance: TaskMap, _: object) -> NDArray[np.uint8]:
    return np.repeat((255 * reflectance).astype(np.uint8)[..., None], 3, axis=-1)


def absolute(one: TaskMap, other: TaskMap) -> NDArray[np.float64]:
    return np.abs(one.astype(np.float64) - other)


class ReflectanceMetric(TaskMetric):
    name = NAME
    FIGURES: ClassVar = {"reflectance.l1": Figure("Mean difference", "", False)}
    size = brief = 2

    def measure(self, prediction: TaskMap, truth: TaskMap) -> Sums:
        return np.array([truth.size, absolute(prediction, truth).sum()])

    def figures(self, sums: Sums) -> dict[str, float]:
        return {"reflectance.l1": float(sums[1] / sums[0])} if sums[0] else {}


REFLECTANCE = Task(
    name=NAME,
    title="Reflectance",
    unit="share",
    dtype=np.float32,
    channels=0,
    encoding="32FC1",
    interpolation=cv2.INTER_LINEAR,
    colorize=grey,
    metrics=(ReflectanceMetric,),
    difference=Difference("mean difference", "", {"fp16": 0.01, "fp32": 0.001}, absolute),
    stability=Stability("reflectance.jitter", Figure("Jitter where nothing moves", "", False), absolute),
    storage=Storage(
        np.uint8, lambda share: np.round(255 * share).astype(np.uint8), lambda s: (s / 255).astype(np.float32)
    ),
)
LEARNT_REFLECTANCE = LearntTask(
    task=REFLECTANCE,
    channels=lambda card: 1,
    losses={"l1": lambda raw, share: (raw[:, 0].sigmoid() - share).abs().mean()},
    to_map=lambda raw, card: raw[:, 0].sigmoid(),
    appearance=torch.sigmoid,
    random_map=lambda shape, card: torch.rand(shape),
    packing=Packing(np.float32, unchanged, unchanged),
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, NAME, REFLECTANCE)
    monkeypatch.setitem(LEARNT, NAME, LEARNT_REFLECTANCE)


class Images:
    """A few random images that have all of the maps."""

    classes = tiny.run_config().data.classes

    def __len__(self) -> int:
        return 8

    def batch(self, indices: Sequence[int]) -> Batch:
        card = tiny.card(tasks=TASKS_LEARNT)
        return random_batch(card, len(indices))


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model with the task, trained for two steps and exported."""
    monkeypatch.setattr("training.fit.open_dataset", lambda data, split: Images())
    config = tiny.run_config(tasks=TASKS_LEARNT, phases=[tiny.phase("adapters", steps=2)])
    path = fit(config, tmp_path / "run")
    line = json.loads((path.parent / "log.jsonl").read_text().splitlines()[-1])
    assert line["losses"].keys() == set(TASKS_LEARNT)
    assert 0 < line["metrics"]["reflectance.l1"] < 1
    model = tmp_path / "model.onnx"
    export(load_checkpoint(path), model, ExportOptions(rooms=0))
    return model


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A recording in which everything reflects a fifth of the light."""
    path = tmp_path / "recording.mcap"
    share = np.full((tiny_bags.HEIGHT, tiny_bags.WIDTH), 0.2, np.float32)
    with BagWriter(path) as bag:
        writer = GroundTruthWriter(bag, tiny_bags.K)
        for i, stamp in enumerate(tiny_bags.stamps(3)):
            writer.write(stamp, tiny_bags.image(i), {NAME: share})
    return path


def test_it_is_learnt_exported_replayed_judged_and_reported(model: Path, bag: Path, tmp_path: Path) -> None:
    assert read_onnx_card(model).tasks == TASKS_LEARNT
    out = tmp_path / "out"
    assert avtar_replay([str(bag), "--model", str(model), "--out", str(out), "--per-frame", "npz"]) == 0
    predicted = np.stack([np.load(path)[NAME] for path in (out / "frames").rglob("*.npz")])
    found = json.loads((out / "metrics.json").read_text())
    assert found["reflectance.l1"] == pytest.approx(np.abs(predicted - 0.2).mean(), abs=1e-6)
    assert "reflectance.jitter" in found
    report = (out / "report.html").read_text()
    assert "Reflectance" in report
    assert "Mean difference" in report
    assert "reflectance.l1" in (out / "frames.csv").read_text().splitlines()[0]


def test_the_node_publishes_it() -> None:
    topics = {output.topic: output for output in frame_outputs(TASKS_LEARNT, "32FC1")}
    assert topics["reflectance/image"].encoding == "32FC1"
    assert topics["reflectance/color"].encoding == "rgb8"


def test_better_is_better_also_of_it() -> None:
    assert relative_gain({"reflectance.l1": 0.1}, {"reflectance.l1": 0.2}) == pytest.approx(0.5)


def test_every_task_has_a_record_on_either_side() -> None:
    assert LEARNT.keys() == TASKS.keys()
    for name, task in TASKS.items():
        assert name == task.name == LEARNT[name].task.name
        assert all(key.startswith(f"{name}.") for key in [*task.figures, task.stability.key])
        assert task.difference.limits.keys() == {"fp16", "fp32"}
        assert LEARNT[name].random_map((2, 4, 6), tiny.card()).shape == (2, *task.shape(4, 6))


def test_it_is_told_of_where_it_is_looked_at(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "x.png"), tiny_bags.image(0))
    out = tmp_path / "out"
    assert avtar_predict([str(tmp_path / "x.png"), "--model", str(model), "--out", str(out), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures[NAME]["mean"] == pytest.approx(np.load(out / "x" / f"{NAME}.npy").mean(), abs=1e-4)
