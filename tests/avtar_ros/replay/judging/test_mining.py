"""avtar-replay mine: the frames worth learning from are found, and training reads the bag they are put in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avtar_ros.bags.class_names import RecordedClasses, recorded_classes
from avtar_ros.bags.ground_truth import CAMERA_INFO_TOPIC, CAMERA_TOPIC, GroundTruthWriter, truth_topic
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.writing import BagWriter
from avtar_ros.perception import Frame
from avtar_ros.replay.cli import main
from avtar_ros.replay.judging.frame_table import FrameTable
from avtar_ros.replay.judging.meters import View
from avtar_ros.replay.judging.mining import choose, scores
from avtar_ros.replay.judging.sureness import UnsureEdgesMeter
from avtar_ros.tasks.metric import Figure
from tests.tiny_bags import K, image, stamps, truth, write_truth_bag

WIDTH, HEIGHT, FRAMES = 64, 48, 30
ODD = (7, 20)


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A folder with a recording whose camera is still, but for the frames ODD, its replay, and what was mined."""
    folder = tmp_path_factory.mktemp("mine")
    with BagWriter(folder / "recording.mcap") as bag:
        writer = GroundTruthWriter(bag, K, jpeg_quality=100)
        for i, stamp in enumerate(stamps(FRAMES)):
            picture = image(0)
            # As bright as before, but edges are neither there nor not there.
            odd = np.clip(picture // 2 + 95, 0, 255).astype(np.uint8)
            writer.write(stamp, odd if i in ODD else picture, truth(0))
    arguments = [str(folder / "recording.mcap"), "--model", str(tiny_model), "--out", str(folder / "run")]
    assert main([*arguments, "--threads", "1"]) == 0
    mine = ["mine", str(folder / "recording.mcap"), str(folder / "run"), "--out", str(folder / "mined.mcap")]
    assert main([*mine, "--frames", "2", "--apart", "0.2"]) == 0
    return folder


def test_the_frames_unlike_the_others_are_found_with_all_that_was_recorded_with_them(mined: Path) -> None:
    topics = {CAMERA_TOPIC, CAMERA_INFO_TOPIC, *map(truth_topic, truth(0))}
    with open_bag(mined / "recording.mcap") as before, open_bag(mined / "mined.mcap") as after:
        assert after.topics.keys() == topics
        for topic in topics:
            expected = [str(m) for m in before.messages([topic])]
            found = [str(m) for m in after.messages([topic])]
            positions = [expected.index(text) for text in found]
            assert len(found) == 2
            # Maps change with the odd frame, and change back with the next one.
            assert {position - odd for position, odd in zip(positions, ODD, strict=True)} <= {0, 1}


def test_training_reads_what_was_mined(mined: Path, tmp_path: Path) -> None:
    bags = pytest.importorskip("training.data.bags", reason="needs the extra `train`")
    from training.data.own_config import BagConfig

    config = BagConfig(dataset="rosbag", bag=mined / "mined.mcap", width=32, height=24, validation_frames=1)
    training, validation = (bags.BagDataset(config, split, tmp_path) for split in ("train", "validation"))
    assert (len(training), len(validation)) == (1, 1)


def test_what_class_ids_mean_goes_with_them(tmp_path: Path, tiny_model: Path) -> None:
    recorded = RecordedClasses("/ground_truth/label_info", {0: "sofa", 1: "Armchair", 2: "floor"})
    bag, mined = write_truth_bag(tmp_path / "x.mcap", frames=8, classes=recorded), tmp_path / "mined.mcap"
    assert main([str(bag), "--model", str(tiny_model), "--out", str(tmp_path / "run")]) == 0
    assert "brought to the model" in (tmp_path / "run" / "report.html").read_text()
    assert main(["mine", str(bag), str(tmp_path / "run"), "--out", str(mined), "--apart", "0"]) == 0
    with open_bag(mined) as after:
        assert recorded_classes(after, truth_topic("segmentation")) == recorded


def test_a_lens_told_once_is_told_again(tmp_path: Path, tiny_model: Path) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        bag.write_camera_info("/camera/camera_info", stamps(1)[0], "optical", WIDTH, HEIGHT, K)
        for i, stamp in enumerate(stamps(20)):
            bag.write_image("/camera/image_raw", stamp, "optical", image(3 * (i == 15)), "rgb8")
    assert main([str(tmp_path / "x.mcap"), "--model", str(tiny_model), "--out", str(tmp_path / "run")]) == 0
    mine = ["mine", str(tmp_path / "x.mcap"), str(tmp_path / "run"), "--out", str(tmp_path / "mined.mcap")]
    assert main([*mine, "--frames", "1"]) == 0
    with open_bag(tmp_path / "mined.mcap") as bag:
        assert bag.topics["/camera/image_raw"].count == 1
        assert bag.topics["/camera/camera_info"].count == 1


def table_of(**columns: list[float]) -> FrameTable:
    table = FrameTable()
    for i, values in enumerate(zip(*columns.values(), strict=True)):
        table.add(i * 10**9, "/camera", 0, dict(zip(columns, values, strict=True)))
    return table


def test_scores_are_deviations_for_the_worse_in_spreads() -> None:
    table = table_of(flicker=[1.0, 2.0, 3.0, 2.0, 10.0], agreement=[0.5, 0.5, 0.6, 0.4, np.nan])
    figures = {"flicker": Figure("", "", False), "agreement": Figure("", "", True), "absent": Figure("", "", True)}
    found = scores(table, figures)
    flicker = np.maximum([-1, 0, 1, 0, 8], 0) / 1.4826
    agreement = np.array([0, 0, 0, 0.1 / (1.4826 * 0.05), np.nan])  # median 0.5, median deviation 0.05
    assert found[:4] == pytest.approx(np.sqrt((flicker**2 + agreement**2) / 2)[:4])
    assert found[4] == pytest.approx(flicker[4])  # it has one figure


def test_neighbours_of_a_chosen_frame_are_left_out() -> None:
    table = table_of(x=[0.0] * 6)
    score = np.array([0.0, 5, 6, 4, 1, 0])
    assert choose(table, score, 10, 0) == [2, 1, 3, 4]
    assert choose(table, score, 10, 2 * 10**9) == [2, 4]
    assert choose(table, score, 1, 0) == [2]


@pytest.mark.parametrize(("edges", "expected"), [([0.0, 1.0], 0), ([0.5, 0.5], 1), ([0.25, 1.0], 0.375)])
def test_edges_neither_there_nor_not_are_unsure(edges: list[float], expected: float) -> None:
    meter = UnsureEdgesMeter()
    view = View(Frame(image(0), 0), {"edges": np.array([edges], np.float32)}, {})
    assert meter.figures(meter.measure(view)) == {"edges.unsure": pytest.approx(expected)}


def test_what_cannot_be_mined_is_said(mined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = ["mine", str(mined / "recording.mcap"), str(mined / "run"), "--out"]
    assert main([*mine, str(tmp_path / "x.mcap"), "--by", "beauty"]) == 1
    assert "beauty: no such figure. There are: segmentation.miou" in capsys.readouterr().err
    assert main([*mine, str(tmp_path / "x.bag")]) == 1
    assert "must be named .mcap" in capsys.readouterr().err
    other = ["mine", str(mined / "mined.mcap"), str(mined / "run"), "--out", str(tmp_path / "x.mcap")]
    assert main([*other, "--frames", "9", "--apart", "0"]) == 1
    assert "Give the bag of this run" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
