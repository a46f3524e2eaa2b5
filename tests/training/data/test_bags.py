"""A robot's own recordings: depth from the sensor, normals and edges computed, read from the bag once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rosbags.rosbag2 import StoragePlugin

from avtar_ros.bags.bag import BagError
from avtar_ros.bags.ground_truth import GroundTruthWriter
from avtar_ros.bags.writing import BagWriter
from tests import tiny_bags
from tests.training.data.recordings import HEIGHT, NORMAL, WIDTH, K, plane, rays, write_bag
from training.data import bags as module
from training.data.bags import BagDataset
from training.data.batch import Batch
from training.data.own_config import BagConfig
from training.data.packed import PackedDataset, pack
from training.errors import TrainingError


def config(bag: Path, **changes: object) -> BagConfig:
    settings = {"dataset": "rosbag", "bag": bag, "width": 32, "height": 24, "validation_frames": 3, **changes}
    return BagConfig.model_validate(settings)


def test_depth_is_the_sensors_and_normals_are_the_surfaces(tmp_path: Path) -> None:
    batch = BagDataset(config(write_bag(tmp_path / "run.mcap")), "train", tmp_path).batch([0, 4])
    assert set(batch.maps) == {"depth", "normals", "edges"}
    assert batch.focal.tolist() == pytest.approx([30.0, 30.0])
    assert [round(float(image.float().mean())) for image in batch.image] == pytest.approx([60, 100], abs=2)
    half = np.array([[30.0, 0, (30.5 / 2) - 0.5], [0, 29, (25.5 / 2) - 0.5], [0, 0, 1]])
    expected = -2 / (rays(32, 24, half) @ NORMAL)
    depth, normals = batch.maps["depth"][0].numpy(), batch.maps["normals"][0].numpy()
    assert np.isnan(depth[:, 0]).all() and np.isnan(normals[:, 0]).all()
    known = np.isfinite(depth)
    assert known[:, 2:].all()
    assert np.abs(depth / expected - 1)[known].max() < 0.02  # half a pixel of the slant
    assert np.abs(normals[known] - NORMAL).max() < 0.02
    assert not batch.maps["edges"].any()


def test_the_last_frames_are_kept_from_training(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "run.mcap")
    training, kept = (BagDataset(config(bag), split, tmp_path) for split in ("train", "validation"))
    assert (len(training), len(kept)) == (5, 3)
    assert [round(float(image.float().mean()), -1) for image in kept.batch(range(3)).image] == [110, 120, 130]
    thinned = BagDataset(config(bag, every=3, validation_frames=1), "train", tmp_path)
    assert [round(float(image.float().mean()), -1) for image in thinned.batch(range(2)).image] == [60, 90]
    with pytest.raises(TrainingError, match=r"8 frames have depth, and `validation_frames` keeps 8"):
        BagDataset(config(bag, validation_frames=8), "train", tmp_path)


def write_two_cameras(path: Path, frames: tuple[str, str], depths: tuple[int, ...] = (1, 2)) -> Path:
    """Two cameras, in these frames of reference, each with the depth that is its number in metres."""
    with BagWriter(path) as bag:
        for stamp in tiny_bags.stamps(8):
            for number, frame in enumerate(frames, 1):
                bag.write_image(f"/cam{number}/color/image_raw", stamp, frame, tiny_bags.image(0), "rgb8")
                bag.write_camera_info(f"/cam{number}/color/camera_info", stamp, frame, WIDTH, HEIGHT, K)
                if number in depths:
                    depth = np.full((HEIGHT, WIDTH), 1000 * number, np.uint16)
                    bag.write_image(f"/cam{number}/aligned_depth/image_raw", stamp, frame, depth, "16UC1")
    return path


@pytest.mark.parametrize("frames", [("one", "two"), ("optical", "optical")])
def test_a_camera_is_taught_by_its_own_depth(tmp_path: Path, frames: tuple[str, str]) -> None:
    bag = write_two_cameras(tmp_path / "x.mcap", frames)
    for number in (1, 2):
        dataset = BagDataset(config(bag, topic=f"/cam{number}/color/image_raw"), "train", tmp_path)
        assert dataset.batch([0]).maps["depth"].unique().tolist() == [number]


def test_depth_that_is_seen_from_elsewhere_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    bag = write_two_cameras(tmp_path / "x.mcap", ("one", "two"), depths=(1,))
    two = {"topic": "/cam2/color/image_raw"}
    with pytest.raises(TrainingError, match="expected an aligned depth topic beside the camera /cam2"):
        BagDataset(config(bag, **two), "train", tmp_path)
    named = config(bag, **two, depth_topic="/cam1/aligned_depth/image_raw")
    assert BagDataset(named, "train", tmp_path).batch([0]).maps["depth"].unique().tolist() == [1]
    with BagWriter(tmp_path / "y.mcap") as unaligned:
        for stamp in tiny_bags.stamps(8):
            unaligned.write_image("/rgb/image_raw", stamp, "rgb", tiny_bags.image(0), "rgb8")
            unaligned.write_camera_info("/rgb/camera_info", stamp, "rgb", WIDTH, HEIGHT, K)
            unaligned.write_image("/depth/image_raw", stamp, "tof", np.ones((40, 40), np.uint16), "16UC1")
    with pytest.raises(TrainingError, match=r"/depth/image_raw is not seen from the camera.*depth_topic"):
        BagDataset(config(tmp_path / "y.mcap"), "train", tmp_path)


def test_a_bag_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = write_bag(tmp_path / "run.mcap")
    first = BagDataset(config(bag), "train", tmp_path).batch([1])
    with monkeypatch.context() as patch:
        patch.setattr(module, "open_bag", None)
        again = BagDataset(config(bag), "train", tmp_path).batch([1])
    assert torch.equal(first.image, again.image)
    bag.unlink()
    assert len(BagDataset(config(write_bag(bag, frames=6)), "train", tmp_path)) == 3


def test_readings_too_far_away_are_unknown(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "run.mcap")
    near = float(np.nanmedian(plane()))
    depth = BagDataset(config(bag, max_depth_m=near), "train", tmp_path).batch([0]).maps["depth"]
    assert 0.3 < float(depth.isfinite().float().mean()) < 0.7
    assert float(depth.nan_to_num().max()) <= near + 0.001


def test_depth_beyond_what_is_kept_is_unknown_and_not_the_farthest(tmp_path: Path) -> None:
    depth = torch.tensor([[[0.001, 65.535, 65.6, 1000.0, float("inf"), float("nan"), 0.0]]])
    image = torch.zeros(1, 1, depth.shape[2], 3, dtype=torch.uint8)
    pack(tmp_path / "packed", 1, [Batch(image, {"depth": depth}, torch.ones(1))])
    kept = PackedDataset(tmp_path / "packed", (), 0, 1).batch([0]).maps["depth"][0, 0]
    torch.testing.assert_close(kept[:2], depth[0, 0, :2])
    assert bool(kept[2:].isnan().all()), kept


@pytest.mark.parametrize("release", ["ROS 1", "SQLite"])
def test_bags_of_other_kinds_teach_as_well(tmp_path: Path, release: str) -> None:
    """Raw colour and depth in 16 bits, as drivers record them, with the camera's CameraInfo."""
    bag = (
        tiny_bags.write_ros1_bag(tmp_path / "run.bag", camera_info=True)
        if release == "ROS 1"
        else tiny_bags.write_ros2_bag(tmp_path / "run", camera_info=True)
    )
    dataset = BagDataset(config(bag, width=64, height=48, validation_frames=2), "train", tmp_path)
    assert len(dataset) == 3
    batch = dataset.batch([0, 2])
    assert set(batch.maps) == {"depth", "normals", "edges"}
    assert batch.focal.tolist() == pytest.approx([60.0, 60.0])
    for place, frame in enumerate((0, 2)):
        assert np.array_equal(batch.image[place].numpy(), tiny_bags.image(frame))
        np.testing.assert_allclose(batch.maps["depth"][place].numpy(), tiny_bags.truth(frame)["depth"], atol=0.002)


