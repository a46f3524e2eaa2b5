"""The demo, run as its user runs it: real processes, real ROS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from avtar_ros.bags.ground_truth import decode_map
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.writing import BagWriter
from avtar_ros.errors import AvtarError
from avtar_ros.metrics import known_figures
from avtar_ros.ros.child_process import NodeProcess
from tests.tiny_bags import START_NS, image, stamps, write_truth_bag
from tests.tiny_models import write_tiny_model

TASKS = ("segmentation", "depth", "normals", "edges")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    write_tiny_model(path)
    return path


def start(bag: Path, model: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "avtar_ros.demo", "--bag", str(bag), "--model", str(model), "--out", str(out)]
    return subprocess.Popen(
        [*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def figures(out: Path) -> dict[str, float]:
    loaded: dict[str, float] = json.loads((out / "metrics.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, model: Path) -> tuple[Path, str]:
    """The output folder of a bag of two seconds played through, and what was printed."""
    folder = tmp_path_factory.mktemp("demo")
    demo = start(write_truth_bag(folder / "rooms.mcap", frames=60), model, folder / "out")
    printed, errors = demo.communicate(timeout=120)
    assert demo.returncode == 0, errors
    return folder / "out", printed


def test_it_leaves_maps_metrics_and_report(played: tuple[Path, str]) -> None:
    out, printed = played
    names = sorted(path.name for path in out.iterdir())
    results = ["frames.csv", "metrics.json", "output.mcap", "picture.png", "report.html", "sums.npz"]
    assert names == [".avtar_ros", *results]
    found = figures(out)
    assert found["frames_in"] == 60
    assert found["frames_in"] == found["frames_out"] + found["frames_dropped"]
    assert found["frames_out"] > 0
    assert 0 < found["latency_ms.p50"] <= found["latency_ms.p99"]
    assert set(known_figures()) <= found.keys()
    for name in ("Frames in", "Frames out", "Frames dropped", "Latency p99", "Segmentation", "Mean IoU", "report.html"):
        assert name in printed


def test_the_recorded_maps_are_what_the_model_makes_of_the_images(played: tuple[Path, str]) -> None:
    """The tiny model's depth is 0.5 + 9.5 times the brightness, which JPEG keeps nearly; every frame differs."""
    out, _ = played
    expected = [0.5 + 9.5 * image(i).mean() / 255 for i in range(60)]
    with open_bag(out / "output.mcap") as bag:
        assert set(bag.topics) == {f"/camera/{task}/image" for task in TASKS}
        depths = [decode_map("depth", m.message) for m in bag.messages(["/camera/depth/image"])]
    assert all(depth.shape == (48, 64) for depth in depths)
    means = [float(depth.mean()) for depth in depths]
    nearest = [min(range(60), key=lambda i: abs(expected[i] - mean)) for mean in means]
    assert all(abs(expected[i] - mean) < 0.05 for i, mean in zip(nearest, means, strict=True))


def test_without_ground_truth_it_leaves_the_metrics_out_and_says_so(tmp_path: Path, model: Path) -> None:
    with BagWriter(tmp_path / "camera.mcap") as bag:
        for i, stamp in enumerate(stamps(10)):
            bag.write_image("/front/image_raw", stamp, "optical", image(i), "rgb8")
    demo = start(tmp_path / "camera.mcap", model, tmp_path / "out")
    printed, errors = demo.communicate(timeout=120)
    assert demo.returncode == 0, errors
    assert "no ground truth" in printed
    assert not known_figures().keys() & figures(tmp_path / "out").keys()


def children_of(pid: int) -> list[str]:
    """Parent and command line of the node processes that a demo runs."""
    found = subprocess.run(["ps", "-eo", "ppid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if "avtar_ros." in line and line.split()[0] == str(pid)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_its_processes_and_keeps_what_was_recorded(
    tmp_path: Path, model: Path, number: int
) -> None:
    demo = start(write_truth_bag(tmp_path / "long.mcap", frames=1800), model, tmp_path / "out")
    partial = tmp_path / "out" / "output.mcap.partial"
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size > 2000):
        assert demo.poll() is None, demo.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = children_of(demo.pid)
    assert len(children) == 2
    demo.send_signal(number)
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not {child.split(maxsplit=1)[1] for child in children} & set(running.splitlines())
    with open_bag(tmp_path / "out/output.mcap") as bag:
        recorded = bag.topics["/camera/depth/image"].count
    assert 0 < figures(tmp_path / "out")["frames_out"] <= recorded < 1800


