"""Who may know whom: the arrows of import between the packages, and where heavy libraries are named."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Set
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("avtar_ros", "engine_build", "training")

LEARNING = {"accelerate", "kornia", "safetensors", "tensorboard", "torch", "transformers"}
ROS = {"ament_index_python", "builtin_interfaces", "diagnostic_msgs", "lifecycle_msgs", "rcl_interfaces"}
ROS |= {"rclpy", "rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs", "vision_msgs"}
NVIDIA = {"cuda", "pycuda", "tensorrt", "tensorrt_bindings"}

FORBIDDEN = {
    "avtar_ros": LEARNING | {"engine_build", "training"},
    "engine_build": LEARNING | ROS | {"training"},
    "training": ROS | NVIDIA | {"engine_build"},
}
# The files that may name ROS, and CUDA: what runs inside a node, and the engine that needs a GPU with its driver.
NODES = ("avtar_ros/ros/*.py", "avtar_ros/node/*.py", "avtar_ros/source/camera_source.py", "avtar_ros/demo/*.py",
         "avtar_ros/doctor/cameras.py")
CUDA = ("avtar_ros/engines/cuda.py", "avtar_ros/engines/nvidia_cuda.py", "avtar_ros/engines/tensorrt.py")
RAY = ("avtar_ros/replay/fleet/ray_workers.py",)
RERUN = ("avtar_ros/replay/running/rerun_log.py",)
# The floors of each house from the ground up: what stands further on in a list imports only what stands before it.
FLOORS = {
    "avtar_ros": [
        "version",
        "errors",
        "memory",
        "terminal",
        "json_records",
        "documents",
        "disk",
        "resources",
        "imaging",
        "geometry",
        "meaning",
        "rendering",
        "tasks",
        "model_card",
        "metrics",
        "plain_figures",
        "agreement",
        "engines",
        "perception",
        "bags",
        "ros",
        "node",
        "source",
        "predict",
        "replay",
        "demo",
        "doctor",
    ],
    "avtar_ros.replay": ["judging", "report", "running", "comparing", "fleet", "commands", "cli"],
}


def sources(package: str, *without: str) -> list[Path]:
    """The Python files of a package, save those that match a pattern in `without`."""
    paths = (path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py"))
    return sorted(path for path in paths if not any(path.match(pattern) for pattern in without))


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Top-level names imported anywhere in a file, also inside functions, each with its line."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0], node.lineno


def uses(paths: list[Path], names: set[str]) -> list[str]:
    found = ((path, name, line) for path in paths for name, line in imported(path) if name in names)
    return [f"{path}:{line} imports {name}" for path, name, line in found]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_may_know(package: str) -> None:
    assert sources(package)
    assert uses(sources(package), FORBIDDEN[package]) == []


def modules() -> dict[str, Path]:
    """All modules of the project by name; a package's `__init__` under the package's."""
    paths = [path for package in PACKAGES for path in sources(package)]
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imported_modules(path: Path, known: Set[str]) -> set[str]:
    """The project's modules that a file imports, also inside functions and for types alone."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & known
            found |= submodules or {str(node.module)}
    return found & known


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """{module: the modules that it imports}."""
    known = modules()
    return {name: imported_modules(path, known.keys()) - {name} for name, path in known.items()}


Graph = dict[str, set[str]]


def circles(graph: Graph) -> list[list[str]]:
    """The groups of nodes that reach one another."""
    reached: Graph = {}
    for node in graph:
        seen: set[str] = set()
        todo = [node]
        while todo:
            todo += graph[todo.pop()] - seen
            seen.update(todo)
        reached[node] = seen
    groups = {frozenset(o for o in reached[n] if n in reached[o]) for n in graph if n in reached[n]}
    return sorted(sorted(group) for group in groups)


def folders(graph: Graph) -> Graph:
    """The same arrows between folders; a file that lies beside folders stands for itself."""
    inside = {name.rpartition(".")[0] for name in graph}

    def folder(name: str) -> str:
        return name if name in inside else name.rpartition(".")[0]

    def beside(name: str) -> str:
        """A module under the name by which its neighbours know it."""
        parent = folder(name)
        return name if parent == name or any(other.startswith(f"{parent}.") for other in inside) else parent

    found: Graph = {}
    for name, targets in graph.items():
        found.setdefault(beside(name), set()).update(beside(target) for target in targets)
    return {name: targets - {name} for name, targets in found.items()}


def test_no_file_imports_another_in_a_circle(imports: Graph) -> None:
    assert circles(imports) == []


def test_no_folder_imports_another_in_a_circle(imports: Graph) -> None:
    assert circles(folders(imports)) == []


def test_circles_are_found() -> None:
    graph = {"p.a.x": {"p.b.y"}, "p.b.y": set[str](), "p.b.z": {"p.a.x"}, "p.c": {"p.a.x"}}
    assert circles(graph) == []
    assert circles(folders(graph)) == [["p.a", "p.b"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


@pytest.mark.parametrize("house", FLOORS)
def test_imports_run_one_way(house: str, imports: Graph) -> None:
    floors = FLOORS[house]
    upwards = []
    for name, targets in imports.items():
        for target in targets:
            if name.startswith(f"{house}.") and target.startswith(f"{house}."):
                own, other = (floors.index(m.removeprefix(f"{house}.").split(".")[0]) for m in (name, target))
                upwards += [f"{name} imports {target}"] if other > own else []
    assert upwards == []


def test_ros_is_imported_by_the_nodes_alone() -> None:
    assert uses(sources("avtar_ros", *NODES), ROS) == []


def test_cuda_and_tensorrt_are_imported_by_one_file_each_on_the_robot_side() -> None:
    assert uses(sources("avtar_ros", *CUDA), NVIDIA) == []


def test_ray_is_imported_by_one_file() -> None:
    assert uses([path for package in PACKAGES for path in sources(package, *RAY)], {"ray"}) == []


def test_rerun_is_imported_by_one_file() -> None:
    assert uses([path for package in PACKAGES for path in sources(package, *RERUN)], {"rerun"}) == []


def loaded_by(modules: list[str], without: Set[str] = frozenset()) -> set[str]:
    """Top-level modules in memory after importing `modules` in a new Python where `without` cannot be had."""
    script = (
        "import importlib, json, sys\n"
        "modules, without = json.loads(sys.argv[1])\n"
        "sys.modules.update(dict.fromkeys(without))\n"
        "for module in modules: importlib.import_module(module)\n"
        "print(json.dumps([name for name, module in sys.modules.items() if module is not None]))\n"
    )
    command = [sys.executable, "-c", script, json.dumps([modules, sorted(without)])]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return {name.partition(".")[0] for name in json.loads(run.stdout)}


def test_importing_avtar_ros_loads_nothing_beyond_the_standard_library() -> None:
    always_there = loaded_by([])
    assert loaded_by(["avtar_ros"]) - always_there - sys.stdlib_module_names == {"avtar_ros"}


OF_OTHERS = {  # engine_build reads and changes ONNX graphs, so `onnx` is a library of its own
    "avtar_ros": LEARNING | {"onnx", "onnxruntime"},
    "engine_build": LEARNING | {"onnxruntime"},
    "training": set[str](),
}


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_import_where_the_heavy_libraries_of_others_are_absent(package: str) -> None:
    modules = [
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in sources(package, *NODES, *CUDA, *RAY, *RERUN, "__main__.py")
    ]
    loaded_by(modules, without=ROS | NVIDIA | {"ray", "rerun"} | OF_OTHERS[package])
