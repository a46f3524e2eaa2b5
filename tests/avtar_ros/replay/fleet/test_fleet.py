"""A fleet's bags: what goes wrong with one, or with a worker, changes nothing about the others."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import numpy as np
import pytest

from avtar_ros.bags.ground_truth import decode_map, truth_topic
from avtar_ros.bags.reading import open_bag
from avtar_ros.errors import AvtarError
from avtar_ros.replay.cli import main
from avtar_ros.replay.fleet import places
from avtar_ros.replay.fleet.figures import pooled
from avtar_ros.replay.fleet.jobs import JobRunner, Outcome, model_names, outcome_of, plan
from avtar_ros.replay.fleet.report import FleetReport
from avtar_ros.replay.running.bag_replay import ReplayOptions
from tests.browser import EXECUTABLE, Browser
from tests.ros_processes import PATIENCE_S, REPOSITORY
from tests.tiny_bags import write_truth_bag
from tests.tiny_models import write_tiny_model

FRAMES = 30
WORKER = "ray::_Worker"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight bags of two robots in two scenes, one of them no bag, and two models."""
    folder = tmp_path_factory.mktemp("recordings")
    for i in range(8):
        place = folder / f"robot{i % 2}" / ("kitchen" if i < 4 else "hall")
        place.mkdir(parents=True, exist_ok=True)
        write_truth_bag(place / f"run{i}.mcap", FRAMES + i)
    (folder / "robot1/hall/run7.mcap").write_bytes(b"noise" * 1000)
    write_tiny_model(folder / "tiny.onnx")
    return folder


def steady(out: Path) -> tuple[dict[str, float], bytes]:
    """The figures that do not depend on the clock, and the maps."""
    figures = json.loads((out / "metrics.json").read_text())
    kept = {key: value for key, value in figures.items() if not key.startswith(("fps", "latency"))}
    return kept, (out / "output.mcap").read_bytes()


def processes() -> Iterator[tuple[int, int, str]]:
    """(process, its parent, its command line) of all there are."""
    lines = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    for line in lines.splitlines()[1:]:
        pid, parent, command = line.split(maxsplit=2)
        yield int(pid), int(parent), command


def descendants(pid: int) -> dict[int, str]:
    """The processes that a process has started, and those these have, with their command lines."""
    found: dict[int, str] = {}
    for child, parent, command in sorted(processes()):
        if parent == pid or parent in found:
            found[child] = command
    return found


def listening(pids: set[int]) -> set[str]:
    """The addresses on which processes listen."""
    inodes, found = set(), set()
    for pid in pids:
        with suppress(OSError):  # it has ended
            inodes |= {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, state, inode = (line.split()[i] for i in (1, 3, 9))
            if state == "0A" and f"socket:[{inode}]" in inodes:
                found.add(address.partition(":")[0])
    return found


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_corrupt_bag_and_a_killed_worker_leave_all_else_as_it_would_be_one_by_one(
    recordings: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="needs the extra `fleet`")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "avtar_ros.replay.cli", "fleet", str(recordings / "*/*/*.mcap"), "--out", str(out)]
    command += ["--model", str(recordings / "tiny.onnx"), "--workers", "2", "--exact"]
    fleet = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)
    try:
        killed = kill_a_worker(fleet, out)
        assert listening({fleet.pid, *descendants(fleet.pid)}) <= LOOPBACK
        started = descendants(fleet.pid)
        printed, errors = fleet.communicate(timeout=4 * PATIENCE_S)
    finally:
        fleet.kill()
    assert fleet.returncode == 1, errors
    assert "run7.mcap: cannot be opened as a bag" in errors
    assert "Traceback" not in errors
    assert "7 bags" in printed
    assert not {pid for pid, _, command in processes() if started.get(pid) == command}

    bags = {Path(entry["bag"]).stem: entry for entry in json.loads((out / "fleet.json").read_text())["bags"]}
    assert [name for name, entry in bags.items() if entry["failed"]] == ["run7"]
    assert len({entry["worker"] for entry in bags.values()} - {f"{os.uname().nodename} {killed}"}) >= 2
    for name in ("run0", "run3", "run6"):
        alone = tmp_path / name
        arguments = ["--model", str(recordings / "tiny.onnx"), "--threads", "1", "--exact", "--out", str(alone)]
        assert main([bags[name]["bag"], *arguments]) == 0
        assert steady(Path(bags[name]["results"])) == steady(alone)
    check_report(out)
    check_that_nothing_is_done_again(command, out)


