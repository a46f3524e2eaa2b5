"""Labels, normals and edges that a recording holds are learnt from, as replay judges by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avtar_ros.bags.class_names import RecordedClasses
from avtar_ros.bags.ground_truth import GroundTruthWriter
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera
from avtar_ros.bags.writing import BagWriter
from avtar_ros.tasks import TASKS
from tests import tiny_bags
from tests.training import tiny
from training.config import load_config
from training.data.bags import BagDataset
from training.data.batch import Batch
from training.data.datasets import open_dataset
from training.data.own_config import BagConfig
from training.data.packed import PackedDataset, pack
from training.data.vocabulary import vocabulary
from training.errors import TrainingError

SIZE = {"width": tiny_bags.WIDTH, "height": tiny_bags.HEIGHT}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def config(bag: Path, **changes: Any) -> BagConfig:
    return BagConfig.model_validate({"dataset": "rosbag", "bag": bag, "validation_frames": 1, **SIZE, **changes})


def write_some(path: Path, *truths: dict[str, np.ndarray], k: np.ndarray = tiny_bags.K) -> Path:
    """A bag whose frame i has the maps `truths[i]`."""
    with BagWriter(path) as bag:
        writer = GroundTruthWriter(bag, k)
        for i, (stamp, truth) in enumerate(zip(tiny_bags.stamps(len(truths)), truths, strict=True)):
            writer.write(stamp, tiny_bags.image(i), truth)
    return path


def test_all_maps_of_a_recording_are_those_that_replay_judges_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_bags.write_truth_bag(tmp_path / "run.mcap")
    dataset = BagDataset(config(path, labels="rooms13"), "train")
    assert dataset.classes == vocabulary("rooms13")
    batch = dataset.batch(range(4))
    with open_bag(path) as bag:
        frames = list(RecordedCamera.find(bag, list(TASKS)).frames())
    assert set(batch.maps) == set(TASKS)
    for i in range(4):
        for task, values in frames[i].truth.items():
            np.testing.assert_allclose(batch.maps[task][i].numpy(), values, atol=0.01, err_msg=task)
    said = "".join(capsys.readouterr())
    for task in TASKS:
        assert f"{path}: {task} from /ground_truth/{task}/image" in said
    assert f"{path}: 5 images, 5 segmentation, 5 depth, 5 normals, 5 edges" in said


def test_class_ids_need_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny_bags.write_truth_bag(tmp_path / "run.mcap")
    assert set(BagDataset(config(path), "train").batch([0]).maps) == {"depth", "normals", "edges"}
    assert "left out: class ids, for nothing says what they mean; give `labels`" in "".join(capsys.readouterr())
    named = BagDataset(config(path, labels=["other", "wall", "floor"]), "train")
    assert [c.name for c in named.classes] == ["other", "wall", "floor"]
    with pytest.raises(TrainingError, match=r"has the class ids \[2\], but there are names of 2 classes"):
        BagDataset(config(path, labels=["wall", "floor"]), "train")


def test_a_recording_may_name_its_classes_itself(tmp_path: Path) -> None:
    """Without `labels` its ids mean what it says, and go onto others by name as those of any data set."""
    named = RecordedClasses("/ground_truth/label_info", {0: "Other Things", 1: "armchair", 2: "floor"})
    path = tiny_bags.write_truth_bag(tmp_path / "run.mcap", classes=named)
    own = BagDataset(config(path), "train")
    assert [c.name for c in own.classes] == ["Other Things", "armchair", "floor"]
    data = {"dataset": "rosbag", "bag": str(path), "validation_frames": 1, "classes": {"armchair": "chair"}, **SIZE}
    found = load_config(tiny.write_config(tmp_path / "run.yaml", data=data))
    ids = open_dataset(found.data, "train").batch([0]).maps["segmentation"]
    before = own.batch([0]).maps["segmentation"]
    assert torch.equal(ids, torch.where(before == 1, 0, 255).to(torch.uint8))
    assert config(tmp_path / "nothing.mcap").own_classes == ()


def test_what_holds_nothing_to_learn_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Depth in millimetres called metres, and depth of another clock."""
    for name, metres, later_ns in (("unit", 3000, 0), ("clock", 1, 10**9)):
        with BagWriter(tmp_path / f"{name}.mcap") as bag:
            depth = np.full((tiny_bags.HEIGHT, tiny_bags.WIDTH), metres, np.float32)
            for i, stamp in enumerate(tiny_bags.stamps(3)):
                bag.write_image("/cam/color/image", stamp, "optical", tiny_bags.image(i), "rgb8")
                bag.write_image("/cam/depth/image", stamp + later_ns, "optical", depth, "32FC1")
    with pytest.raises(TrainingError, match=r"nothing to learn: .* 10 m\. Half of what .* were millimetres recorded"):
        BagDataset(config(tmp_path / "unit.mcap", field_of_view_deg=60), "train")
    with pytest.raises(TrainingError, match=r"nothing to learn: .* 3 of 3 images have no message of /cam/depth/image"):
        BagDataset(config(tmp_path / "clock.mcap", field_of_view_deg=60), "train")


