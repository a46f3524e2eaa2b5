"""A run that is interrupted anywhere loses nothing that was finished, and ends as if it had not been."""

from __future__ import annotations

import itertools
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import NonSeekingReader, make_reader

from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera
from avtar_ros.bags.writing import BagWriter
from avtar_ros.engines.opening import open_engine
from avtar_ros.perception import Perception
from avtar_ros.replay.cli import main
from avtar_ros.replay.judging.judge import Judge
from avtar_ros.replay.running import parts
from avtar_ros.replay.running.bag_replay import PARTS
from avtar_ros.replay.running.parts import PartedOutput
from avtar_ros.replay.running.perceiving import replay
from tests.tiny_bags import START_NS, write_truth_bag
from tests.tiny_models import write_tiny_model

TASKS = ("segmentation", "depth", "normals", "edges")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    write_tiny_model(path)
    return path


def steady(out: Path) -> dict[str, bytes]:
    """What does not depend on the clock: the bag's bytes, and the lines of figures."""
    lines = (out / "metrics.json").read_bytes().splitlines()
    figures = [line.rstrip(b",") for line in lines if b"fps" not in line and b"latency" not in line]
    return {"bag": (out / "output.mcap").read_bytes(), "figures": b"\n".join(figures)}


@pytest.mark.slow
def test_killed_at_random_times_it_ends_with_the_same_bytes(tmp_path: Path, model: Path) -> None:
    """Also in the recording's own folder, which changes meanwhile."""
    bag = tmp_path / "bag"
    bag.mkdir()
    write_truth_bag(bag / "x.mcap", frames=260)
    command = [sys.executable, "-m", "avtar_ros.replay.cli", str(bag), "--model", str(model), "--threads", "1", "--out"]
    whole = subprocess.run([*command, str(tmp_path / "whole")], capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    out = bag / "killed"
    clock = random.Random(7)
    for wanted in (0, 1, 3):
        kept = kill_after(clock.uniform(0, 0.15), [*command, str(out)], out / PARTS, wanted)
        assert kept >= wanted, "a finished part was lost"
    assert subprocess.run([*command, str(out)], capture_output=True).returncode == 0
    assert steady(out) == steady(tmp_path / "whole")
    assert not (out / PARTS).exists()


def kill_after(seconds: float, command: list[str], parts_folder: Path, wanted: int) -> int:
    """Kill a run some time after it has begun its part number `wanted`; returns how many parts it leaves."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    begun = parts_folder / (f"{wanted - 1:06}.json" if wanted else "identity.json")
    while process.poll() is None and not begun.exists():
        time.sleep(0.005)
    time.sleep(seconds)
    process.kill()
    process.wait()
    return len(list(parts_folder.glob("0*.json")))


def write_harder_and_harder(path: Path) -> Path:
    """60 images of one colour, whose maps are small in a file, then 60 of noise."""
    with BagWriter(path) as bag:
        for i in range(120):
            noise = np.random.default_rng(i).integers(0, 256, (48, 64, 3), np.uint8)
            image = noise if i >= 60 else np.full((48, 64, 3), i, np.uint8)
            bag.write_image("/camera/image", START_NS + i * 10**8, "optical", image, "rgb8")
    return path


@pytest.fixture
def files_of_a_megabyte() -> Iterator[None]:
    """No file can grow beyond: writing fails with an OSError, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_writing_fails_finished_parts_are_kept_and_the_next_run_continues(
    tmp_path: Path, model: Path, files_of_a_megabyte: None, capsys
) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit[1], limit[1]))
    bag = write_harder_and_harder(tmp_path / "x.mcap")
    arguments = [str(bag), "--model", str(model), "--threads", "1", "--exact", "--out"]
    assert main([*arguments, str(tmp_path / "whole")]) == 0
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    capsys.readouterr()

    assert main([*arguments, str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "run the same again to continue" in error
    assert "Traceback" not in error
    assert [path.name for path in (tmp_path / "out" / PARTS).glob("0*")] == ["000000.json"]
    assert not (tmp_path / "out/output.mcap").exists()

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit[1], limit[1]))
    assert main([*arguments, str(tmp_path / "out")]) == 0
    assert steady(tmp_path / "out") == steady(tmp_path / "whole")


def begin(folder: Path, camera: RecordedCamera, identity: str = "this run") -> PartedOutput:
    return PartedOutput(folder / "parts", folder / "output.mcap", {"of": identity}, [camera], TASKS)


