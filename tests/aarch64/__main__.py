"""Run models on an emulated ARM: python -m tests.aarch64 --onnxruntime 1.23.2 MODEL.onnx ...

ONNX Runtime computes half precision otherwise there. Each model is opened, so proves itself by its golden maps; its
maps of an image, and those of verification's float32 reference, are compared with the reference's on this machine.

qemu-user and Python are Debian's, unpacked into a folder; ONNX Runtime and the rest are wheels of PyPI.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from avtar_ros.agreement import MapComparison, describe
from avtar_ros.tasks import Maps
from tests.aarch64.debian import unpack
from tests.aarch64.maps import maps_of, saved

PYTHON = ("python3.13-minimal", "libpython3.13-stdlib", "libstdc++6")
WHEELS = ("numpy==2.4.6", "opencv-python-headless==5.0.0.93", "onnx==1.23.2", "PyYAML", "tqdm", "zstandard", "lz4")
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")
REPOSITORY = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--onnxruntime", required=True, metavar="VERSION")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build/aarch64", help="for what is fetched")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    wheels = prepare(folder, options.onnxruntime)
    holds = True
    for model in options.models:
        here, there = maps_of(model), emulated(folder, wheels, model)
        for kind, precision in (("model", "fp16"), ("reference", "fp32")):
            comparison = MapComparison(there[kind])
            comparison.add(here["reference"], there[kind])
            agreements = comparison.agreements(precision)
            holds = holds and all(agreement.holds for agreement in agreements.values())
            print(f"{model.name}, {kind} on aarch64 and the reference here:\n{describe(agreements)}", flush=True)
    return 0 if holds else 1


def prepare(folder: Path, onnxruntime: str) -> Path:
    """Fetch emulator, Python and wheels, where they are not there; gives the folder of the wheels."""
    unpack(folder / "emulator", "amd64", ["qemu-user"])
    unpack(folder / "root", "arm64", PYTHON)
    if not (folder / "root/lib").exists():
        (folder / "root/lib").symlink_to("usr/lib")
    wheels = folder / f"onnxruntime-{onnxruntime}"
    if not wheels.exists():
        platforms = [word for name in PLATFORMS for word in ("--platform", f"{name}_aarch64")]
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        target = ["--target", str(wheels), "--python-version", "3.13", "--only-binary", ":all:", *platforms]
        subprocess.run([*pip, *target, f"onnxruntime=={onnxruntime}", *WHEELS], check=True)
    return wheels


def emulated(folder: Path, wheels: Path, model: Path) -> dict[str, Maps]:
    """Its maps there, as `maps_of` gives them."""
    out = folder / "maps.npz"
    emulator = [str(folder / "emulator/usr/bin/qemu-aarch64"), "-L", str(folder / "root")]
    python = [*emulator, str(folder / "root/usr/bin/python3.13"), "-m", "tests.aarch64.maps"]
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}:{wheels}"}
    subprocess.run([*python, str(model.resolve()), str(out)], check=True, cwd=REPOSITORY, env=environment)
    return saved(out)


if __name__ == "__main__":
    sys.exit(main())