def kill_a_worker(fleet: subprocess.Popen[str], out: Path) -> int:
    """Kill one of two workers once one has begun to write maps; returns which process it was."""
    deadline = time.monotonic() + 4 * PATIENCE_S
    while not list(out.glob("*/*/output.parts")):
        assert fleet.poll() is None, fleet.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker = next(pid for pid, command in descendants(fleet.pid).items() if command.startswith(WORKER))
    os.kill(worker, signal.SIGKILL)
    return worker


def check_report(out: Path) -> None:
    """What is said over all bags is pooled over their pixels, as computed here from the maps and the truth."""
    report = json.loads((out / "fleet.json").read_text())
    ((_, model),) = report["models"].items()
    assert model["frames"] == sum(FRAMES + i for i in range(7))
    assert set(model["groups"]) == {"robot", "scene"}
    for robot in ("robot0", "robot1"):
        squares = pixels = 0.0
        for entry in report["bags"]:
            if entry["robot"] != robot or entry["failed"]:
                continue
            with open_bag(Path(entry["bag"])) as bag, open_bag(Path(entry["results"]) / "output.mcap") as maps:
                pairs = zip(bag.messages([truth_topic("depth")]), maps.messages(["/camera/depth/image"]), strict=True)
                for true, predicted in pairs:
                    g, p = (decode_map("depth", m.message).astype(np.float64) for m in (true, predicted))
                    known = np.isfinite(g)
                    squares += float(np.square(g - p)[known].sum())
                    pixels += float(known.sum())
        assert model["groups"]["robot"][robot]["depth.rmse_m"] == pytest.approx(np.sqrt(squares / pixels), abs=1e-6)
    page = (out / "fleet.html").read_text()
    assert "robot0" in page
    assert "kitchen" in page
    assert "run7.mcap: cannot be opened" in page


def check_that_nothing_is_done_again(command: list[str], out: Path) -> None:
    """The same command again finds all done but the corrupt bag; without it there is nothing to ask Ray for."""
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*/output.mcap")}
    wanted = [word.replace("*/*/*.mcap", "*/kitchen/*.mcap") for word in command[3:]]
    assert main([*wanted, "--address", "nowhere:1"]) == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*/output.mcap")} == before