def test_a_bag_without_camera_info_is_refused(tmp_path: Path) -> None:
    bag = tiny_bags.write_ros2_bag(tmp_path / "run", storage=StoragePlugin.MCAP)
    with pytest.raises(TrainingError) as error:
        BagDataset(config(bag), "train", tmp_path / "cache")
    assert "expected a CameraInfo with a focal length beside the camera /camera/color/image_raw" in str(error.value)
    assert "/chatter  std_msgs/msg/String  (5)" in str(error.value)
    assert not (tmp_path / "cache").exists()


def test_a_bag_without_depth_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    with BagWriter(path) as bag:
        writer = GroundTruthWriter(bag, K)
        for stamp in tiny_bags.stamps(3):
            writer.write(stamp, np.zeros((HEIGHT, WIDTH, 3), np.uint8), {})
    with pytest.raises(TrainingError, match="expected an aligned depth topic beside the camera"):
        BagDataset(config(path), "train", tmp_path)


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="no such bag"):
        BagDataset(config(tmp_path / "nowhere.mcap"), "train", tmp_path)


def test_a_real_camera_gives_surfaces(shared_data: Path, tmp_path: Path) -> None:
    """A kitchen seen by a structured-light sensor: the floor is one plane, and most pixels are known."""
    bag = shared_data / "rgbd_kitchen_train" / "mcap"
    if not bag.is_dir():
        pytest.skip(f"no recording {bag}")
    settings = config(bag, width=128, height=96, every=60, validation_frames=1)
    batch = BagDataset(settings, "train", tmp_path).batch(range(4))
    assert batch.focal.tolist() == pytest.approx([585 * 128 / 640] * 4)
    depth, normals, edges = (batch.maps[name] for name in ("depth", "normals", "edges"))
    assert float(depth.isfinite().float().mean()) > 0.7
    assert 0.5 < float(depth.nanmedian()) < 4
    known = normals.isfinite().all(-1)
    assert float(known.float().mean()) > 0.7
    assert float(normals[known][:, 2].max()) < 0.7  # they face the camera
    assert 0.01 < float(edges.mean()) < 0.25
    # Neighbours on a surface have nearly the same normal.
    turn = (normals[:, :, 1:] * normals[:, :, :-1]).sum(-1)
    assert float(turn.nanmedian()) > np.cos(np.radians(6))
