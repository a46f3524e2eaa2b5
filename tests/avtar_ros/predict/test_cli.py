"""avtar-predict as a user meets it: what it takes, what it writes, what it says, how it ends."""

from __future__ import annotations

import functools
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from avtar_ros.bags.ground_truth import CAMERA_TOPIC
from avtar_ros.imaging.images import to_message_fields
from avtar_ros.predict import cli, inputs
from avtar_ros.source.frame_sources import FrameSource, SourceError, SourceFrame
from tests import tiny_bags

TASKS = ("segmentation", "depth", "normals", "edges")
Predict = Callable[..., tuple[int, str, str]]


@pytest.fixture
def predict(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> Predict:
    """Runs the command with the tiny model; gives its exit code and what it printed to standard output and error."""

    def predict(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([*map(str, arguments), "--model", str(tiny_model), "--threads", "1"])
        return code, *capsys.readouterr()

    return predict


def write_picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), tiny_bags.image(seed)[..., ::-1])
    return path


def write_video(path: Path, frames: int = 12, rate: float = 10) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (tiny_bags.WIDTH, tiny_bags.HEIGHT))
    for i in range(frames):
        writer.write(np.ascontiguousarray(tiny_bags.image(i)[..., ::-1]))
    writer.release()
    return path


def written(folder: Path) -> set[str]:
    """The names of what is in a folder, but for the hidden ones."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def frames_of(path: Path) -> tuple[int, float]:
    """How many frames a video has, and how many a second."""
    capture = cv2.VideoCapture(str(path))
    rate, count = capture.get(cv2.CAP_PROP_FPS), 0
    while capture.read()[0]:
        count += 1
    return count, rate


def test_a_picture_gives_maps_as_files_and_a_picture_of_them(predict: Predict, tmp_path: Path) -> None:
    code, said, _ = predict(write_picture(tmp_path / "office.png"), "--out", tmp_path / "out")
    assert code == 0
    assert {path.name for path in (tmp_path / "out/office").iterdir()} == {
        f"{task}.{kind}" for task in TASKS for kind in ("png", "npy")
    }
    depth = np.load(tmp_path / "out/office/depth.npy")
    millimetres = cv2.imread(str(tmp_path / "out/office/depth.png"), cv2.IMREAD_UNCHANGED)
    assert depth.shape == (tiny_bags.HEIGHT, tiny_bags.WIDTH)
    np.testing.assert_allclose(millimetres / 1000, depth, atol=5.1e-4)
    assert cv2.imread(str(tmp_path / "out/office.png")) is not None
    assert "grey" in said
    assert "office.png" in said


def test_a_folder_gives_every_picture_and_says_which_could_not_be_read(predict: Predict, tmp_path: Path) -> None:
    for i in range(3):
        write_picture(tmp_path / "in" / f"{i}.png", i)
    (tmp_path / "in/1.png").write_bytes(b"no picture")
    code, said, complaints = predict(tmp_path / "in", "--out", tmp_path / "out", "--maps", "none")
    assert code == 1
    assert written(tmp_path / "out") == {"0.png", "2.png"}
    assert "2 images" in said
    assert "in/1.png: not a picture" in complaints


def test_pictures_of_one_name_do_not_overwrite_each_other_nor_themselves(predict: Predict, tmp_path: Path) -> None:
    first, second = write_picture(tmp_path / "a/x.png", 1), write_picture(tmp_path / "out/x.png", 2)
    before = second.read_bytes()
    assert predict(first, second, "--out", tmp_path / "out")[0] == 0
    assert second.read_bytes() == before
    assert written(tmp_path / "out") == {"x.png", "x-2", "x-2.png", "x-3", "x-3.png"}


def test_pictures_and_videos_of_one_name_stay_apart_from_one_command_to_the_next(
    predict: Predict, tmp_path: Path
) -> None:
    for seed, folder in enumerate(("a", "b")):
        write_picture(tmp_path / folder / "office.png", seed)
        write_video(tmp_path / folder / "clip.mp4", 3 + seed)
    for folder in ("a", "b", "b", "a"):
        sources = tmp_path / folder / "office.png", tmp_path / folder / "clip.mp4"
        assert predict(*sources, "--out", tmp_path / "out", "--maps", "none")[0] == 0
    assert written(tmp_path / "out") == {"office.png", "office-2.png", "clip.mp4", "clip-2.mp4"}
    lengths = [int(cv2.VideoCapture(str(tmp_path / "out" / n)).get(cv2.CAP_PROP_FRAME_COUNT))
               for n in ("clip.mp4", "clip-2.mp4")]
    assert lengths == [3, 4]


def test_no_name_of_a_picture_or_folder_leads_out_of_the_output(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bags/inner").mkdir(parents=True)
    tiny_bags.write_truth_bag(tmp_path / "bags/x.mcap", 2)
    monkeypatch.chdir(tmp_path / "bags/inner")
    assert predict("..", "--out", "out", "--maps", "npy")[0] == 0
    assert written(tmp_path / "bags") == {"inner", "x.mcap"}
    assert written(tmp_path / "bags/inner") == {"out"}
    assert {"bags", "bags.mp4"} <= written(tmp_path / "bags/inner/out")
    odd = [write_picture(tmp_path / "in" / f"{name}.png") for name in ("a\x1b[2Jb\nc", "ü" * 120, "großes Bild")]
    code, said, complaints = predict(*odd, "--out", tmp_path / "out", "--maps", "none")
    assert code == 0
    assert len(written(tmp_path / "out")) == 3
    assert "großes Bild.png" in written(tmp_path / "out")
    assert "\x1b" not in said + complaints
    assert len(said.splitlines()) == 3


def test_what_others_have_made_stays(predict: Predict, tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "in/x.png")
    theirs = write_picture(tmp_path / "out/x.png")
    before = theirs.read_bytes()
    code, _, complaints = predict(picture, "--out", tmp_path / "out", "--maps", "none")
    assert code == 1
    assert "x.png: is there already" in complaints
    assert theirs.read_bytes() == before
    code, _, complaints = predict(tmp_path / "in", "--out", tmp_path / "in")
    assert code == 1
    assert "is what is read" in complaints
    assert predict(picture, "--out", tmp_path / "new")[0] == predict(picture, "--out", tmp_path / "new")[0] == 0


def test_a_video_gives_a_video_of_the_same_length(predict: Predict, tmp_path: Path) -> None:
    code, said, _ = predict(write_video(tmp_path / "clip.mp4"), "--out", tmp_path / "out")
    assert code == 0
    assert frames_of(tmp_path / "out/clip.mp4") == (12, 10)
    assert written(tmp_path / "out") == {"clip.mp4"}
    assert "clip: 12 images" in said


def test_every_third_frame_keeps_the_length_of_the_video(predict: Predict, tmp_path: Path) -> None:
    predict(write_video(tmp_path / "clip.mp4"), "--out", tmp_path / "out", "--every", 3, "--maps", "npy")
    count, rate = frames_of(tmp_path / "out/clip.mp4")
    assert count / rate == pytest.approx(1.2, abs=0.1)
    assert sorted(path.name for path in (tmp_path / "out/clip").iterdir()) == ["000000", "000003", "000006", "000009"]


def test_a_bags_topic_is_played_with_its_focal_length(predict: Predict, tmp_path: Path) -> None:
    bag = tiny_bags.write_truth_bag(tmp_path / "drive.mcap", 4)
    code, said, complaints = predict(bag, "--topic", CAMERA_TOPIC, "--out", tmp_path / "out", "--json")
    lines = [json.loads(line) for line in said.splitlines()]
    assert code == 0
    assert [line["focal_from"] for line in lines] == ["CameraInfo"] * 4
    assert [line["focal_px"] for line in lines] == [60] * 4
    assert lines[1]["time_s"] == pytest.approx(0.033, abs=1e-3)
    assert set(TASKS) <= lines[0].keys()
    assert "focal length is not known" not in complaints
    assert frames_of(tmp_path / "out/drive.mp4")[0] == 4


def test_a_topic_that_is_not_there_is_said(predict: Predict, tmp_path: Path) -> None:
    bag = tiny_bags.write_truth_bag(tmp_path / "drive.mcap", 2)
    code, _, complaints = predict(bag, "--topic", "/nonesuch", "--out", tmp_path / "out")
    assert code == 1
    assert "no topic /nonesuch" in complaints


def test_standard_input(predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = write_picture(tmp_path / "x.png").read_bytes()

    class Piped:
        buffer = io.BytesIO(content)

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdin", Piped())
    assert predict("-", "--out", tmp_path / "out")[0] == 0
    assert (tmp_path / "out/stdin/depth.npy").is_file()


def test_a_video_in_the_network(predict: Predict, tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4")
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=str(tmp_path))) as server:  # type: ignore[arg-type]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://user:secret@127.0.0.1:{server.server_port}/clip.mp4"
        code, said, _ = predict(address, "--out", tmp_path / "out")
        server.shutdown()
    assert code == 0
    assert "12 images" in said
    assert "secret" not in said
    (video,) = written(tmp_path / "out")
    assert "secret" not in video


def test_a_stream_that_is_not_there_is_said_without_its_password(predict: Predict, tmp_path: Path) -> None:
    code, _, complaints = predict("http://user:secret@127.0.0.1:9/x.mp4", "--out", tmp_path / "out")
    assert code == 1
    assert "http://user:…@127.0.0.1:9/x.mp4: no video there" in complaints
    assert "secret" not in complaints.partition("avtar-predict:")[2]


class Camera(FrameSource):
    """Stands in for a webcam: it gives images faster than they are worked on, until it is unplugged."""

    live = True
    description = "webcam 0"

    def __init__(self, frames: int, pause_s: float = 0.01) -> None:
        self._frames, self._pause_s = frames, pause_s

    def frames(self) -> Iterator[SourceFrame]:
        for i in range(self._frames):
            time.sleep(self._pause_s)
            yield SourceFrame(time.time_ns(), "", to_message_fields(tiny_bags.image(i), "rgb8"))
        raise SourceError("webcam 0: gives no more images.")


def test_a_camera_gives_its_newest_images_until_the_time_is_up(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "open_source", lambda *_: Camera(10**6, 0.0005))
    code, said, _ = predict("0", "--out", tmp_path / "out", "--duration", 0.5)
    assert code == 0
    assert "left out to keep up" in said
    assert frames_of(tmp_path / "out/webcam-0.mp4")[0] >= 1


def test_a_camera_that_is_unplugged_leaves_what_was_made(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "open_source", lambda *_: Camera(3, 0.1))
    code, _, complaints = predict("0", "--out", tmp_path / "out")
    assert code == 1
    assert "gives no more images" in complaints
    assert frames_of(tmp_path / "out/webcam-0.mp4")[0] >= 1


def test_points_are_written_under_the_name_asked_for(predict: Predict, tmp_path: Path) -> None:
    pictures = [write_picture(tmp_path / f"{name}.png") for name in "ab"]
    predict(pictures[0], "--out", tmp_path / "out", "--points", tmp_path / "cloud.ply", "--fov", 60)
    assert (tmp_path / "cloud.ply").read_bytes().startswith(b"ply\n")
    predict(*pictures, "--out", tmp_path / "out", "--points", tmp_path / "many.ply")
    assert {path.name for path in tmp_path.glob("many*")} == {"many-a.ply", "many-b.ply"}


def test_an_unknown_focal_length_is_said_once_and_a_known_one_not(predict: Predict, tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "x.png")
    _, _, complaints = predict(picture, "--out", tmp_path / "out")
    assert complaints.count("the camera's focal length is not known") == 1
    _, _, complaints = predict(picture, "--out", tmp_path / "out", "--focal-px", 60)
    assert complaints == ""


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nonesuch.jpg"], "no such bag, video or folder"),
        (["x.png", "--fov", "200"], "lies between 0 and 180"),
        (["x.png", "--tasks", "edges", "--points", "p.ply"], "needs depth"),
    ],
)
def test_what_a_user_can_get_wrong_is_one_line(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    write_picture(tmp_path / "x.png")
    monkeypatch.chdir(tmp_path)
    code, _, complaints = predict(*arguments)
    assert code != 0
    assert complaint in complaints
    assert "Traceback" not in complaints


@pytest.mark.parametrize(
    "arguments", [[], ["x", "--every", "0"], ["x", "--tasks", "smell"], ["x", "--fov", "1", "--focal-px", "1"]]
)
def test_wrong_command_lines_exit_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2


def test_ctrl_c_leaves_a_video_that_can_be_played(tmp_path: Path, tiny_model: Path) -> None:
    write_video(tmp_path / "long.mp4", 3000)
    command = [sys.executable, "-m", "avtar_ros.predict.cli", "long.mp4", "--model", str(tiny_model), "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for _ in range(5):
            run.stdout.readline()
        os.kill(run.pid, signal.SIGINT)
        _, complaints = run.communicate(timeout=60)
    assert run.returncode == 130
    assert complaints.endswith("avtar-predict: interrupted; what was finished is kept\n")
    assert 5 <= frames_of(tmp_path / "predicted/long.mp4")[0] < 3000


