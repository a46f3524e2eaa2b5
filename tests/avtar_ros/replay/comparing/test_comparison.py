"""avtar-replay compare: which of two runs is better, how sure that is, and an exit code for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from avtar_ros.errors import AvtarError
from avtar_ros.replay.cli import main
from avtar_ros.replay.comparing.comparison import Comparison, Verdict, compare_sums, verdicts
from avtar_ros.replay.comparing.conditions import Condition
from avtar_ros.replay.judging.judge import Judge
from avtar_ros.replay.judging.meters import TruthMeter
from avtar_ros.tasks.depth_metrics import DepthMetric
from avtar_ros.tasks.metric import Figure, MetricOptions
from tests.tiny_bags import write_truth_bag
from tests.tiny_models import DEPTH, write_tiny_model

METER = TruthMeter("depth", DepthMetric(MetricOptions(3)))


def depth_sums(errors: np.ndarray) -> np.ndarray:
    """The sums of one frame for each error in metres, on ten pixels of true depth 2 m."""
    truth = np.full((1, 2, 5), 2, np.float32)
    return np.stack([METER.metric.measure(truth + np.float32(error), truth) for error in errors])


def test_a_difference_in_every_frame_is_found_and_one_that_is_chance_is_not() -> None:
    random = np.random.default_rng(1)
    errors = random.uniform(0.1, 0.5, 80)
    baseline = {"depth": depth_sums(errors)}
    by_key = {c.key: c for c in compare_sums([METER], baseline, {"depth": depth_sums(errors + 0.05)})}
    worse = by_key["depth.rmse_m"]
    assert worse.verdict is Verdict.WORSE
    assert worse.low < worse.difference < worse.high
    assert worse.low > 0
    assert worse.baseline == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
    chance = compare_sums([METER], baseline, {"depth": depth_sums(random.permutation(errors))})[0]
    assert chance.verdict is Verdict.SAME
    better = compare_sums([METER], baseline, {"depth": depth_sums(errors - 0.05)})
    assert verdicts(better) == {"depth": Verdict.BETTER}


def test_the_interval_covers_what_it_should() -> None:
    """Of intervals from many samples, about 95 % hold the true difference, here that of the mean relative errors."""
    covered = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        a, b = random.uniform(0.2, 0.6, 50), random.uniform(0.2, 0.8, 50)
        found = {c.key: c for c in compare_sums([METER], {"depth": depth_sums(a)}, {"depth": depth_sums(b)})}
        covered += found["depth.abs_rel"].low <= 0.05 <= found["depth.abs_rel"].high
    assert 51 <= covered <= 60


def test_runs_that_do_not_match_are_refused() -> None:
    with pytest.raises(AvtarError, match=r"3 blocks.*the other 2"):
        compare_sums([METER], {"depth": depth_sums(np.ones(3))}, {"depth": depth_sums(np.ones(2))})


@pytest.mark.parametrize(("text", "candidate", "holds"), [
    ("depth.rmse_m > 1.05x", 1.06, True), ("depth.rmse_m>1.05x", 1.04, False), ("depth.rmse_m < 0.5", 0.4, True),
    ("depth.rmse_m <= 1x", 1.0, True), ("depth.rmse_m >= 2e-1", 0.1, False),
])
def test_conditions(text: str, candidate: float, holds: bool) -> None:
    assert Condition.parse(text).holds({"depth.rmse_m": 1.0}, {"depth.rmse_m": candidate}) is holds


@pytest.mark.parametrize("text", ["", "depth.rmse_m", "depth.rmse_m > x", "depth.rmse_m = 1", "depth.rmse_m > 1.2.3"])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(AvtarError, match=r"depth\.rmse_m > 1\.05x|not a number"):
        Condition.parse(text)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `good`, `same` and `bad` over one bag; the last one's depth is too large by half."""
    folder = tmp_path_factory.mktemp("runs")
    bag = write_truth_bag(folder / "x.mcap", frames=12)
    for name, focal_px in (("good", 60.0), ("same", 60.0), ("bad", 40.0)):
        depth = type(DEPTH)(DEPTH.min_m, DEPTH.max_m, focal_px)
        write_tiny_model(folder / f"{name}.onnx", depth=depth)
        arguments = [str(bag), "--model", str(folder / f"{name}.onnx"), "--threads", "1", "--out", str(folder / name)]
        assert main(arguments) == 0
    return folder


