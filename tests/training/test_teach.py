"""Labels by public models as a folder, and the whole way from a recording to a model that runs, with tiny models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from avtar_ros.engines.opening import open_engine
from tests import tiny_bags
from tests.training import tiny, tiny_teachers
from training.cli import main
from training.config import load_config
from training.data.datasets import open_dataset
from training.data.own_config import BagConfig, FolderConfig
from training.errors import TrainingError
from training.teach import source_settings

SIZE = {"width": tiny.WIDTH, "height": tiny.HEIGHT}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_config(folder: Path, **changes: Any) -> Path:
    """A config whose teachers are tiny models: 2.5 m away, and armchairs throughout."""
    depth = tiny_teachers.depth_anything(folder / "depth-teacher", metres=2.5, licence="apache-2.0")
    classes = tiny_teachers.segformer(folder / "class-teacher", said="armchair", licence="cc-by-nc-4.0")
    teachers = [
        {"model": str(depth), "gives": ["depth"]},
        {"model": str(classes), "gives": ["segmentation"], "classes": "ade20k_to_rooms13"},
    ]
    data = {"dataset": "taught", "teachers": teachers, "data": {**SIZE}}
    phases = [tiny.phase("adapters", steps=2, batch_size=2, evaluate_every=2, bfloat16=False)]
    return tiny.write_config(folder / "taught.yaml", name="taught", data=data, phases=phases, **changes)


def pictures(folder: Path, count: int = 6) -> Path:
    folder.mkdir()
    for i in range(count):
        noise = np.random.default_rng(i).integers(0, 256, (60, 80, 3), np.uint8)
        assert cv2.imwrite(str(folder / f"{i}.png"), noise)
    return folder


def test_a_source_is_a_recording_or_pictures(tmp_path: Path) -> None:
    shots = pictures(tmp_path / "shots")
    assert source_settings(shots) == ["data.data.dataset=pictures", f'data.data.folder="{shots}"']
    for bag in (tiny_bags.write_truth_bag(tmp_path / "run.mcap"), tiny_bags.write_ros2_bag(tmp_path / "run")):
        assert source_settings(bag) == ["data.data.dataset=rosbag", f'data.data.bag="{bag}"']


def test_labels_are_written_as_a_folder_that_training_reads_as_they_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = write_config(tmp_path), tmp_path / "labels"
    shots = pictures(tmp_path / "shots")
    command = ["teach", str(shots), "--config", str(config), "--out", str(out),
               "--set", "data.data.validation_images=2"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert f"{out}: 6 images with labels. Next: data: {{dataset: folder, root: {out}}}" in said
    names = {path.name for path in out.iterdir()} - {".avtar_ros"}
    assert names == {"images", "depth", "segmentation", "normals", "edges", "intrinsics.json", "classes.yaml",
                     "maps.yaml", "teachers.json"}
    described = json.loads((out / "teachers.json").read_text())
    teachers = f"{tmp_path}/depth-teacher (apache-2.0), {tmp_path}/class-teacher (cc-by-nc-4.0)"
    assert described["licence"] == f"taught by {teachers}"

    taught = load_config(config, settings=[*source_settings(shots), "data.data.validation_images=2"])
    for split, count in (("train", 4), ("validation", 2)):
        as_taught = open_dataset(taught.data, split).batch(range(count))  # type: ignore[arg-type]
        folder = FolderConfig.model_validate({"dataset": "folder", "root": out, "validation_images": 2, **SIZE})
        dataset = open_dataset(folder, split)  # type: ignore[arg-type]
        written = dataset.batch(range(count))
        assert len(dataset) == count and dataset.classes == taught.data.classes
        assert torch.equal(written.image, as_taught.image)
        torch.testing.assert_close(written.focal, as_taught.focal)
        for task, values in as_taught.maps.items():
            torch.testing.assert_close(written.maps[task], values, atol=0.01, rtol=0, equal_nan=True)
    assert main(command) == 0, "what it made itself it may write again"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "classes.yaml").write_text("mine")
    assert main([*command[:5], str(tmp_path / "full"), *command[6:]]) == 1
    assert (tmp_path / "full" / "classes.yaml").read_text() == "mine"


def test_uncertain_edges_stay_uncertain_in_the_folder(tmp_path: Path) -> None:
    config, out = write_config(tmp_path), tmp_path / "labels"
    unsure = tiny_teachers.segformer(tmp_path / "class-teacher", said=None)
    arguments = ["--config", str(config), "--out", str(out), "--set", "data.data.validation_images=2"]
    arguments += ["--set", "data.trust.probability=0.99"]
    assert main(["teach", str(pictures(tmp_path / "shots")), *arguments]) == 0
    edges = open_dataset(FolderConfig.model_validate({"dataset": "folder", "root": out, **SIZE}), "train").batch([0])
    assert edges.maps["edges"].isnan().all() and unsure.is_dir()


@pytest.mark.slow
def test_one_command_goes_from_a_recording_to_a_model_that_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = tiny_bags.write_ros2_bag(tmp_path / "run", frames=8, camera_info=True)
    config, out = write_config(tmp_path), tmp_path / "out"
    arguments = ["--config", str(config), "--out", str(out), "--set", "data.data.validation_frames=2"]
    assert main(["distill", str(bag), *arguments]) == 0
    said = capsys.readouterr().out
    assert "8 pictures: labelling about" in said and "MB of disk" in said
    assert said.index("labelling about") < said.index("labels of 6 images") < said.index("against its teachers:")
    against_sensor = said[said.index("against the sensor's depth:") :]
    assert "RMSE" in against_sensor and "Mean IoU" not in against_sensor
    assert "not for commercial use" in said
    with open_engine(out / "taught.onnx") as engine:
        assert engine.card.tasks == ("segmentation", "depth", "normals", "edges")
        assert f"{tmp_path}/class-teacher (cc-by-nc-4.0)" in engine.card.licence
        assert "camera recording run, as " in engine.card.training_data
        maps = engine.infer(np.zeros((1, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8))
        assert maps["depth"].shape == (1, tiny.HEIGHT, tiny.WIDTH)


def test_a_sensors_depth_is_measured_against_where_there_is_some(tmp_path: Path) -> None:
    from tests.training.data.test_labelling import unlabelled_bag
    from training.distil import _with_sensor

    def recording(bag: Path) -> BagConfig:
        return BagConfig.model_validate({"dataset": "rosbag", "bag": bag, **SIZE})

    with_depth = recording(tiny_bags.write_ros2_bag(tmp_path / "run", camera_info=True))
    assert _with_sensor(with_depth) == with_depth
    assert _with_sensor(recording(unlabelled_bag(tmp_path / "run.mcap"))) is None


def test_what_a_run_will_take_is_said_in_words_and_refused_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import distil

    assert str(distil.Estimate(60, 30, 400, 12_000_000)) == (
        "60 pictures: labelling about 30 s, training about 7 min, 12 MB of disk"
    )
    source = pictures(tmp_path / "shots")
    settings = [*source_settings(source), "data.data.validation_images=2"]
    config = load_config(write_config(tmp_path), settings=settings)
    found = distil.estimated(config, tmp_path / "out")
    assert found.pictures == 6 and found.labelling_s > 0 and found.training_s > 0
    assert found.disk_bytes == 6 * tiny.WIDTH * tiny.HEIGHT * distil.BYTES_A_PIXEL
    usage = distil.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(distil.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(TrainingError, match=r"0 MB are free, and 0 MB are needed"):
        distil.estimated(config, tmp_path / "out")


def test_a_config_without_teachers_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = {"dataset": "pictures", "folder": ".", **SIZE}
    config = tiny.write_config(tmp_path / "run.yaml", data=data, tasks=["depth"])
    arguments = ["--config", str(config), "--out", str(tmp_path / "out")]
    assert main(["teach", str(tiny_bags.write_truth_bag(tmp_path / "run.mcap")), *arguments]) == 1
    assert "data.data: there is no such key" in capsys.readouterr().err


def test_without_a_network_the_shipped_teachers_are_asked_for_as_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = tiny_bags.write_truth_bag(tmp_path / "run.mcap")
    settings = ["--set", "data.data.validation_frames=1"]
    assert main(["teach", str(bag), "--out", str(tmp_path / "out"), *settings]) == 1
    said = capsys.readouterr().err
    assert "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf: is not on this machine" in said
    assert "give that as `model`" in said
    assert not (tmp_path / "out").exists()
