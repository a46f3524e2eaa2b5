"""The machine that a node runs on: middleware, its profile, shared memory, GPU, clocks, sensors. No ROS."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from avtar_ros.doctor.finding import Finding, Level
from avtar_ros.resources import find_resource
from avtar_ros.ros.isolation import PROFILE_NAMES, profile_name

FRAME_BYTES = 640 * 480 * 3 * 4
"""The largest map of a camera of 640 x 480, the normals."""
SEGMENTS = 4
"""Processes with images that may be expected on one machine: camera, node, recorder, RViz."""
FAST_DDS = "rmw_fastrtps"


def transport(environment: Mapping[str, str], middleware: str) -> Finding:
    """The Fast DDS profile in force, and whether it has room for images."""
    subject = "profile"
    if not middleware.startswith(FAST_DDS):
        return Finding(subject, Level.OK, f"{middleware} needs none of ours; see docs/tuning.md for its own settings")
    shipped = find_resource("config/fastdds_shm.xml")
    export = f"export {profile_name()}={shipped}   # for camera drivers, recorders and RViz, too"
    read = (profile_name(),) if profile_name() == PROFILE_NAMES[-1] else PROFILE_NAMES
    name = next((variable for variable in read if environment.get(variable)), None)
    if name is None:
        unread = [variable for variable in PROFILE_NAMES if environment.get(variable)]
        why = f"{unread[0]} is set, but this distribution reads {profile_name()}" if unread else "none is set here"
        text = f"{why}: images of this shell's programs go in fragments, and with best effort mostly get lost"
        return Finding(subject, Level.WARN, text, export)
    path = environment[name]
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError, LookupError, ValueError) as error:  # the last two of its encoding
        return Finding(subject, Level.ERROR, f"{name} is {path}, which cannot be read ({error})", export)
    sizes = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    segment = _whole_number(sizes.get("segment_size", ""))
    if segment < SEGMENTS * FRAME_BYTES:
        text = f"{path} has no shared-memory segment with room for images ({segment or 'none'} bytes)"
        return Finding(subject, Level.WARN, text, export)
    return Finding(subject, Level.OK, f"{path}, {segment // 2**20} MiB of shared memory a process")


def _whole_number(text: str) -> int:
    """0 where it is none, or has more digits than Python reads."""
    try:
        return int(text)
    except ValueError:
        return 0


def shared_memory(folder: Path = Path("/dev/shm")) -> Finding:
    """Whether the processes' segments fit."""
    subject = "shared memory"
    try:
        room = shutil.disk_usage(folder)
    except OSError as error:
        return Finding(subject, Level.ERROR, f"{folder} cannot be used ({error})", "docker run --ipc=host ...")
    text = f"{room.free / 2**20:.0f} of {room.total / 2**20:.0f} MiB free in {folder}"
    if room.free < SEGMENTS * 2**25:
        left = len(list(folder.glob("fastrtps_*")))
        mend = "docker run --ipc=host ...   # or --shm-size=1g"
        if left:
            mend = f"stop all ROS programs, then rm {folder}/fastrtps_*   # {left} files, some of dead ones; or {mend}"
        return Finding(subject, Level.WARN, text + f", less than {SEGMENTS} processes take", mend)
    return Finding(subject, Level.OK, text)


def gpu() -> Finding:
    """The NVIDIA GPU, as the engine sees it."""
    from avtar_ros.engines.cuda import CudaError
    from avtar_ros.engines.open_cuda import open_cuda

    try:
        cuda = open_cuda()
    except CudaError as error:
        return Finding("GPU", Level.WARN, f"none that can be used, so models run on the CPU: {error}")
    try:
        memory = " that CPU and GPU share" if cuda.integrated else ""
        with cuda.current():
            free = cuda.free_memory() / 2**20
        return Finding("GPU", Level.OK, f"{cuda.gpu}, CUDA {cuda.version}, {free:.0f} MiB free{memory}")
    finally:
        cuda.close()


def clocks(sysfs: Path = Path("/sys")) -> Iterator[Finding]:
    """GPU and CPU clocks that may be below their highest now."""
    for folder in sorted(sysfs.glob("class/devfreq/*")):
        if "gpu" not in folder.name and not folder.name.endswith((".gv11b", ".ga10b", ".gb10b")):
            continue
        now, most = _number(folder / "cur_freq"), _number(folder / "max_freq")
        if now and most:
            yield _clock("GPU clock", now / 1e6, most / 1e6)
    policies = sorted(sysfs.glob("devices/system/cpu/cpufreq/policy*"))
    pairs = [(_number(p / "scaling_cur_freq"), _number(p / "cpuinfo_max_freq")) for p in policies]
    known = [(now, most) for now, most in pairs if now and most]
    if known:
        slowest = min(known, key=lambda pair: pair[0] / pair[1])
        yield _clock("CPU clock", slowest[0] / 1e3, slowest[1] / 1e3)


def _clock(subject: str, now_mhz: float, most_mhz: float) -> Finding:
    text = f"{now_mhz:.0f} of {most_mhz:.0f} MHz"
    if now_mhz < 0.95 * most_mhz and shutil.which("jetson_clocks"):
        return Finding(subject, Level.WARN, text, "sudo nvpmodel -p --verbose; sudo jetson_clocks   # keeps them up")
    return Finding(subject, Level.OK, text)


def environment_of_ros() -> Finding:
    """Domain and range of discovery: who sees whom."""
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "")
    if os.environ.get("ROS_LOCALHOST_ONLY") == "1":
        reach = "LOCALHOST"
    return Finding("domain", Level.OK, f"{domain}, {'this machine alone' if reach == 'LOCALHOST' else 'the network'}")


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
