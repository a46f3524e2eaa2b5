"""What must be installed besides: which extra a library belongs to, and the command that installs it here."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from avtar_ros.errors import AvtarError

NAME = "avtar_ros"
EXTRAS = {
    "onnxruntime": ("onnxruntime",),
    "ros-wheels": (
        "rclpy", "ament_index_python", "builtin_interfaces", "diagnostic_msgs", "lifecycle_msgs", "rcl_interfaces",
        "rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs",
    ),
    "tensorrt": ("tensorrt", "pycuda"),
    "train": (
        "torch", "accelerate", "h5py", "kornia", "onnx", "onnxscript", "pydantic", "safetensors", "scipy",
        "transformers",
    ),
    "fleet": ("ray", "fsspec"),
    "rerun": ("rerun",),
    "video": ("av",),
    "path-tracing": ("mitsuba", "drjit"),
}
"""{extra: what it makes importable}."""


class MissingError(AvtarError):
    """A library that is not installed here, and the command that installs it."""


def missing(error: ImportError) -> MissingError | None:
    """What to tell where this import failed; None where it is no library that can be installed."""
    library = (error.name or "").partition(".")[0]
    if not library or (library in sys.modules and sys.modules[library] is not None):
        return None  # it is there: a fault of another kind
    extra = next((extra for extra, libraries in EXTRAS.items() if library in libraries), None)
    if extra is None and library not in _base_libraries():
        return None
    ros = " Or source your ROS installation's setup.bash first." if extra == "ros-wheels" else ""
    return MissingError(f"{library} is not installed. Run: {install_line(extra)}{ros}")


def install_line(extra: str | None) -> str:
    """The command that installs an extra (None: what is always needed) for the Python that runs, however we are here.

    From a checkout it is the checkout with its tested versions; else the libraries themselves are named, for the
    package is in no registry.
    """
    pip = f"{shlex.quote(sys.executable)} -m pip install"
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "setup.py").is_file() and (checkout / "constraints.txt").is_file():
        constraints, target = checkout / "constraints.txt", f"{checkout}[{extra}]" if extra else str(checkout)
        return f"{pip} -c {shlex.quote(str(constraints))} -e {shlex.quote(target)}"
    return f"{pip} {' '.join(shlex.quote(requirement) for requirement in _requirements(extra))}"


def _requirements(extra: str | None) -> list[str]:
    """The requirements of an extra, or those without one, as the installed package states them."""
    try:
        stated = requires(NAME) or []
    except PackageNotFoundError:
        stated = []
    found = [text.partition(";") for text in stated]
    wanted = [
        requirement.strip() for requirement, _, marker in found
        if (re.search(r"extra == ['\"]([\w-]+)['\"]", marker) or [None, None])[1] == extra
    ]
    return wanted or list(EXTRAS.get(extra or "", ()))


def _base_libraries() -> set[str]:
    """What is always needed, by the names that are imported."""
    return {"PIL", "argcomplete", "cv2", "jinja2", "lz4", "mcap", "numpy", "rosbags", "tqdm", "yaml", "zstandard"}
