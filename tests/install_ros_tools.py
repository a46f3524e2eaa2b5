"""Run as a program: install the tools of ROS from a folder of their sources, for machines without a ROS installation.

    python tests/install_ros_tools.py SOURCES

SOURCES holds checkouts of the public repositories ros2/launch, launch_ros, ros2cli and rosidl_runtime_py,
of the branch that fits the wheels of rclpy. They go, without what they depend on, into the environment of the Python
that runs this; the checkouts stay as they are.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

PACKAGES = ("launch", "launch_xml", "launch_yaml", "launch_ros", "rosidl_runtime_py", "ros2cli", "ros2launch",
            "ros2lifecycle", "ros2node", "ros2param", "ros2pkg", "ros2run", "ros2service", "ros2topic")
STAND_IN = "class LoadNode:\n    Request = Response = object\n"
"""launch_ros imports the service that loads C++ components, and no wheel has it. No launch file here uses it."""


def main(sources: Path) -> int:
    found = {setup.parent.name: setup.parent for setup in sorted(sources.rglob("setup.py"))}
    if missing := [name for name in PACKAGES if name not in found]:
        print(f"{sources}: no sources of {', '.join(missing)}: see tests/install_ros_tools.py", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copytree(found[name], Path(folder) / name) for name in PACKAGES]
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--no-build-isolation", *map(str, copies)], check=True)
    stand_in = Path(sysconfig.get_path("purelib")) / "composition_interfaces"
    stand_in.mkdir(exist_ok=True)
    (stand_in / "__init__.py").touch()
    (stand_in / "srv.py").write_text(STAND_IN)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