@pytest.mark.parametrize(("arguments", "message"), [
    (["--bag", "no.mcap"], "no.mcap: no such bag"),
    (["--model", "no.onnx"], "no.onnx: no such model"),
    (["--topic", "/nothing"], "no topic /nothing"),
])
def test_what_is_wrong_is_said_in_one_line_before_anything_starts(
    tmp_path: Path, model: Path, arguments: list[str], message: str
) -> None:
    demo = start(write_truth_bag(tmp_path / "x.mcap"), model, tmp_path / "out", *arguments)
    printed, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert message in errors.splitlines()[0]
    assert "Traceback" not in errors
    assert printed == ""
    assert not (tmp_path / "out").exists()


def test_a_node_that_gives_no_maps_is_an_error_with_its_own_words(tmp_path: Path, model: Path) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        bag.write_image("/camera/image_raw", START_NS, "optical", image(0), "rgb8")
        for i, stamp in enumerate(stamps(5)[1:]):
            bag.write_image("/broken/image_raw", stamp, "optical", np.full((2, 2), i, np.uint16), "16UC1")
    demo = start(tmp_path / "x.mcap", model, tmp_path / "out", "--topic", "/broken/image_raw")
    _, errors = demo.communicate(timeout=120)
    assert demo.returncode == 1
    assert "no maps" in errors
    assert "malformed image" in errors


def test_a_process_that_fails_is_heard(tmp_path: Path) -> None:
    with NodeProcess("avtar_ros.source.camera_source", {"source": str(tmp_path / "123")}, tmp_path) as process:
        deadline = time.monotonic() + 60
        with pytest.raises(AvtarError, match=r"camera_source failed with exit code 1(.|\n)*123: no such bag"):
            while process.running() and time.monotonic() < deadline:
                time.sleep(0.05)


def test_a_process_is_ended_on_leaving(tmp_path: Path, model: Path) -> None:
    with NodeProcess("avtar_ros.node.multitask_node", {"model": str(model)}, tmp_path) as process:
        deadline = time.monotonic() + 60
        while "on ONNX Runtime" not in process.last_words() and time.monotonic() < deadline:
            process.check_running()
            time.sleep(0.05)
        pid = process._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_picture_is_recorded_and_played(tmp_path: Path, model: Path) -> None:
    cv2.imwrite(str(tmp_path / "office.png"), image(0)[..., ::-1])
    demo = start(tmp_path / "office.png", model, tmp_path / "out", "--fov", "60")
    _, errors = demo.communicate(timeout=120)
    assert demo.returncode == 0, errors
    assert "office: 20 images, recorded" in errors
    assert "0/0" not in errors
    found = figures(tmp_path / "out")
    assert found["frames_in"] == 20
    with open_bag(tmp_path / "out/input.mcap") as bag:
        assert {topic.count for topic in bag.topics.values()} == {20}
        info = next(m.message for m in bag.messages(["/camera/camera_info"]))
        assert info.k[0] == pytest.approx(32 / np.tan(np.radians(30)))


def test_interrupted_before_the_first_frame_it_says_so(tmp_path: Path, model: Path) -> None:
    demo = start(write_truth_bag(tmp_path / "rooms.mcap", frames=60), model, tmp_path / "out")
    while not (tmp_path / "out/output.mcap.partial").exists():
        assert demo.poll() is None
        time.sleep(0.05)
    os.kill(demo.pid, signal.SIGINT)
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert errors.strip().splitlines()[-1] == "demo: interrupted"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_nothing_lives_on_when_its_terminal_is_closed_or_it_is_killed(
    tmp_path: Path, model: Path, number: signal.Signals
) -> None:
    demo = start(write_truth_bag(tmp_path / "rooms.mcap", frames=600), model, tmp_path / "out")
    children: list[int] = []
    deadline = time.monotonic() + 60
    while len(children) < 2 and time.monotonic() < deadline:  # the node and the camera
        listed = Path(f"/proc/{demo.pid}/task/{demo.pid}/children")
        children = [int(pid) for pid in listed.read_text().split()] if listed.exists() else []
        time.sleep(0.1)
    assert len(children) == 2
    demo.send_signal(number)
    demo.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while (alive := [pid for pid in children if running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive == []


def running(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
