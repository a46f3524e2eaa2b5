"""The machine that this runs on, as far as building and measuring engines depends on it."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from avtar_ros.engines.engine import EngineError
from avtar_ros.engines.open_cuda import open_cuda
from avtar_ros.engines.sidecar import Gpu
from avtar_ros.engines.tensorrt import load_tensorrt

BOARD = Path("/proc/device-tree/model")
L4T = Path("/etc/nv_tegra_release")
SECONDS_FOR_A_TOOL = 10


@dataclass(frozen=True)
class Machine:
    """`board` is a Jetson's model name, empty on a PC and in most containers.

    `missing` says why there is no "gpu" or "tensorrt".
    `free_memory` are the bytes that the GPU could take now: its own, or the CPU's where they share it or there is none.
    """

    board: str
    cpu: str
    gpu: Gpu | None
    cuda: str | None
    tensorrt: str | None
    free_memory: int
    missing: dict[str, str]

    @property
    def name(self) -> str:
        return self.board or (self.gpu.name if self.gpu else self.cpu)


def this_machine() -> Machine:
    """What can be found out here; nothing that is absent is an error."""
    gpu = cuda = tensorrt = None
    free_memory = available_memory()
    missing = {}
    try:
        tensorrt = str(load_tensorrt().__version__)
    except EngineError as error:
        missing["tensorrt"] = str(error)
    try:
        driver = open_cuda()
        gpu, cuda = driver.gpu, driver.version
        if not driver.integrated:
            with driver.current():
                free_memory = driver.free_memory()
        driver.close()
    except EngineError as error:
        missing["gpu"] = str(error)
    return Machine(board(), cpu(), gpu, cuda, tensorrt, free_memory, missing)


def board(path: Path = BOARD) -> str:
    """A Jetson's model name; empty elsewhere, also on other boards with a device tree."""
    try:
        model = path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
    return model if "NVIDIA" in model or "Jetson" in model else ""


def cpu(path: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, where the kernel gives it, and its architecture."""
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        named = None
    return f"{named[1]}, {platform.machine()}" if named else platform.machine()


def state() -> dict[str, str]:
    """What decides how fast this machine is just now, for people to compare figures by; absent tools are left out.

    Clocks are reported only where that needs no more rights than the caller has.
    """
    found = {
        "kernel": platform.release(),
        "l4t": _first_line(L4T),
        "governor": _first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "nvpmodel": _output_of("nvpmodel", "-q"),
        "jetson_clocks": _output_of("jetson_clocks", "--show"),
        "nvidia_smi": _output_of(
            "nvidia-smi", "--query-gpu=driver_version,pstate,clocks.sm,clocks.mem,power.limit,temperature.gpu",
            "--format=csv",
        ),
    }
    return {name: text for name, text in found.items() if text}


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError:
        return ""


def _output_of(tool: str, *arguments: str) -> str:
    if not (found := shutil.which(tool)):
        return ""
    try:
        run = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=SECONDS_FOR_A_TOOL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def available_memory(path: Path = Path("/proc/meminfo")) -> int:
    """Bytes that the kernel could hand out now."""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", path.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
