"""avtar-replay from its command line: what it writes, and what it says when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from avtar_ros.bags.ground_truth import CAMERA_TOPIC, decode_map
from avtar_ros.bags.reading import open_bag
from avtar_ros.bags.recorded_frames import RecordedCamera, RecordedFrame
from avtar_ros.bags.writing import BagWriter
from avtar_ros.engines.opening import open_engine
from avtar_ros.metrics import StreamingMetrics, known_figures
from avtar_ros.perception import Perception
from avtar_ros.replay.cli import main
from avtar_ros.replay.running import parts, perceiving
from avtar_ros.replay.running.bag_replay import PARTS
from avtar_ros.replay.running.perceived import map_topic
from avtar_ros.tasks import TASKS
from avtar_ros.tasks.normals import angles_deg
from tests.tiny_bags import START_NS, image, stamps, write_ros1_bag, write_ros2_bag, write_truth_bag
from tests.tiny_models import CLASSES, write_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    write_tiny_model(path)
    return path


def run(bag: Path, model: Path, out: Path, *more: str) -> int:
    return main([str(bag), "--model", str(model), "--out", str(out), "--threads", "1", "--exact", *more])


def figures(out: Path) -> dict[str, float]:
    loaded: dict[str, float] = json.loads((out / "metrics.json").read_text())
    return loaded


def contents(out: Path) -> tuple[dict[str, float], list[str]]:
    """The figures that do not depend on the clock, and every message."""
    steady = {key: value for key, value in figures(out).items() if not key.startswith(("fps", "latency"))}
    with open_bag(out / "output.mcap") as output:
        return steady, [f"{m.topic} {m.log_ns} {bytes(m.message.data)!r}" for m in output.messages(list(output.topics))]


def test_it_writes_the_maps_a_live_node_would_give_under_the_original_stamps(tmp_path: Path, model: Path) -> None:
    bag = write_truth_bag(tmp_path / "rooms.mcap", frames=7)
    assert run(bag, model, tmp_path / "out") == 0
    with open_engine(model) as engine, open_bag(bag) as recording, open_bag(tmp_path / "out/output.mcap") as output:
        perception = Perception(engine)
        expected = [perception([r.frame])[0] for r in RecordedCamera.find(recording, ()).frames()]
        for task, record in TASKS.items():
            messages = [m.message for m in output.messages([map_topic(CAMERA_TOPIC, task)])]
            assert [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages] == stamps(7)
            assert {(m.header.frame_id, m.encoding) for m in messages} == {("camera_optical", record.encoding)}
            for message, maps in zip(messages, expected, strict=True):
                stored = np.frombuffer(message.data, record.dtype).reshape(maps[task].shape)
                np.testing.assert_array_equal(stored, maps[task])


def test_the_metrics_are_those_of_the_written_maps_against_the_truth(tmp_path: Path, model: Path) -> None:
    bag = write_truth_bag(tmp_path / "rooms.mcap", frames=5)
    assert run(bag, model, tmp_path / "out") == 0
    metrics = StreamingMetrics(list(TASKS), len(CLASSES))
    with open_bag(bag) as recording, open_bag(tmp_path / "out/output.mcap") as output:
        frames = RecordedCamera.find(recording, list(TASKS)).frames()
        predicted = zip(*(output.messages([map_topic(CAMERA_TOPIC, task)]) for task in TASKS), strict=True)
        for recorded, messages in zip(frames, predicted, strict=True):
            maps = {task: decode_map(task, m.message)[None] for task, m in zip(TASKS, messages, strict=True)}
            metrics.update(maps, {task: known[None] for task, known in recorded.truth.items()})
    found = figures(tmp_path / "out")
    assert {key: found[key] for key in known_figures()} == pytest.approx(metrics.compute(), abs=1e-6)
    assert found["frames"] == 5
    assert found["fps"] > 0
    assert 0 < found["latency_ms.p50"] <= found["latency_ms.p99"]


@pytest.mark.parametrize(("write", "name"), [(write_ros1_bag, "x.bag"), (write_ros2_bag, "x")])
def test_only_what_there_is_truth_for_is_measured(tmp_path: Path, model: Path, write, name: str, capsys) -> None:
    assert run(write(tmp_path / name), model, tmp_path / "out") == 0
    assert {key.split(".")[0] for key in figures(tmp_path / "out") if key in known_figures()} == {"depth"}
    printed = capsys.readouterr()
    assert "RMSE" in printed.out
    assert "lower is better" in printed.out
    assert "depth.rmse_m" not in printed.out  # keys are for machines
    assert "no CameraInfo" in printed.err


@pytest.mark.parametrize("name", ["mcap", "sqlite3", "ros1.bag"])
def test_real_recordings(tmp_path: Path, model: Path, shared_data: Path, name: str) -> None:
    assert run(shared_data / "rgbd_kitchen" / name, model, tmp_path / "out", "--every", "5") == 0
    found = figures(tmp_path / "out")
    assert found["frames"] in (3, 12)
    assert found["depth.rmse_m"] > 0


def test_depth_of_another_place_than_the_cameras_is_said_to_be(tmp_path: Path, model: Path, capsys) -> None:
    for name, frame_id in (("apart", "infrared"), ("together", "optical")):
        with BagWriter(tmp_path / f"{name}.mcap") as bag:
            bag.write_image("/camera/image", START_NS, "optical", image(0), "rgb8")
            bag.write_image("/camera/depth/image", START_NS, frame_id, np.full((48, 64), 1500, np.uint16), "16UC1")
        assert run(tmp_path / f"{name}.mcap", model, tmp_path / name) == 0
        said = "/camera/depth/image is not registered to /camera/image" in capsys.readouterr().err
        assert said == (name == "apart")
        assert figures(tmp_path / name)["depth.rmse_m"] > 0
    assert "(not registered to the camera)" in (tmp_path / "apart/report.html").read_text()
    assert "(registered to the camera)" in (tmp_path / "together/report.html").read_text()


def test_every_nth_frame_and_the_depth_cap(tmp_path: Path, model: Path) -> None:
    bag = write_truth_bag(tmp_path / "rooms.mcap", frames=9)
    assert run(bag, model, tmp_path / "all") == 0
    assert run(bag, model, tmp_path / "near", "--every", "4", "--max-depth", "2.5") == 0
    assert figures(tmp_path / "near")["frames"] == 3
    assert figures(tmp_path / "near")["depth.rmse_m"] != figures(tmp_path / "all")["depth.rmse_m"]
    assert "true depth up to 2.5 m" in (tmp_path / "near/report.html").read_text()


def test_a_stretch_of_the_bag_is_taken(tmp_path: Path, model: Path, capsys) -> None:
    bag = write_truth_bag(tmp_path / "rooms.mcap", frames=30)
    assert run(bag, model, tmp_path / "out", "--start", "0.2", "--duration", "0.5", "--every", "2") == 0
    with open_bag(tmp_path / "out/output.mcap") as output:
        taken = [m.log_ns for m in output.messages([map_topic(CAMERA_TOPIC, "depth")])]
    assert taken == [stamp for stamp in stamps(30) if 0.2 <= (stamp - START_NS) / 1e9 < 0.7][::2]
    assert "nothing is left from 5 s on" in fails(
        capsys, bag, "--model", model, "--out", tmp_path / "late", "--start", "5"
    )


def test_tasks_and_the_size_of_maps_are_chosen(tmp_path: Path, capsys) -> None:
    write_tiny_model(tmp_path / "small.onnx", width=32, height=24)
    bag = write_truth_bag(tmp_path / "rooms.mcap", frames=2)
    arguments = "--tasks", "edges,depth", "--map-size", "model"
    assert run(bag, tmp_path / "small.onnx", tmp_path / "out", *arguments) == 0
    with open_bag(tmp_path / "out/output.mcap") as output:
        assert output.topics.keys() == {"/camera/edges/image", "/camera/depth/image"}
        assert {(m.message.width, m.message.height) for m in output.messages(list(output.topics))} == {(32, 24)}
    assert {key.split(".")[0] for key in figures(tmp_path / "out") if key in known_figures()} == {"edges", "depth"}
    write_tiny_model(tmp_path / "edges.onnx", tasks=["edges"])
    assert "has no task depth" in fails(
        capsys, bag, "--model", tmp_path / "edges.onnx", "--out", tmp_path / "out", "--tasks", "depth"
    )


def test_input_topics_pass_through_unchanged(tmp_path: Path, model: Path) -> None:
    bag = write_truth_bag(tmp_path / "rooms.mcap", frames=6)
    assert run(bag, model, tmp_path / "out", "--passthrough", "--every", "2") == 0
    with open_bag(bag) as recording, open_bag(tmp_path / "out/output.mcap") as output:
        assert output.topics.keys() == recording.topics.keys() | {map_topic(CAMERA_TOPIC, task) for task in TASKS}
        for topic in recording.topics:
            before = [(m.log_ns, str(m.message)) for m in recording.messages([topic])]
            assert [(m.log_ns, str(m.message)) for m in output.messages([topic])] == before[::2]


def test_ros_1_topics_pass_through_as_ros_2(tmp_path: Path, model: Path) -> None:
    assert run(write_ros1_bag(tmp_path / "x.bag"), model, tmp_path / "out", "--passthrough") == 0
    with open_bag(tmp_path / "x.bag") as recording, open_bag(tmp_path / "out/output.mcap") as output:
        for topic in ("/camera/color/image_raw", "/camera/depth/image_raw"):
            pixels = [bytes(m.message.data) for m in recording.messages([topic])]
            assert [bytes(m.message.data) for m in output.messages([topic])] == pixels


def test_several_cameras_are_replayed_at_once(tmp_path: Path, model: Path) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        for i, stamp in enumerate(stamps(4)):
            for camera in ("left", "right"):
                bag.write_image(f"/{camera}/image", stamp, camera, image(i + 10 * (camera == "left")), "rgb8")
    cameras = "--topic", "/left/image", "--topic", "/right/image"
    assert run(tmp_path / "x.mcap", model, tmp_path / "both", *cameras) == 0
    assert figures(tmp_path / "both")["frames"] == 8
    for camera in ("left", "right"):
        assert run(tmp_path / "x.mcap", model, tmp_path / camera, "--topic", f"/{camera}/image") == 0
        with open_bag(tmp_path / camera / "output.mcap") as alone, open_bag(tmp_path / "both/output.mcap") as both:
            assert len(alone.topics) == 4
            for topic in alone.topics:
                assert [str(m) for m in both.messages([topic])] == [str(m) for m in alone.messages([topic])]


def test_cameras_whose_maps_would_mix_are_refused(tmp_path: Path, model: Path, capsys) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        for name in ("one", "two"):
            bag.write_image(f"/camera/{name}", START_NS, "optical", image(0), "rgb8")
    arguments = "--topic", "/camera/one", "--topic", "/camera/two", "--out", tmp_path / "out"
    assert "/camera/segmentation/image" in fails(capsys, tmp_path / "x.mcap", "--model", model, *arguments)


def test_maps_are_written_as_a_file_a_frame_too(tmp_path: Path, model: Path) -> None:
    bag = write_truth_bag(tmp_path / "rooms.mcap", frames=3)
    assert run(bag, model, tmp_path / "npz", "--per-frame", "npz") == 0
    assert run(bag, model, tmp_path / "png", "--per-frame", "png", "--every", "2") == 0
    names = sorted(path.name for path in (tmp_path / "npz/frames/camera").iterdir())
    assert names == [f"{stamp}.npz" for stamp in stamps(3)]
    with open_bag(tmp_path / "npz/output.mcap") as output:
        for task, record in TASKS.items():
            for m in output.messages([map_topic(CAMERA_TOPIC, task)]):
                with np.load(tmp_path / f"npz/frames/camera/{m.log_ns}.npz") as stored:
                    assert stored["stamp_ns"] == m.log_ns
                    assert stored["focal_px"] == 60
                    assert stored[task].dtype == record.dtype
                    assert stored[task].tobytes() == m.message.data.tobytes()
    for task in TASKS:
        assert len(list((tmp_path / "png/frames/camera" / task).iterdir())) == 2
    with np.load(tmp_path / f"npz/frames/camera/{START_NS}.npz") as stored:
        depth = cv2.imread(str(tmp_path / f"png/frames/camera/depth/{START_NS}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_allclose(depth / 1000, stored["depth"], atol=0.00051)
        ids = cv2.imread(str(tmp_path / f"png/frames/camera/segmentation/{START_NS}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(ids, stored["segmentation"])


def test_a_second_run_replaces_the_first_and_leaves_nothing_else(tmp_path: Path, model: Path) -> None:
    bag = write_truth_bag(tmp_path / "rooms.mcap")
    for _ in range(2):
        assert run(bag, model, tmp_path / "out") == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    results = ["frames.csv", "metrics.json", "output.mcap", "picture.png", "report.html", "sums.npz"]
    assert names == [".avtar_ros", *results]
    assert cv2.imread(str(tmp_path / "out/picture.png")).shape[1] > 5 * 300


def fails(capsys: pytest.CaptureFixture[str], *arguments: Path | str) -> str:
    """What is said on standard error when the command fails with exit code 1, and nothing like a traceback."""
    assert main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("avtar-replay: ")
    assert "Traceback" not in error
    return error


def test_a_missing_bag(tmp_path: Path, model: Path, capsys) -> None:
    error = fails(capsys, tmp_path / "no.mcap", "--model", model, "--out", tmp_path / "out")
    assert "no.mcap: no such bag" in error
    assert not (tmp_path / "out").exists()


def test_a_bag_without_images(tmp_path: Path, model: Path, capsys) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        bag.write_image("/depth", START_NS, "optical", np.ones((2, 2), np.uint16), "16UC1")
    error = fails(capsys, tmp_path / "x.mcap", "--model", model, "--out", tmp_path / "out")
    assert "no topic with colour images" in error
    assert "/depth  sensor_msgs/msg/Image  (1)" in error


def test_a_topic_that_does_not_exist(tmp_path: Path, model: Path, capsys) -> None:
    bag = write_truth_bag(tmp_path / "x.mcap")
    error = fails(capsys, bag, "--model", model, "--out", tmp_path / "out", "--topic", "/camera")
    assert "no topic /camera. There are:" in error
    assert CAMERA_TOPIC in error


@pytest.mark.parametrize(("name", "content"), [("no.onnx", None), ("noise.onnx", b"noise"), ("model.pt", b"noise")])
def test_a_model_that_is_none(tmp_path: Path, capsys, name: str, content: bytes | None) -> None:
    bag = write_truth_bag(tmp_path / "x.mcap")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert name in fails(capsys, bag, "--model", tmp_path / name, "--out", tmp_path / "out")


def test_labels_of_other_classes_than_the_models_are_not_measured_and_all_else_is(tmp_path: Path, capsys) -> None:
    write_tiny_model(tmp_path / "two.onnx", classes=CLASSES[:2])
    assert run(write_truth_bag(tmp_path / "x.mcap"), tmp_path / "two.onnx", tmp_path / "out") == 0
    assert "Segmentation is not measured: the truth has class id 2" in capsys.readouterr().err
    assert figures(tmp_path / "out").keys() >= known_figures().keys() - {"segmentation.miou"}
    assert "segmentation.miou" not in figures(tmp_path / "out")


def test_an_output_folder_that_cannot_be(tmp_path: Path, model: Path, capsys) -> None:
    (tmp_path / "file").write_text("in the way")
    bag = write_truth_bag(tmp_path / "x.mcap")
    assert "cannot be made a folder" in fails(capsys, bag, "--model", model, "--out", tmp_path / "file")


def test_a_bag_cut_off_gives_results_up_to_the_break_and_exit_code_1(tmp_path: Path, model: Path, capsys) -> None:
    bag = tmp_path / "x.mcap"
    with BagWriter(bag) as writer:
        for i in range(20):
            noise = np.random.default_rng(i).integers(0, 256, (200, 300, 3), np.uint8)
            writer.write_image("/camera/image", START_NS + i * 10**8, "optical", noise, "rgb8")
    content = bag.read_bytes()
    bag.write_bytes(content[: len(content) * 7 // 10])
    assert run(bag, model, tmp_path / "out") == 1
    assert "damaged" in capsys.readouterr().err
    assert "damaged" in (tmp_path / "out/report.html").read_text()
    frames = figures(tmp_path / "out")["frames"]
    with open_bag(tmp_path / "out/output.mcap") as output:
        assert 0 < output.topics["/camera/edges/image"].count == frames < 20


def test_interrupted_it_keeps_what_is_done(tmp_path: Path, model: Path, monkeypatch, capsys) -> None:
    """The key is pressed after the third frame."""
    perceive = perceiving.perceive

    def interrupted(perception, frames):
        for count, perceived in enumerate(perceive(perception, frames)):
            if count == 3:
                raise KeyboardInterrupt
            yield perceived

    monkeypatch.setattr(perceiving, "perceive", interrupted)
    assert run(write_truth_bag(tmp_path / "x.mcap", frames=20), model, tmp_path / "out") == 130
    assert "Interrupted" in capsys.readouterr().err
    assert figures(tmp_path / "out")["frames"] == 3
    with open_bag(tmp_path / "out/output.mcap") as output:
        assert output.topics["/camera/depth/image"].count == 3

    monkeypatch.undo()
    assert run(tmp_path / "x.mcap", model, tmp_path / "out") == 0
    assert run(tmp_path / "x.mcap", model, tmp_path / "whole") == 0
    assert not (tmp_path / "out" / PARTS).exists()
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_images_that_are_all_damaged(tmp_path: Path, model: Path, capsys) -> None:
    with BagWriter(tmp_path / "x.mcap") as bag:
        for stamp in stamps(3):
            bag.write_compressed("/camera/image/compressed", stamp, "optical", "jpeg", b"noise")
    arguments = tmp_path / "x.mcap", "--model", model, "--out", tmp_path / "out", "--topic", "/camera/image/compressed"
    error = fails(capsys, *arguments)
    assert "not one image" in error
    assert "3 messages of /camera/image/compressed could not be decoded" in error


@pytest.mark.parametrize("arguments", [
    [], ["x.mcap"], ["x.mcap", "--out", "y", "--every", "0"], ["x.mcap", "--out", "y", "--start", "-1"],
    ["x.mcap", "--out", "y", "--tasks", "flow"], ["x.mcap", "--out", "y", "--map-size", "large"], ["info"],
])
def test_wrong_usage_is_answered_with_the_usage(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: avtar-replay" in capsys.readouterr().err


def run_kept(bag: Path, model: Path, out: Path, *more: str) -> int:
    """As it is done by default."""
    return main([str(bag), "--model", str(model), "--out", str(out), "--threads", "1", *more])


def test_by_default_maps_are_pictures_of_the_models_size_close_to_the_exact_ones(tmp_path: Path, model: Path) -> None:
    bag = write_truth_bag(tmp_path / "x.mcap", frames=3)
    assert run_kept(bag, model, tmp_path / "kept") == 0
    assert run(bag, model, tmp_path / "exact", "--map-size", "model") == 0
    formats = {"segmentation": "mono8", "depth": "16UC1", "normals": "rgb8", "edges": "mono8"}
    with open_bag(tmp_path / "kept/output.mcap") as kept, open_bag(tmp_path / "exact/output.mcap") as exact:
        for task in TASKS:
            topic = map_topic(CAMERA_TOPIC, task)
            pictures = [m.message for m in kept.messages([f"{topic}/compressed"])]
            assert {m.format.partition("; png compressed")[0] for m in pictures} == {formats[task]}
            found = [decode_map(task, message) for message in pictures]
            expected = [decode_map(task, m.message) for m in exact.messages([topic])]
            assert [m.header.stamp.nanosec for m in pictures] == [stamp % 10**9 for stamp in stamps(3)]
            for got, wanted in zip(found, expected, strict=True):
                assert got.shape == wanted.shape
                if task == "segmentation":
                    np.testing.assert_array_equal(got, wanted)
                elif task == "depth":
                    np.testing.assert_allclose(got, wanted, rtol=1 / 1024, atol=0.0006)
                elif task == "normals":
                    assert angles_deg(got, wanted).max() <= 0.5
                else:
                    np.testing.assert_allclose(got, wanted, atol=0.5 / 255 + 1e-6)


def test_what_is_judged_is_what_is_kept(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_FRAMES", 2)
    bag = write_truth_bag(tmp_path / "x.mcap", frames=5)
    assert run_kept(bag, model, tmp_path / "whole") == 0
    frames = RecordedCamera.frames

    def interrupted(camera: RecordedCamera, *arguments: object) -> Iterator[RecordedFrame]:
        for i, frame in enumerate(frames(camera, *arguments)):
            if i == 3:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(RecordedCamera, "frames", interrupted)
    assert run_kept(bag, model, tmp_path / "out") == 130
    monkeypatch.setattr(RecordedCamera, "frames", frames)
    assert run_kept(bag, model, tmp_path / "out") == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
