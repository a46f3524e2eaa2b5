"""The node under ROS's own tools: each launch file by `ros2 launch`, and what `ros2` tells of a running node.

For machines with a ROS installation, or with the sources of launch, launch_ros and ros2cli (`make test-ros`).
"""

import importlib.util
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from avtar_ros.ros.isolation import PROFILE_NAMES, profile_name
from tests.node_client import image, picture
from tests.ros_processes import PATIENCE_S, REPOSITORY, Client

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ros2cli") is None or importlib.util.find_spec("ros2launch") is None,
    reason="the tools of ROS come with a ROS installation only: source one, or set ROS_SOURCES (make test-ros)",
)
ROS2 = [sys.executable, "-c", "import sys; from ros2cli.cli import main; sys.exit(main())"]
LAUNCH = REPOSITORY / "launch"
MODELS = REPOSITORY / "models"
EXECUTABLES = {
    "multitask_node": "avtar_ros.node.command",
    "camera_source": "avtar_ros.source.command",
    "doctor": "avtar_ros.doctor.cli",
}


@pytest.fixture(scope="module", autouse=True)
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A prefix in which ROS finds this checkout's executables, as colcon makes one (tests/test_packaging.py)."""
    folder = tmp_path_factory.mktemp("prefix")
    index = folder / "share" / "ament_index" / "resource_index" / "packages" / "avtar_ros"
    index.parent.mkdir(parents=True)
    index.touch()
    executables = folder / "lib" / "avtar_ros"
    executables.mkdir(parents=True)
    for name, module in EXECUTABLES.items():
        script = executables / name
        script.write_text(f"#!{sys.executable}\nfrom {module} import main\nraise SystemExit(main())\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    with pytest.MonkeyPatch.context() as patch:
        for variable, path in (("AMENT_PREFIX_PATH", folder), ("PYTHONPATH", REPOSITORY)):
            patch.setenv(variable, os.pathsep.join(filter(None, [str(path), os.environ.get(variable, "")])))
        yield folder


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ROS2, *arguments], cwd=LAUNCH, capture_output=True, text=True, timeout=PATIENCE_S)


def ros2(*arguments: str) -> str:
    """What a command of `ros2` prints, stdout and stderr."""
    done = run(*arguments)
    return done.stdout + done.stderr


def found(*arguments: str) -> str:
    """The same of one that looks for a node or topic: again while it finds none, as a busy machine takes its time."""
    deadline = time.monotonic() + PATIENCE_S
    while (done := run(*arguments, "--no-daemon", "--spin-time", "2")).returncode and time.monotonic() < deadline:
        pass
    return done.stdout + done.stderr


