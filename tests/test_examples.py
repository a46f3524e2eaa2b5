"""The examples do what they say, run as a reader would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from avtar_ros.resources import DEMO_BAG, find_resource
from tests.ros_processes import Client, ros_arguments


def ran(repository: Path, name: str, *arguments: str | Path) -> str:
    command = [sys.executable, str(repository / "examples" / name), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(repository)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_picture_becomes_maps(repository: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "office.png"), picture)
    said = ran(repository, "picture_to_maps.py", tmp_path / "office.png", tmp_path / "maps.png")
    assert "m away" in said
    assert cv2.imread(str(tmp_path / "maps.png")).shape[1] > 4 * 160


def test_a_bag_becomes_metrics(repository: Path) -> None:
    said = ran(repository, "bag_to_metrics.py", find_resource(DEMO_BAG))
    assert "Segmentation, Mean IoU: 0." in said
    assert "Surface normals, Mean angle: " in said


@pytest.mark.slow
def test_a_tiny_model_is_trained_and_runs(repository: Path, tmp_path: Path) -> None:
    said = ran(repository, "tiny_training.py", tmp_path)
    assert "'normals': (1, 48, 64, 3)" in said


def test_a_subscriber_of_ones_own_gets_the_depth(repository: Path, tmp_path: Path) -> None:
    from sensor_msgs.msg import Image

    command = [sys.executable, str(repository / "examples/map_subscriber.py"), *ros_arguments({"depth": "/depth"})]
    log = tmp_path / "log"
    with log.open("w") as output, Client() as client:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            publisher = client.node.create_publisher(Image, "/depth", 5)
            message = Image(height=2, width=3, step=12, encoding="32FC1")
            message.data = np.array([[2.5] * 3, [np.nan] * 3], np.float32).tobytes()

            def heard() -> bool:
                publisher.publish(message)
                return "nearest: 2.50 m" in log.read_text()

            client.wait_until(heard, "the example to say how near the nearest is")
        finally:
            process.terminate()
            process.wait(10)
