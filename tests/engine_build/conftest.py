"""What engines are built with in tests: NVIDIA's own parser and builder, and a stand-in that can run the result.

TensorRT for RTX builds engines ahead of time, without a GPU, and NVIDIA ships its libraries in a wheel. The bindings of
TensorRT proper run on them when they are found under TensorRT's names. Engines made so are for RTX GPUs and are not run
here. A subprocess is needed, for the loader reads LD_LIBRARY_PATH when a process starts.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

import pytest

from engine_build.cli import main
from tests.engine_build.real_models import export_tiny
from tests.engine_build.standing_in import StandIn, stand_in

LIBRARIES = {
    "libnvinfer.so.11": "libtensorrt_rtx.so.1.*",
    "libtensorrt_rtx.so.1": "libtensorrt_rtx.so.1.*",
    "libtensorrt_rtx.so": "libtensorrt_rtx.so.1.*",
    "libnvonnxparser.so.11": "libtensorrt_onnxparser_rtx.so.1.*",
}
# What the bindings want of a library that TensorRT for RTX does not have: plugins, of which no model here has any.
NO_PLUGINS = "int initLibNvInferPlugins(void *logger, const char *name) { return 1; }\n"
# What NVIDIA's own `tensorrt` wheel holds: the bindings under the name that everyone imports.
MODULE = "import sys\n\nimport tensorrt_bindings\n\nsys.modules[__name__] = tensorrt_bindings\n"


@dataclass(frozen=True)
class AvtarEngine:
    """The command avtar-engine in a process of its own, with a cache folder of its own."""

    environment: dict[str, str]
    folder: Path
    tensorrt: str
    """The version of NVIDIA's bindings."""

    @property
    def timings(self) -> Path:
        return self.folder / "cache" / "avtar_ros" / "timing"

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "engine_build.cli", *map(str, arguments)]

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=600
        )


@pytest.fixture(scope="session")
def nvidia(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> AvtarEngine:
    """avtar-engine where `import tensorrt` finds NVIDIA's bindings and, under them, real libraries."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip(f"NVIDIA's libraries for compiling without a GPU are for Linux on x86-64, not {platform.machine()}")
    wheel, bindings = find_spec("onnxruntime_ep_nv_tensorrt_rtx"), find_spec("tensorrt_bindings")
    if wheel is None or wheel.origin is None or bindings is None:
        pytest.skip("NVIDIA's libraries for compiling are not installed: pip install 'avtar_ros[compile-check]'")
    if (compiler := shutil.which("gcc") or shutil.which("cc")) is None:
        pytest.skip("no C compiler to link NVIDIA's bindings with: apt install gcc")

    folder = tmp_path_factory.mktemp("nvidia")
    for name, pattern in LIBRARIES.items():
        (library,) = Path(wheel.origin).parent.glob(pattern)
        (folder / name).symlink_to(library)
    source = folder / "no_plugins.c"
    source.write_text(NO_PLUGINS)
    plugins = folder / "libnvinfer_plugin.so.11"
    subprocess.run([compiler, "-shared", "-nostdlib", "-fPIC", str(source), "-o", str(plugins)], check=True)
    (folder / "tensorrt.py").write_text(MODULE)
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(folder),
        "PYTHONPATH": os.pathsep.join([str(folder), str(repository)]),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    return AvtarEngine(environment, folder, version(packages_distributions()["tensorrt_bindings"][0]))


@dataclass(frozen=True)
class Exported:
    """Exports take seconds each, so they are made when first asked for."""

    folder: Path

    def __call__(self, family: str, precision: str) -> Path:
        """The ONNX file of a small network on one family of backbones."""
        path = self.folder / f"{family}-{precision}.onnx"
        if not path.is_file():
            export_tiny(path, family, precision)
        return path


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Models as training exports them, by family of backbones and precision."""
    return Exported(tmp_path_factory.mktemp("exported"))


@dataclass(frozen=True)
class Ran:
    """What a command left: its exit code, and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """avtar-engine within this process."""

    def run(*arguments: object) -> Ran:
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    logger = logging.getLogger("avtar_ros.engines.tensorrt")
    level = logger.level
    yield run
    logger.setLevel(level)


@pytest.fixture
def orin(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """This process takes itself to be on an Orin Nano; see `standing_in`."""
    return stand_in(monkeypatch, tmp_path_factory.mktemp("home"))
