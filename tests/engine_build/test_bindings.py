"""Every TensorRT from 10.3 on has what the project asks of it: NVIDIA's own bindings, over libraries that are stubs.

The wheels of the bindings are small and need no GPU, only libraries that have the names they link with; here those
return nothing. `make bindings` fetches the wheels.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROBE = Path(__file__).with_name("bindings_probe.py")
ASKING = ("avtar_ros/engines/tensorrt.py", "engine_build/compiler.py", "engine_build/progress.py")
VERSIONS = ("10.3.0", "10.7.0", "10.13.3.9", "10.16.1.11", "11.0.0.114", "11.4.0.106")
LIBRARIES = ("libnvinfer", "libnvonnxparser", "libnvinfer_plugin")
OF_OTHERS = ("Py", "_Py", "_Z", "_ITM", "__")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bindings_have_all_that_is_asked_of_them(version: str, repository: Path, tmp_path: Path) -> None:
    compiler, nm = shutil.which("gcc") or shutil.which("cc"), shutil.which("nm")
    if (sys.platform, platform.machine()) != ("linux", "x86_64") or compiler is None or nm is None:
        pytest.skip("the bindings are tried on Linux on x86-64, with a C compiler and nm")
    folder = Path(os.environ.get("AVTAR_BINDINGS", repository / ".venv" / "bindings"))
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheels = sorted(folder.glob(f"tensorrt_cu12_bindings-{version}-{python}-*.whl"))
    if not wheels:
        pytest.skip(f"no wheel of the bindings {version} for this Python in {folder}: make bindings")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(tmp_path)
    (binding,) = (tmp_path / "tensorrt_bindings").glob("*.so")
    listed = subprocess.run([nm, "-D", "--undefined-only", str(binding)], capture_output=True, text=True, check=True)
    wanted = {line.split()[-1] for line in listed.stdout.splitlines() if line.split()[0] == "U" and "@" not in line}
    functions = sorted(name for name in wanted if not name.startswith(OF_OTHERS))
    assert "createInferBuilder_INTERNAL" in functions
    source = tmp_path / "nothing.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in functions))
    for library in LIBRARIES:
        name = f"{library}.so.{version.partition('.')[0]}"
        command = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{name}", str(source), "-o", str(tmp_path / name)]
        subprocess.run(command, check=True)

    run = subprocess.run(
        [sys.executable, str(PROBE), *(str(repository / path) for path in ASKING)],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["version"].startswith(version.rpartition(".post")[0] or version)
    assert found["asked"] > 40
    assert (found["missing"], found["failed"]) == ([], [])