def test_labels_of_a_recording_go_to_another_vocabulary(tmp_path: Path) -> None:
    path = tiny_bags.write_truth_bag(tmp_path / "run.mcap")
    data = {"dataset": "rosbag", "bag": str(path), "validation_frames": 1, "labels": ["other", "wall", "floor"], **SIZE}
    found = load_config(tiny.write_config(tmp_path / "run.yaml", data=data | {"classes": "rooms13"}))
    ids = open_dataset(found.data, "train").batch([0]).maps["segmentation"]
    assert set(ids.unique().tolist()) == {0, 1, 255}, "wall, floor, and the unlabelled first row"


def test_a_recording_of_classes_alone_needs_no_camera_info_and_gives_their_borders(tmp_path: Path) -> None:
    truth = [{"segmentation": tiny_bags.truth(i)["segmentation"]} for i in range(3)]
    path = write_some(tmp_path / "run.mcap", *truth, k=np.diag([0.0, 0, 1]))
    batch = BagDataset(config(path, labels="rooms13"), "train").batch([0, 1])
    assert set(batch.maps) == {"segmentation", "edges"}
    assert batch.maps["edges"][0].nansum() == tiny_bags.HEIGHT - 1


def test_frames_without_some_map_are_unlabelled_there(tmp_path: Path) -> None:
    whole = tiny_bags.truth(0)
    truths = ({"depth": whole["depth"]}, {"segmentation": whole["segmentation"]}, whole, {"depth": whole["depth"]})
    path = write_some(tmp_path / "run.mcap", *truths)
    batch = BagDataset(config(path, labels="rooms13"), "train").batch(range(3))
    assert [(ids == 255).all().item() for ids in batch.maps["segmentation"]] == [True, False, False]
    assert [depth.isnan().all().item() for depth in batch.maps["depth"]] == [False, True, False]
    assert not batch.maps["edges"].isnan().flatten(1).all(1).any(), "of depth where there is some, else of classes"


def test_unlabelled_frames_count_where_any_image_will_do(tmp_path: Path) -> None:
    path = write_some(tmp_path / "run.mcap", {}, tiny_bags.truth(1), {}, {})
    assert len(BagDataset(config(path, validation_frames=1), "train", unlabelled=True)) == 3
    with pytest.raises(TrainingError, match=r"1 frames have depth, and `validation_frames` keeps 1"):
        BagDataset(config(path), "train")


def test_what_is_packed_keeps_edges_and_what_is_unknown(tmp_path: Path) -> None:
    edges = torch.tensor([[[0.0, 1.0, 0.25, 0.5, 0.999, float("nan")]]])
    image, focal = torch.zeros(1, 1, 6, 3, dtype=torch.uint8), torch.ones(1)
    ids = torch.full((1, 1, 6), 3, dtype=torch.uint8)
    pack(tmp_path / "packed", 3, [Batch(image, {}, focal), Batch(image, {"edges": edges}, focal),
                                  Batch(image, {"segmentation": ids}, focal)])
    batch = PackedDataset(tmp_path / "packed", (), 0, 3).batch(range(3))
    torch.testing.assert_close(batch.maps["edges"][1], edges[0], atol=0.003, rtol=0, equal_nan=True)
    assert batch.maps["edges"][1, 0, :2].tolist() == [0, 1]
    assert batch.maps["edges"][[0, 2]].isnan().all()
    assert (batch.maps["segmentation"][:2] == 255).all() and (batch.maps["segmentation"][2] == 3).all()


def test_depth_of_an_unknown_lens_needs_the_view_said_or_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_bags.write_ros2_bag(tmp_path / "run")
    with pytest.raises(TrainingError, match=r"expected a CameraInfo with a focal length .*, or `field_of_view_deg`"):
        BagDataset(config(path), "train")
    said = BagDataset(config(path, field_of_view_deg=90), "train").batch([0])
    assert said.focal.tolist() == pytest.approx([32.0]) and "depth" in said.maps
    capsys.readouterr()
    bare = BagDataset(config(path), "train", unlabelled=True).batch([0])
    assert bare.maps == {}
    told = "".join(capsys.readouterr())
    assert "no CameraInfo; the view is taken as 60 degrees wide" in told
    assert "left out: /camera/depth/image_raw: depth of a lens that nothing tells; give `field_of_view_deg`" in told
