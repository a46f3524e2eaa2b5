"""Launch files, parameters file and transport profile: what they name exists."""

import ast
import importlib.util
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from avtar_ros.node.parameters import NodeParameters
from avtar_ros.ros.isolation import transport_environment
from avtar_ros.source.camera_source import SourceParameters
from tests.ros_processes import PROFILE, REPOSITORY, Client, RosProcess

LAUNCH_FILES = sorted((REPOSITORY / "launch").glob("*.launch.py"))
INCLUDES = ("IncludeLaunchDescription",)
PARAMETERS = {"multitask_node": NodeParameters, "camera_source": SourceParameters}

try:
    from launch import LaunchDescription
except ImportError:  # not on PyPI; `import launch` alone would find the folder of that name
    LaunchDescription = None

needs_launch = pytest.mark.skipif(LaunchDescription is None, reason="launch comes with a ROS installation only")


def calls(path: Path, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == name:
            yield node


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def arguments(path: Path) -> set[str]:
    """The launch arguments that a file declares."""
    return {call.args[0].value for call in calls(path, "DeclareLaunchArgument")}  # type: ignore[attr-defined]


def settings(path: Path) -> set[str]:
    """What a file may ask for: its arguments, and what it sets itself."""
    own = {call.args[0].value for call in calls(path, "SetLaunchConfiguration")}  # type: ignore[attr-defined]
    return arguments(path) | own


def executables() -> set[str]:
    setup = (REPOSITORY / "setup.py").read_text()
    return {name for name in PARAMETERS if re.search(rf'"{name} = avtar_ros\.\w+\.command:main"', setup)}


def test_there_are_the_launch_files_promised() -> None:
    assert {path.name for path in LAUNCH_FILES} == {
        "avtar.launch.py",
        "multi_camera.launch.py",
        "replay.launch.py",
    }


each_file = pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)


@each_file
def test_each_executable_that_a_launch_file_names_exists(path: Path) -> None:
    for call in calls(path, "Node"):
        node = keywords(call)
        assert ast.literal_eval(node["package"]) == "avtar_ros"
        assert ast.literal_eval(node["executable"]) in executables()


@each_file
def test_each_parameter_that_a_launch_file_sets_exists(path: Path) -> None:
    nodes = [ast.literal_eval(keywords(call)["executable"]) for call in calls(path, "Node")]
    known = {name for node in nodes for name in PARAMETERS[node].__dataclass_fields__}
    tree = ast.parse(path.read_text())
    for include in [node for node in ast.walk(tree) if getattr(getattr(node, "func", None), "id", "") in INCLUDES]:
        include.keywords = []  # type: ignore[attr-defined]  # arguments of another launch file
    keys = [key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys]
    keys += [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    named = {key.value for key in keys if isinstance(key, ast.Constant)}
    if nodes:
        assert named
        assert named <= known | {"use_sim_time"}


@each_file
def test_each_argument_that_a_launch_file_uses_is_declared_and_described(path: Path) -> None:
    uses = [call for name in ("LaunchConfiguration", "argument", "is_on") for call in calls(path, name)]
    used = {call.args[0].value for call in uses if isinstance(call.args[0], ast.Constant)}
    assert used
    assert used <= settings(path)
    for call in calls(path, "DeclareLaunchArgument"):
        assert "description" in keywords(call)


def test_what_a_launch_file_passes_on_is_an_argument_there() -> None:
    taken = arguments(REPOSITORY / "launch" / "avtar.launch.py")
    for path in LAUNCH_FILES:
        for call in calls(path, "IncludeLaunchDescription"):
            constants = {node.value for node in ast.walk(keywords(call)["launch_arguments"])
                         if isinstance(node, ast.Constant) and isinstance(node.value, str)} - {"true"}
            assert constants
            assert constants <= taken | settings(path)


@each_file
def test_each_file_that_a_launch_file_names_is_shipped(path: Path) -> None:
    for call in calls(path, "find_resource"):
        assert (REPOSITORY / ast.literal_eval(call.args[0])).is_file()


def test_the_nodes_arguments_are_those_documented() -> None:
    assert arguments(REPOSITORY / "launch" / "avtar.launch.py") == {
        "autostart",
        "cameras",
        "log_level",
        "model",
        "namespace",
        "params_file",
        "profile",
        "required",
        "respawn",
        "use_sim_time",
    }


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.name.replace(".", "_"), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_launch
@each_file
def test_launch_reads_the_file(path: Path) -> None:
    description = load(path).generate_launch_description()
    assert isinstance(description, LaunchDescription)
    assert {argument.name for argument in description.get_launch_arguments()} >= arguments(path)


@needs_launch
def test_the_example_leaves_the_nodes_life_to_a_manager_that_expects_no_bond() -> None:
    path = REPOSITORY / "examples" / "lifecycle_manager.launch.py"
    description = load(path).generate_launch_description()
    assert {"model", "cameras"} <= {argument.name for argument in description.get_launch_arguments()}
    (manager,) = calls(path, "Node")
    (parameters,) = ast.literal_eval(keywords(manager)["parameters"])
    assert parameters == {"autostart": True, "node_names": ["multitask_node"], "bond_timeout": 0.0}


def test_the_parameters_file_has_every_parameter_at_its_default() -> None:
    content = yaml.safe_load((REPOSITORY / "config" / "avtar.yaml").read_text())
    values = content["/**/multitask_node"]["ros__parameters"]
    defaults = {name: getattr(NodeParameters, name) for name in NodeParameters.__dataclass_fields__}
    assert values == {name: list(v) if isinstance(v, tuple) else v for name, v in defaults.items()}


@pytest.mark.parametrize("namespace", [(), ("-r", "__ns:=/robot/head")], ids=["root", "namespace"])
def test_the_node_reads_the_parameters_file_in_any_namespace(tmp_path: Path, namespace: tuple[str, ...]) -> None:
    path = tmp_path / "avtar.yaml"
    text = (REPOSITORY / "config" / "avtar.yaml").read_text()
    path.write_text(text.replace('model: ""', "model: /from/the/file.onnx"))
    arguments = ("--params-file", str(path), *namespace)
    with RosProcess("avtar_ros.node.multitask_node", tmp_path / "log", {}, arguments) as process:
        assert process.wait() == 1
    assert "/from/the/file.onnx: no such model file" in process.output


def test_the_profile_is_read_by_fast_dds_without_complaint(capfd: pytest.CaptureFixture[str]) -> None:
    with Client() as client:
        assert transport_environment(str(PROFILE)).items() <= os.environ.items()
        client.spin(0.1)
    assert "XMLPARSER" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("name", ["fastdds_shm.xml", "fastdds_loopback.xml"])
def test_the_profile_has_room_for_the_maps_of_a_frame_in_shared_memory(name: str) -> None:
    root = ElementTree.parse(REPOSITORY / "config" / name).getroot()
    sizes = {element.tag.rpartition("}")[2]: element.text for element in root.iter()}
    largest_map = 640 * 480 * 3 * 4
    assert int(sizes["maxMessageSize"] or 0) > largest_map
    assert int(sizes["segment_size"] or 0) > 4 * largest_map