@contextmanager
def s3_server() -> Iterator[None]:
    """A server of this machine's own that speaks S3, which clients find as they do any: by their environment."""
    server = pytest.importorskip("moto.server", reason="needs the extra `test`").ThreadedMotoServer("127.0.0.1", 0)
    s3fs = pytest.importorskip("s3fs", reason="needs the extra `test`")
    server.start()
    environment = {
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("store")
        yield
        s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def store(recordings: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An object store with one robot's bags and a model in it: fsspec's in memory, and one of S3 on this machine."""
    fsspec = pytest.importorskip("fsspec", reason="needs the extra `fleet`")
    address = f"{request.param}://store"
    with s3_server() if request.param == "s3" else nullcontext():
        files, root = fsspec.core.url_to_fs(address)
        for path in sorted((recordings / "robot0/kitchen").glob("*.mcap")):
            files.pipe_file(f"{root}/robot0/kitchen/{path.name}", path.read_bytes())
        files.pipe_file(f"{root}/tiny.onnx", (recordings / "tiny.onnx").read_bytes())
        yield address
        files.rm(f"{root}/", recursive=True)


def put(address: str, content: bytes) -> None:
    import fsspec

    files, path = fsspec.core.url_to_fs(address)
    files.pipe_file(path, content)


OPTIONS = ReplayOptions(Path(), Path(), Path(), threads=1)
ROBOT = re.compile("(?P<robot>robot.)/")


def test_object_stores_hold_bags_model_and_results(store: str, recordings: Path, tmp_path: Path) -> None:
    bags = places.find([f"{store}/*/*/*.mcap"])
    assert [bag.rpartition("/")[2] for bag in bags] == ["run0.mcap", "run2.mcap"]
    jobs = plan(bags, [f"{store}/tiny.onnx"], f"{store}/out", ROBOT, OPTIONS)
    assert [job.groups for job in jobs] == [{"robot": "robot0"}] * 2
    assert outcome_of(jobs[0]) is None
    with JobRunner() as runner:
        outcome = runner.run(jobs[0])
    assert not outcome.failed
    assert outcome_of(jobs[0]) == outcome
    arguments = ["--model", str(recordings / "tiny.onnx"), "--threads", "1", "--out", str(tmp_path)]
    assert main([str(recordings / "robot0/kitchen/run0.mcap"), *arguments]) == 0
    assert places.read(f"{jobs[0].out}/output.mcap") == (tmp_path / "output.mcap").read_bytes()


def test_models_called_alike_have_folders_of_their_own() -> None:
    models = ["/a/model.onnx", "/b/model.onnx", "/b/other.onnx"]
    names = model_names(models)
    assert len(set(names.values())) == 3
    assert names["/b/other.onnx"] == "other"
    assert all(name.startswith("model-") for model, name in names.items() if model.endswith("/model.onnx"))


def test_fleets_of_models_called_alike_leave_each_others_results_and_say_so(
    recordings: Path, tmp_path: Path, capsys
) -> None:
    bag, out = str(recordings / "robot0/kitchen/run0.mcap"), str(tmp_path / "out")
    models = [str(tmp_path / folder / "model.onnx") for folder in "ab"]
    for model, tasks in zip(models, [("depth",), ("segmentation",)], strict=True):
        Path(model).parent.mkdir()
        write_tiny_model(Path(model), tasks=tasks)
    jobs = [plan([bag], [model], out, ROBOT, OPTIONS)[0] for model in models]
    with JobRunner() as runner:
        first, second = (runner.run(job) for job in jobs)
    kept = [outcome_of(job) for job in jobs]
    assert kept == [first, second]
    assert first.figures.keys() != second.figures.keys()
    fleet = ["fleet", bag, "--groups", ROBOT.pattern, "--threads", "1", "--address", "nowhere:1", "--out", out]
    assert main([*fleet, "--model", models[1]]) == 0
    said = "1 results of earlier runs in"
    assert said in capsys.readouterr().err
    page = (tmp_path / "out/fleet.html").read_text()
    assert said in page
    assert first.out.removeprefix(f"{out}/") in page
    assert main([*fleet, *(word for model in models for word in ("--model", model))]) == 0
    assert said not in capsys.readouterr().err
    assert json.loads((tmp_path / "out/fleet.json").read_text())["models"].keys() == set(models)


def test_a_model_that_was_changed_is_another_one(tmp_path: Path, recordings: Path) -> None:
    model, bag = tmp_path / "model.onnx", str(recordings / "robot0/kitchen/run0.mcap")
    write_tiny_model(model)
    before = plan([bag], [str(model)], str(tmp_path), ROBOT, OPTIONS)[0]
    write_tiny_model(model, tasks=("depth",))
    assert plan([bag], [str(model)], str(tmp_path), ROBOT, OPTIONS)[0].out != before.out


def test_what_belongs_to_a_file_in_a_store_comes_with_it(store: str) -> None:
    for name in ("bag.db3", "bag.db3-wal", "model.engine", "model.engine.json"):
        put(f"{store}/{name}", name.encode())
    for name, beside in (("bag.db3", "bag.db3-wal"), ("model.engine", "model.engine.json")):
        before = places.fingerprint(f"{store}/{name}")
        with places.local_copy(f"{store}/{name}") as path:
            assert {file.name: file.read_text() for file in path.parent.iterdir()} == {name: name, beside: beside}
        put(f"{store}/{beside}", b"changed, and longer")
        assert places.fingerprint(f"{store}/{name}") != before


def test_links_lead_to_reports_whatever_their_names() -> None:
    outcome = Outcome("x", "m", "/out/m/a b#1?<é>", {}, "", {}, 0.0, 0.0, "")
    link = FleetReport([outcome], {}, "/out", "")._link(outcome)
    assert link == "m/a%20b%231%3F%3C%C3%A9%3E/report.html"


def test_where_results_go_is_tried_before_work_begins(store: str, recordings: Path, capsys) -> None:
    out = f"{store}/results"
    put(f"{out}/fleet.html", b"mine")
    fleet = ["fleet", str(recordings / "robot0/kitchen/run0.mcap"), "--model", str(recordings / "tiny.onnx"), "--out"]
    assert main([*fleet, out]) == 1
    assert "results/fleet.html: is there already" in capsys.readouterr().err
    assert places.read(f"{out}/fleet.html") == b"mine"
    assert main([*fleet, "nosuchprotocol://x"]) == 1
    assert "nosuchprotocol://x: cannot be reached" in capsys.readouterr().err
    assert main([*fleet, "http://127.0.0.1:9/x"]) == 1
    assert "http://127.0.0.1:9/x" in capsys.readouterr().err


def test_a_whole_fleet_in_a_store_is_done_once_and_reported(store: str, recordings: Path, capsys) -> None:
    bags, models = (places.find([f"{store}/{pattern}"]) for pattern in ("*/*/*.mcap", "tiny.onnx"))
    jobs = plan(bags, models, f"{store}/out", ROBOT, OPTIONS)
    with JobRunner() as runner:
        outcomes = [runner.run(job) for job in jobs]
    assert not any(outcome.failed for outcome in outcomes)
    again = ["fleet", f"{store}/*/*/*.mcap", "--model", f"{store}/tiny.onnx", "--out", f"{store}/out"]
    assert main([*again, "--groups", ROBOT.pattern, "--threads", "1", "--address", "nowhere:1"]) == 0
    page = places.read(f"{store}/out/fleet.html")
    assert page is not None
    assert all(outcome.out.rpartition("/")[2] in page.decode() for outcome in outcomes)
    assert "2 bags" in capsys.readouterr().out


def test_an_output_by_an_address_of_this_machine_is_a_folder(recordings: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "fleet.html").write_text("mine")
    fleet = ["fleet", str(recordings / "robot0/kitchen/run0.mcap"), "--model", str(recordings / "tiny.onnx"), "--out"]
    assert main([*fleet, tmp_path.as_uri()]) == 1
    assert f"{tmp_path}/fleet.html: is there already" in capsys.readouterr().err
    assert (tmp_path / "fleet.html").read_text() == "mine"


def test_a_job_is_done_again_when_bag_model_or_options_have_changed(store: str, recordings: Path) -> None:
    def job(**options: object):
        chosen = ReplayOptions(Path(), Path(), Path(), threads=1, **options)
        return plan(places.find([f"{store}/*/*/run0.mcap"]), [f"{store}/tiny.onnx"], f"{store}/out",
                    ROBOT, chosen)[0]

    with JobRunner() as runner:
        runner.run(job())
    assert outcome_of(job()) is not None
    assert outcome_of(job(max_depth_m=2.0)) is None
    time.sleep(0.01)
    put(f"{store}/robot0/kitchen/run0.mcap", b"changed")
    assert outcome_of(job()) is None


@pytest.mark.skipif(EXECUTABLE is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_the_page_over_all_bags_can_be_looked_at(recordings: Path, tmp_path: Path, width: int, dark: bool) -> None:
    bags = [str(recordings / name) for name in ("robot0/kitchen/run0.mcap", "robot1/hall/run7.mcap")]
    jobs = plan(bags, [str(recordings / "tiny.onnx")], str(tmp_path / "out"), ROBOT, OPTIONS)
    with JobRunner() as runner:
        outcomes = [runner.run(job) for job in jobs]
    assert [outcome.failed for outcome in outcomes] == [False, True]
    FleetReport(outcomes, pooled(outcomes), str(tmp_path / "out"), "the command").write(tmp_path / "out")
    with Browser(tmp_path / "profile") as browser:
        browser.open(tmp_path / "out/fleet.html", width, dark=dark)
        assert browser.complaints() == []
        assert browser.requests() == [(tmp_path / "out/fleet.html").as_uri()]
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        link = browser.evaluate("document.querySelector('#bags a').href")
        assert link == (Path(jobs[0].out) / "report.html").as_uri()
        assert "run7.mcap: cannot be opened" in browser.evaluate("document.querySelector('.note').textContent")


def test_patterns_that_match_nothing_and_stores_that_are_not_known(tmp_path: Path) -> None:
    with pytest.raises(AvtarError, match="nothing matches"):
        places.find([str(tmp_path / "*.mcap")])
    with pytest.raises(AvtarError, match="nothere://bag: cannot be reached"):
        places.find(["nothere://bag"])