class Launched(AbstractContextManager["Launched"]):
    """`ros2 launch` in a process group of its own, interrupted at the end as by Ctrl-C in its terminal."""

    def __init__(self, log: Path, file: Path, *arguments: str) -> None:
        self._log = log
        with log.open("w") as output:
            # By default launch goes on to SIGTERM after 5 s, which a busy machine may take to end a node.
            command = [*ROS2, "launch", str(file), *arguments, f"sigterm_timeout:={PATIENCE_S}"]
            self._process = subprocess.Popen(
                command, cwd=log.parent, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait(self) -> int:
        return self._process.wait(PATIENCE_S)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.output:
            assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {text!r} in:\n{self.output}"
            time.sleep(0.05)

    def pid(self, executable: str) -> int:
        """Of the process that was started of this executable."""
        self.wait_for(f"[{executable}-1]: process started with pid [")
        return int(self.output.split(f"[{executable}-1]: process started with pid [")[1].split("]")[0])

    def ctrl_c(self) -> int:
        """To all processes of the group at once, as a terminal does it; launch itself then tells each once more."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self.wait()

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.ctrl_c()


Launch = Callable[..., Launched]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts a launch file of the package, by name, or any by path; it ends with the test."""
    started: list[Launched] = []

    def launch(file: str | Path, *arguments: str) -> Launched:
        started.append(Launched(tmp_path / f"launch{len(started)}.log", LAUNCH / file, *arguments))
        return started[-1]

    yield launch
    for launched in started:
        launched.__exit__()


ACTIVE = "tiny on ONNX Runtime"


class TestNode:
    def test_it_is_launched_with_what_is_given_and_ends_cleanly_at_ctrl_c(
        self, client: Client, launch: Launch, tiny_model: Path
    ) -> None:
        launched = launch("avtar.launch.py", f"model:={tiny_model}", "cameras:=front, rear", "namespace:=robot")
        edges = client.inbox(Image, "/robot/rear/edges/image")
        images = client.publisher(Image, "/robot/rear/image_raw")
        client.await_subscriber(images)
        client.wait_until(lambda: images.publish(image(picture())) or edges, "a map")
        assert launched.ctrl_c() == 0
        assert "[multitask_node-1]: process has finished cleanly" in launched.output
        assert "Traceback" not in launched.output

    @pytest.mark.parametrize(
        ("argument", "reason"),
        [
            ("respawn:=maybe", "argument respawn: 'maybe' is neither true nor false"),
            ("use_sim_time:=2", "argument use_sim_time: '2' is neither true nor false"),
            ("params_file:=/nowhere/avtar.yaml", "/nowhere/avtar.yaml: no such file"),
            ("params_file:=../package.xml", "cannot be read as YAML"),
            ("model:=/nowhere/my.onnx", "/nowhere/my.onnx: no such file"),
            ("profile:=/nowhere/my.xml", "/nowhere/my.xml: no such file"),
        ],
    )
    def test_a_wrong_argument_is_refused_before_anything_starts(self, argument: str, reason: str) -> None:
        output = ros2("launch", str(LAUNCH / "avtar.launch.py"), argument)
        assert reason in output
        assert "process started" not in output

    def test_yes_is_as_good_as_true(self, client: Client, launch: Launch, tiny_model: Path) -> None:
        launch("avtar.launch.py", f"model:={tiny_model}", "autostart:=no", "use_sim_time:=1")
        client.wait_until(lambda: client.node.count_publishers("/diagnostics"), "the node")
        assert "unconfigured" in found("lifecycle", "get", "/multitask_node")
        assert "True" in found("param", "get", "/multitask_node", "use_sim_time")

    def test_it_starts_again_as_it_was_dumped(
        self, client: Client, launch: Launch, tiny_model: Path, tmp_path: Path
    ) -> None:
        written = tmp_path / "written.yaml"
        override = "qos_overrides./front/depth/image.publisher.reliability"
        parameters = {"model": str(tiny_model), "cameras": ["front"], "use_sim_time": True, "max_rate": [12.5],
                      override: "best_effort"}
        written.write_text(yaml.safe_dump({"multitask_node": {"ros__parameters": parameters}}))
        dumps = []
        params_file = written
        for number in range(2):
            launched = launch("avtar.launch.py", f"params_file:={params_file}")
            client.wait_until(lambda: client.node.count_publishers("/front/edges/image"), "the node's topics")
            dumps += [found("param", "dump", "/multitask_node")]
            params_file = tmp_path / f"dump{number}.yaml"
            params_file.write_text(dumps[-1])
            info = found("topic", "info", "-v", "/front/depth/image")
            assert "Reliability: BEST_EFFORT" in info
            assert launched.ctrl_c() == 0
            client.wait_until(lambda: not client.node.count_publishers("/front/edges/image"), "the node's end")
        (dumped,) = yaml.safe_load(dumps[0]).values()
        assert parameters.items() <= flat(dumped["ros__parameters"]).items()
        assert dumps[0] == dumps[1]


def flat(parameters: dict[str, object], before: str = "") -> dict[str, object]:
    """Parameters by their whole names, which a dump nests at the dots."""
    result: dict[str, object] = {}
    for key, value in parameters.items():
        result |= flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return result


class TestProfile:
    @pytest.fixture(autouse=True)
    def without(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No profile but those that a test sets: a client of another test may have left one."""
        for name in PROFILE_NAMES:
            monkeypatch.delenv(name, raising=False)

    def environment(self, launched: Launched, executable: str = "multitask_node") -> dict[str, str]:
        launched.wait_for(ACTIVE)
        pairs = Path(f"/proc/{launched.pid(executable)}/environ").read_text().split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    def test_the_users_own_is_kept_and_the_shipped_one_is_for_the_node_alone(
        self, launch: Launch, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        including = tmp_path / "robot.launch.py"
        including.write_text(
            "from launch import LaunchDescription\n"
            "from launch.actions import ExecuteProcess, IncludeLaunchDescription\n"
            "from launch.launch_description_sources import PythonLaunchDescriptionSource\n"
            "def generate_launch_description():\n"
            f"    source = PythonLaunchDescriptionSource({str(LAUNCH / 'avtar.launch.py')!r})\n"
            f"    node = IncludeLaunchDescription(source, launch_arguments=[('model', {str(tiny_model)!r})])\n"
            "    return LaunchDescription([node, ExecuteProcess(cmd=['env'], output='screen')])\n"
        )
        launched = launch(including)
        assert self.environment(launched)[profile_name()] == str(REPOSITORY / "config" / "fastdds_shm.xml")
        launched.wait_for("[env-2]: process has finished cleanly")
        assert "ROS_DOMAIN_ID=" in launched.output
        assert "DEFAULT_PROFILES_FILE=" not in launched.output

        mine = tmp_path / "mine.xml"
        mine.write_bytes((REPOSITORY / "config" / "fastdds_shm.xml").read_bytes())
        monkeypatch.setenv(profile_name(), str(mine))
        assert self.environment(launch(including))[profile_name()] == str(mine)

    def test_none_is_none(self, launch: Launch, tiny_model: Path) -> None:
        launched = launch("avtar.launch.py", f"model:={tiny_model}", "profile:=none")
        assert self.environment(launched).keys().isdisjoint(PROFILE_NAMES)


class TestSeveralCameras:
    def test_each_is_led_to_its_driver_wherever_that_publishes(
        self, client: Client, launch: Launch, tiny_model: Path
    ) -> None:
        cameras = "cameras:=front=/usb/image, rear=image"
        launch("multi_camera.launch.py", cameras, f"model:={tiny_model}", "namespace:=robot")
        for camera, topic, info in (
            ("front", "/usb/image", "/usb/camera_info"),
            ("rear", "/robot/image", "/robot/camera_info"),
        ):
            maps = client.inbox(Image, f"/robot/{camera}/edges/image")
            images = client.publisher(Image, topic)
            client.await_subscriber(images)
            client.await_subscriber(client.publisher(CameraInfo, info))
            client.wait_until(lambda: images.publish(image(picture())) or maps, "a map")  # noqa: B023

    def test_a_camera_without_a_topic_is_refused_before_anything_starts(self) -> None:
        output = ros2("launch", str(LAUNCH / "multi_camera.launch.py"), "cameras:=front,rear")
        assert "['front', 'rear'] lack a topic" in output
        assert "process started" not in output

    def test_what_it_passes_on_is_shown(self) -> None:
        shown = ros2("launch", str(LAUNCH / "multi_camera.launch.py"), "--show-args")
        for argument in ("cameras", "model", "params_file", "namespace", "profile", "log_level"):
            assert f"'{argument}':" in shown


class TestReplay:
    def test_the_demo_bag_is_seen_as_raw_images_and_maps_and_all_ends_with_it(
        self, client: Client, launch: Launch
    ) -> None:
        launched = launch("replay.launch.py", f"source:={MODELS / 'demo.mcap'}", "rate:=30", "use_sim_time:=true")
        images = client.inbox(Image, "/camera/image_raw", QoSProfile(depth=100))
        points = client.inbox(Image, "/camera/depth/image", QoSProfile(depth=100))
        client.wait_until(lambda: images and points, "images and depth")
        assert launched.wait() == 0
        assert "[multitask_node-1]: process has finished cleanly" in launched.output
        assert "[camera_source-2]: process has finished cleanly" in launched.output
        assert "Traceback" not in launched.output

    def test_it_plays_the_cameras_of_the_parameters_file(
        self, client: Client, launch: Launch, tiny_model: Path, tmp_path: Path
    ) -> None:
        params_file = tmp_path / "mine.yaml"
        parameters = {"cameras": ["head"], "model": str(tiny_model)}
        params_file.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}))
        launch("replay.launch.py", f"source:={MODELS / 'demo.mcap'}", f"params_file:={params_file}")
        edges = client.inbox(Image, "/head/edges/image")
        client.wait_until(lambda: edges, "a map")

    @pytest.mark.parametrize(
        ("argument", "reason"),
        [
            ("rate:=fast", "argument rate: 'fast' is not a number"),
            ("loop:=perhaps", "argument loop: 'perhaps' is neither true nor false"),
            ("respawn:=maybe", "argument respawn: 'maybe' is neither true nor false"),
            ("params_file:=/nowhere/avtar.yaml", "/nowhere/avtar.yaml: no such file"),
        ],
    )
    def test_a_wrong_argument_is_refused_before_anything_starts(self, argument: str, reason: str) -> None:
        output = ros2("launch", str(LAUNCH / "replay.launch.py"), f"source:={MODELS / 'demo.mcap'}", argument)
        assert reason in output
        assert "process started" not in output

    def test_where_the_node_cannot_start_the_recording_is_not_kept_waiting(
        self, launch: Launch, tmp_path: Path
    ) -> None:
        broken = tmp_path / "broken.onnx"
        broken.write_bytes(b"no model")
        launched = launch("replay.launch.py", f"source:={MODELS / 'demo.mcap'}", f"model:={broken}")
        launched.wait()
        assert "broken.onnx" in launched.output
        assert "[camera_source-2]: process has finished cleanly" in launched.output