def test_finished_frames_come_from_the_parts_bit_for_bit_without_inference(
    tmp_path: Path, model: Path, monkeypatch
) -> None:
    monkeypatch.setattr(parts, "PART_FRAMES", 4)
    with open_bag(write_truth_bag(tmp_path / "x.mcap", frames=10)) as bag, open_engine(model) as engine:
        camera = RecordedCamera.find(bag, TASKS)
        first, second = Judge(engine.card), Judge(engine.card)
        with begin(tmp_path, camera) as output:
            fresh = list(replay(camera.frames(), Perception(engine), output, first))
        assert [len(part.latencies_ns) for part in output.parts] == [4, 4, 2]
        engine.close()  # it would raise if it were asked for one more frame
        with begin(tmp_path, camera) as output:
            recalled = list(replay(camera.frames(), Perception(engine), output, second))
    assert second.figures == first.figures
    assert second.times == first.times
    for a, b in zip(fresh, recalled, strict=True):
        for task in TASKS:
            assert a.maps[task].dtype == b.maps[task].dtype
            np.testing.assert_array_equal(a.maps[task], b.maps[task])


def test_parts_of_another_run_are_thrown_away(tmp_path: Path, model: Path) -> None:
    with open_bag(write_truth_bag(tmp_path / "x.mcap", frames=3)) as bag, open_engine(model) as engine:
        camera = RecordedCamera.find(bag, TASKS)
        with begin(tmp_path, camera) as output:
            assert len(list(replay(camera.frames(), Perception(engine), output, Judge(engine.card)))) == 3
        assert begin(tmp_path, camera).frames == 3
        assert begin(tmp_path, camera, identity="another run").frames == 0


def test_a_damaged_part_and_all_after_it_are_made_again(tmp_path: Path, model: Path, monkeypatch) -> None:
    monkeypatch.setattr(parts, "PART_FRAMES", 2)
    with open_bag(write_truth_bag(tmp_path / "x.mcap", frames=6)) as bag, open_engine(model) as engine:
        camera = RecordedCamera.find(bag, TASKS)
        with begin(tmp_path, camera) as output:
            list(replay(camera.frames(), Perception(engine), output, Judge(engine.card)))
        file = tmp_path / "output.mcap"
        file.write_bytes(file.read_bytes()[: output.parts[1].end - 10])
        with begin(tmp_path, camera) as output:
            assert output.frames == 2
            assert len(list(replay(camera.frames(), Perception(engine), output, Judge(engine.card)))) == 6
        assert output.frames == 6


@pytest.mark.parametrize("first", [0, 3, 7, 8])
def test_the_file_has_all_messages_and_a_right_index_however_often_it_was_begun(
    tmp_path: Path, model: Path, monkeypatch, first: int
) -> None:
    """The first so many frames in one run, all 8 in another."""
    monkeypatch.setattr(parts, "PART_FRAMES", 3)
    with open_bag(write_truth_bag(tmp_path / "x.mcap", frames=8)) as bag, open_engine(model) as engine:
        camera = RecordedCamera.find(bag, TASKS)
        for frames in (first, 8):
            with begin(tmp_path, camera) as output:
                some = (frame for frame in itertools.islice(camera.frames(), frames))
                perceived = list(replay(some, Perception(engine), output, Judge(engine.card)))
    expected = [(f"/camera/{task}/image", p.recorded.frame.stamp_ns) for p in perceived for task in TASKS]
    with (tmp_path / "output.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        found = [(c.topic, m.log_time, m.data) for _, c, m in reader.iter_messages()]
        assert [(topic, time) for topic, time, _ in found] == expected
        depth = [m.log_time for _, _, m in reader.iter_messages(topics=["/camera/depth/image"])]
        assert depth == [time for topic, time in expected if topic == "/camera/depth/image"]
        statistics = reader.get_summary().statistics
        file.seek(0)
        in_order = NonSeekingReader(file, validate_crcs=True).iter_messages(log_time_order=False)
        assert [(c.topic, m.log_time, m.data) for _, c, m in in_order] == found
    assert statistics.message_count == 8 * len(TASKS)
    assert statistics.chunk_count >= 3
    assert (statistics.message_start_time, statistics.message_end_time) == (depth[0], depth[-1])
    assert set(statistics.channel_message_counts.values()) == {8}
