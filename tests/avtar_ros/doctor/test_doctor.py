"""The doctor as a program: it sees cameras, and finds no fault where there is none."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from avtar_ros.doctor.finding import Level
from avtar_ros.doctor.model import model
from avtar_ros.terminal.command_line import DONE, FAILED
from tests.node_client import HEIGHT, WIDTH, image, jpeg, picture
from tests.ros_processes import BEST_EFFORT, PATIENCE_S, PROFILE, REPOSITORY, Client


@contextmanager
def published(client: Client) -> Iterator[None]:
    """Messages go out while a process of ours looks on."""
    ended = threading.Event()

    def spin() -> None:
        while not ended.is_set():
            client.spin(0.02)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def doctor(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code, and findings by subject and the first word of what is said."""
    command = [sys.executable, "-m", "avtar_ros.doctor.cli", "--seconds", "5", "--json", *arguments]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S)
    assert "Traceback" not in run.stderr, run.stderr
    found = json.loads(run.stdout)
    return run.returncode, {f"{f['subject']} {f['text'].split()[0].rstrip(':')}": f for f in found}


def test_it_sees_cameras_as_the_node_would(client: Client, tiny_model: Path) -> None:
    raw = client.publisher(Image, "/front/image_raw", BEST_EFFORT)
    info = client.publisher(CameraInfo, "/front/camera_info")
    compressed = client.publisher(CompressedImage, "/rear/image_raw/compressed")
    blank = client.publisher(CameraInfo, "/rear/camera_info")
    client.publisher(Image, "/silent/image")
    client.publisher(Image, "/front/depth/image")  # a map of ours
    calibrated = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5)
    calibrated.k = [80.0, 0.0, WIDTH / 2, 0.0, 80.0, HEIGHT / 2, 0.0, 0.0, 1.0]

    def publish() -> None:
        raw.publish(image(picture()))
        info.publish(calibrated)
        compressed.publish(jpeg(1))
        blank.publish(CameraInfo())

    client.node.create_timer(0.05, publish)
    with published(client):
        code, found = doctor("--model", str(tiny_model))
    front, rear = found["camera /front/image_raw"], found["camera /rear/image_raw/compressed"]
    assert front["level"] == rear["level"] == "OK"
    assert f"(Image, best_effort): {WIDTH} x {HEIGHT} rgb8" in front["text"]
    assert f"(CompressedImage, reliable): {WIDTH} x {HEIGHT} jpeg" in rear["text"]
    assert found["CameraInfo /front/camera_info"]["text"].endswith("fx 80.0 px, plumb_bob")
    assert "is not calibrated" in found["CameraInfo /rear/camera_info"]["text"]
    silent = found["camera /silent/image"]
    assert silent["level"] == "ERROR"
    assert "nothing came" in silent["text"]
    assert silent["mend"]
    assert not any("depth" in key for key in found)
    assert found[f"profile {PROFILE},"]["level"] == "OK"
    assert found["model tiny,"]["level"] == "OK"
    assert "ms a frame" in found["engine ONNX"]["text"]
    assert code == FAILED


def test_without_cameras_it_says_how_to_have_one(client: Client, tiny_model: Path) -> None:
    code, found = doctor("--model", str(tiny_model))
    assert "camera_source" in found["cameras no"]["mend"]
    assert code == DONE


@pytest.mark.parametrize("name", ["absent.onnx", "broken.onnx"])
def test_a_model_that_does_not_load_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    (finding,) = model(tmp_path / name)
    assert finding.level is Level.ERROR
    assert name in finding.text
