"""The wheel in an environment that has nothing but what it asks for: each command starts, and says what else it needs.

Nothing is fetched: what the wheel requires is linked from the environment that runs the tests, and nothing else is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import cv2
import pytest
from packaging.requirements import Requirement

from avtar_ros.version import VERSION
from tests import tiny_bags
from tests.test_packaging import COMMANDS, PACKAGES, ROOT, SHARED

pytestmark = pytest.mark.slow


def required(package: Distribution, extra: str = "") -> Iterator[str]:
    """The names of what a package requires, with what that requires in turn."""
    todo, seen = [(package, extra)], set[str]()
    while todo:
        of, wanted = todo.pop()
        for text in of.requires or ():
            requirement = Requirement(text)
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": wanted})
            if applies and requirement.name not in seen:
                seen.add(requirement.name)
                todo.append((distribution(requirement.name), ""))
                yield requirement.name


class Environment:
    """A virtual environment that shares nothing with that of the tests but what is linked."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        self.bin = folder / "bin"
        script = "import sysconfig; print(sysconfig.get_path('purelib'))"
        printed = subprocess.run([self.bin / "python", "-c", script], capture_output=True, text=True, check=True)
        self._packages = Path(printed.stdout.strip())

    def link(self, name: str) -> None:
        """Make the files of an installed distribution be there."""
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            source, target = Path(str(found.locate_file(top))), self._packages / top
            if source.exists() and not target.exists():
                target.symlink_to(source)

    def run(self, *command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        program, *arguments = map(str, command)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            [str(self.bin / program), *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, env=clean
        )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "src"
    for name in (*SHARED, *PACKAGES, "resource"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "package.xml", "pyproject.toml", "setup.cfg", "setup.py"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*build, str(source)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    made = Environment(folder / "environment")
    installed = made.run("python", "-m", "pip", "install", "--no-deps", "--no-index", wheel, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    for name in required(distribution("avtar_ros")):
        made.link(name)
    return made


@pytest.mark.parametrize("command", sorted(entry.name for entry in COMMANDS))
def test_each_command_starts(environment: Environment, tmp_path: Path, command: str) -> None:
    run = environment.run(command, "--version", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"{command} {VERSION} ")
    assert str(environment.bin.parent) in run.stdout  # it is the wheel that runs, not the checkout


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("avtar-train", ["fit", "CONFIG", "--dry-run"], "pip install 'accelerate"),
        ("avtar-predict", ["PICTURE"], "pip install 'onnxruntime"),
        ("avtar-replay", ["BAG", "--out", "out"], "pip install 'onnxruntime"),
        ("multitask_node", [], "ros-rclpy"),
        ("camera_source", ["--help"], "ros-rclpy"),
    ],
)
def test_what_else_is_needed_is_said_in_one_line(
    environment: Environment, tmp_path: Path, command: str, arguments: list[str], said: str
) -> None:
    cv2.imwrite(str(tmp_path / "x.png"), tiny_bags.image(0))
    places = {"CONFIG": ROOT / "training/configs/avtar-demo.yaml", "PICTURE": "x.png", "BAG": ROOT / "models/demo.mcap"}
    run = environment.run(command, *(places.get(word, word) for word in arguments), cwd=tmp_path)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"{command}: ")
    assert f"{environment.bin}/python" in line
    assert said in line


def test_with_onnx_runtime_a_picture_gives_maps_of_the_shipped_model(environment: Environment, tmp_path: Path) -> None:
    environment.link("onnxruntime")
    for name in required(distribution("onnxruntime")):
        environment.link(name)
    cv2.imwrite(str(tmp_path / "x.png"), tiny_bags.image(0))
    run = environment.run("avtar-predict", "x.png", "--fov", "60", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "predicted/x/depth.npy").is_file()
    assert sysconfig.get_path("purelib") not in run.stdout
