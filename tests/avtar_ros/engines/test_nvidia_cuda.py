"""NVIDIA's own bindings of CUDA, the real ones, over a driver that is a stub; and which binding is taken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest

from avtar_ros.engines.cuda import CudaError
from avtar_ros.engines.nvidia_cuda import NvidiaCuda
from avtar_ros.engines.open_cuda import has_nvidias, open_cuda

HERE = Path(__file__).parent
VERSIONS = ("12.9.0", "13.0.1")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_real_bindings_do_all_that_is_asked_of_them(version: str, repository: Path, tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("the driver's stub takes Linux and a C compiler")
    folder = Path(os.environ.get("AVTAR_BINDINGS", repository / ".venv" / "bindings"))
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    wheels = [*folder.glob(f"cuda_bindings-{version}-{python}-*.whl"), *folder.glob("cuda_pathfinder-*.whl")]
    if len(wheels) < 2:
        pytest.skip(f"no wheels of cuda-bindings {version} and cuda-pathfinder in {folder}: make bindings")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path)
    library = tmp_path / "libcuda.so.1"
    command = [compiler, "-shared", "-fPIC", "-w", str(HERE / "driver_stub.c"), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)

    run = subprocess.run(
        [sys.executable, str(HERE / "nvidia_probe.py")],
        env={
            **os.environ,
            "LD_LIBRARY_PATH": str(tmp_path),
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(repository)]),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(run.stdout) == {
        "gpu": "Orin (compute capability 8.7, 8 SMs)",
        "cuda": "12.6",
        "integrated": True,
        "free": 123,
        "pinned": [1, 2, 3, 4, 0, 0, 0, 0],
        "pinned address is the host's": False,
        "mapped": [1, 2, 3, 4, 5, 6, 7, 8],
        "mapped address is the host's": True,
        "time": 1.5,
        "launches": 2,
        "failing work": None,
        "refused": "CUDA failed in cuMemHostAlloc: out of memory.",
        "pushed within": 1,
        "left": 0,
        "pushed after": 0,
        "contexts": 0,
    }


def test_nvidias_bindings_are_taken_where_they_are_installed_else_pycuda(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    assert not has_nvidias()
    with pytest.raises(CudaError, match=r"pycuda is not installed.*cuda-bindings"):
        open_cuda()

    class Opened(Exception):  # noqa: N818, not an error
        pass

    def opened(self: object) -> None:
        raise Opened

    package = tmp_path / "cuda" / "bindings"
    package.mkdir(parents=True)
    (package / "driver.py").touch()
    monkeypatch.delitem(sys.modules, "cuda")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(NvidiaCuda, "__init__", opened)
    try:
        assert has_nvidias()
        with pytest.raises(Opened):
            open_cuda()
    finally:  # looking for it has imported the packages
        for name in ("cuda", "cuda.bindings"):
            sys.modules.pop(name, None)


def test_a_driver_that_is_not_found_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    class NotFoundError(RuntimeError):
        """As cuda-pathfinder raises it."""

    def missing(_: int) -> None:
        raise NotFoundError("libcuda.so.1 cannot be found")

    package = types.ModuleType("cuda.bindings")
    package.driver = types.SimpleNamespace(cuInit=missing)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cuda", types.ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.bindings", package)
    with pytest.raises(CudaError, match=r"finding a GPU: libcuda.so.1 cannot be found"):
        NvidiaCuda()
