"""The package as others get it: built by pip into a wheel, and by colcon into a ROS workspace."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import import_module
from importlib.metadata import EntryPoint, distribution
from pathlib import Path

import pytest
from catkin_pkg.package import Package, parse_package

ROOT = Path(__file__).resolve().parents[1]
SHARED = ("launch", "config", "foxglove", "models", "rviz", "sros")
PACKAGES = ("avtar_ros", "engine_build", "training")
COMMANDS = [entry for entry in distribution("avtar_ros").entry_points if entry.group == "console_scripts"]


def files_below(folder: Path, *names: str) -> set[str]:
    """Every file below folder/name for the given names, relative to `folder`, without Python's caches."""
    paths = (path for name in names for path in (folder / name).rglob("*"))
    return {path.relative_to(folder).as_posix() for path in paths if path.is_file() and path.suffix != ".pyc"}


@pytest.fixture(scope="module")
def manifest() -> Package:
    return parse_package(str(ROOT / "package.xml"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is built, so that builds leave no traces in the checkout and find none."""
    folder = tmp_path_factory.mktemp("workspace") / "src"
    for name in (*SHARED, *PACKAGES, "resource"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("LICENSE", "package.xml", "pyproject.toml", "setup.cfg", "setup.py"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def workspace(source: Path) -> Path:
    """A ROS workspace that colcon has built from the source."""
    folder = source.parent
    command = [str(Path(sys.executable).with_name("colcon")), "build", "--base-paths", str(source)]
    build = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert build.returncode == 0, build.stdout + build.stderr
    return folder


def in_workspace(workspace: Path, *command: str) -> str:
    """Output of a command, run as in a shell that has sourced the workspace."""
    setup = ["bash", "-c", 'source install/setup.bash && exec "$@"', "bash"]
    run = subprocess.run([*setup, *command], cwd=workspace, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.strip()


def test_package_xml_is_a_valid_ament_python_manifest(manifest: Package) -> None:
    warnings: list[str] = []
    manifest.validate(warnings)
    assert warnings == []
    assert manifest.package_format == 3
    assert manifest.get_build_type() == "ament_python"


def test_package_xml_and_setup_py_agree(manifest: Package) -> None:
    described = distribution("avtar_ros").metadata
    assert described["Name"] == manifest.name
    assert described["Version"] == manifest.version
    assert described["License"] == manifest.licenses[0]
    assert described["Maintainer-email"] == manifest.maintainers[0].email


def test_the_oldest_versions_that_are_tried_are_those_that_are_admitted() -> None:
    """Of what runs on a robot: `make test-lowest` installs the lower bounds of setup.py."""
    needed = (ROOT / "setup.py").read_text().partition("install_requires=[")[2].partition("]")[0]
    bounds = {name.lower(): version for name, version in re.findall(r'"([\w-]+)>=([\d.]+)"', needed)}
    pinned = re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "constraints-lowest.txt").read_text(), re.MULTILINE)
    tried = {name.lower(): version for name, version in pinned}
    assert needed.count(">=") == len(bounds) > 10
    for name, version in bounds.items():
        assert f"{tried.get(name, 'not tried')}.".startswith(f"{version}."), name


def test_the_commands_are_those_that_the_readme_names() -> None:
    assert {entry.name for entry in COMMANDS} == {
        "avtar-engine",
        "avtar-predict",
        "avtar-replay",
        "avtar-train",
        "camera_source",
        "camera_to_maps",
        "doctor",
        "multitask_node",
    }


@pytest.mark.parametrize("command", COMMANDS, ids=lambda entry: entry.name)
def test_a_command_leads_to_a_function(command: EntryPoint) -> None:
    assert callable(getattr(import_module(command.module), command.attr))


def test_what_running_needs_is_in_the_shared_folders(source: Path) -> None:
    assert files_below(source, *SHARED) >= {
        "launch/avtar.launch.py",
        "launch/multi_camera.launch.py",
        "launch/replay.launch.py",
        "config/avtar.yaml",
        "config/fastdds_loopback.xml",
        "config/fastdds_shm.xml",
        "foxglove/avtar.json",
        "rviz/avtar.rviz",
        "sros/avtar.policy.xml",
        "models/avtar-demo.onnx",
        "models/demo.mcap",
    }


def test_a_wheel_holds_all_packages_and_shared_folders(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    build = subprocess.run([*command, str(tmp_path), str(source)], capture_output=True, text=True)
    assert build.returncode == 0, build.stdout + build.stderr

    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    shared = {name.partition(".data/data/share/avtar_ros/")[2] for name in inside}
    assert files_below(source, *PACKAGES) <= inside
    assert files_below(source, *SHARED) | {"package.xml"} == shared - {""}
    assert {name.partition("/")[0] for name in inside if ".d" not in name.partition("/")[0]} == set(PACKAGES)


def test_colcon_puts_the_executables_where_ros2_run_looks(workspace: Path) -> None:
    executables = workspace / "install/avtar_ros/lib/avtar_ros"
    assert {path.name for path in executables.iterdir()} == {entry.name for entry in COMMANDS}
    assert all(os.access(path, os.X_OK) for path in executables.iterdir())


def test_colcon_shares_launch_files_configuration_layout_and_models(source: Path, workspace: Path) -> None:
    share = workspace / "install/avtar_ros/share"
    assert (share / "ament_index/resource_index/packages/avtar_ros").is_file()
    assert files_below(share / "avtar_ros", *SHARED) == files_below(source, *SHARED)
    assert parse_package(str(share / "avtar_ros/package.xml")).name == "avtar_ros"


def test_colcon_installs_every_file_of_the_packages(source: Path, workspace: Path) -> None:
    (packages,) = (workspace / "install/avtar_ros/lib").glob("python3*/site-packages")
    assert files_below(packages, *PACKAGES) == files_below(source, *PACKAGES)


def test_commands_and_shared_files_of_a_built_workspace_are_its_own(workspace: Path) -> None:
    installed = workspace / "install/avtar_ros"
    find = "from avtar_ros.resources import find_resource; print(find_resource('models'))"
    assert in_workspace(workspace, sys.executable, "-c", find) == str(installed / "share/avtar_ros/models")
    usage = in_workspace(workspace, str(installed / "lib/avtar_ros/avtar-replay"), "--help")
    assert usage.startswith("usage: avtar-replay")