def test_runs_are_compared_from_their_folders(runs: Path, tmp_path: Path, capsys) -> None:
    folders = [str(runs / name) for name in ("good", "same", "bad")]
    assert main(["compare", *folders, "--json", str(tmp_path / "comparison.json")]) == 0
    printed = capsys.readouterr().out
    assert "depth: worse" in printed
    assert "depth.rmse_m differs most at" in printed
    found = json.loads((tmp_path / "comparison.json").read_text())
    same, bad = found[folders[1]], found[folders[2]]
    assert {value["verdict"] for value in same.values()} == {"no difference found"}
    assert all(value["difference"] == pytest.approx(0, abs=1e-6) for value in same.values())
    assert bad["depth.rmse_m"]["verdict"] == "worse"
    assert bad["depth.rmse_m"]["low"] > 0
    assert bad["segmentation.miou"]["verdict"] == "no difference found"
    assert bad["depth.rmse_m"]["candidate"] == pytest.approx(
        json.loads((runs / "bad/metrics.json").read_text())["depth.rmse_m"]
    )


def test_a_condition_that_holds_gives_exit_code_3(runs: Path, capsys) -> None:
    good, same, bad = (str(runs / name) for name in ("good", "same", "bad"))
    assert main(["compare", good, same, "--fail-if", "depth.rmse_m > 1.05x"]) == 0
    assert main(["compare", good, bad, "--fail-if", "depth.rmse_m > 1.05x"]) == 3
    assert "FAILED: depth.rmse_m > 1.05x" in capsys.readouterr().out
    assert main(["compare", good, bad, "--fail-if", "depth.rsme > 1.05x"]) == 1
    assert "no figure depth.rsme" in capsys.readouterr().err


def test_runs_over_other_frames_and_folders_without_a_run_are_refused(runs: Path, tmp_path: Path, capsys) -> None:
    arguments = ["--model", str(runs / "good.onnx"), "--threads", "1", "--every", "2", "--out", str(tmp_path / "half")]
    assert main([str(runs / "x.mcap"), *arguments]) == 0
    assert main(["compare", str(runs / "good"), str(tmp_path / "half")]) == 1
    assert "not over the same frames (12 and 6)" in capsys.readouterr().err
    assert main(["compare", str(runs / "good"), str(tmp_path)]) == 1
    assert "no finished run" in capsys.readouterr().err


def test_model_files_are_run_first_and_then_compared_with_runs_too(runs: Path, tmp_path: Path, capsys) -> None:
    models = [str(runs / f"{name}.onnx") for name in ("good", "bad")]
    arguments = ["--bag", str(runs / "x.mcap"), "--out", str(tmp_path), "--threads", "1"]
    assert main(["compare", *models, str(runs / "same"), *arguments, "--json", str(tmp_path / "all.json")]) == 0
    found = json.loads((tmp_path / "all.json").read_text())
    good, bad = (str(path) for path in sorted(tmp_path.glob("[12]-*")))
    assert found[bad]["depth.rmse_m"]["verdict"] == "worse"
    assert found[str(runs / "same")]["depth.rmse_m"]["difference"] == pytest.approx(0, abs=1e-6)
    assert Path(good, "report.html").exists()
    assert main(["compare", *models]) == 1
    assert "--bag BAG" in capsys.readouterr().err
    assert main(["compare", *models, *arguments[2:], "--bag", str(tmp_path / "none.mcap")]) == 1
    assert "none.mcap: no such bag" in capsys.readouterr().err


def test_other_models_of_the_same_names_leave_earlier_runs_as_they_are(runs: Path, tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    for name, other in (("good", "bad"), ("bad", "good")):
        shutil.copy(runs / f"{name}.onnx", others / f"{other}.onnx")
    arguments = ["--bag", str(runs / "x.mcap"), "--out", str(tmp_path / "out"), "--threads", "1"]
    found = []
    for folder in (runs, others):
        models = [str(folder / f"{name}.onnx") for name in ("good", "bad")]
        assert main(["compare", *models, *arguments, "--json", str(tmp_path / "found.json")]) == 0
        found.append(json.loads((tmp_path / "found.json").read_text()))
    assert len(list((tmp_path / "out").iterdir())) == 4
    verdicts = [figures["depth.rmse_m"]["verdict"] for each in found for figures in each.values()]
    assert verdicts == ["worse", "better"]


def test_a_sure_difference_that_is_small_is_not_worth_mentioning() -> None:
    figure = Figure("RMSE", "m", False, mention=0.01)
    slight = Comparison("depth.rmse_m", figure, 0.300, 0.304, 0.003, 0.005)
    large = Comparison("depth.rmse_m", figure, 0.300, 0.320, 0.015, 0.025)
    assert slight.verdict is Verdict.SLIGHT
    assert large.verdict is Verdict.WORSE
    assert verdicts([slight]) == {"depth": Verdict.SLIGHT}
    assert verdicts([slight, large]) == {"depth": Verdict.WORSE}


def test_every_figure_says_what_it_means_and_what_is_worth_mentioning(tmp_path: Path) -> None:
    card = write_tiny_model(tmp_path / "tiny.onnx")
    assert {key for key, figure in Judge(card).known.items() if not (figure.mention > 0 and figure.meaning)} == set()
