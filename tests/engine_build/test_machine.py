"""What is found out about a machine, from files and tools that are there or not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from avtar_ros.engines.sidecar import Gpu
from engine_build.machine import available_memory, board, cpu, state, this_machine
from tests.avtar_ros.engines.recording import RecordingCuda
from tests.engine_build.standing_in import StandIn


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"NVIDIA Jetson Orin Nano Developer Kit\0", "NVIDIA Jetson Orin Nano Developer Kit"),
        (b"Jetson-AGX\0", "Jetson-AGX"),
        (b"Raspberry Pi 5 Model B\0", ""),
        (b"\xff\xfe", ""),
    ],
)
def test_a_board_is_a_jetson_or_none(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / "model").write_bytes(content)
    assert board(tmp_path / "model") == name


def test_a_pc_has_no_board(tmp_path: Path) -> None:
    assert board(tmp_path / "model") == ""


def test_the_processor_is_named_where_the_kernel_does(tmp_path: Path) -> None:
    (tmp_path / "x86").write_text("processor\t: 0\nmodel name\t: Fast One\n\nmodel name\t: Fast Two\n")
    (tmp_path / "arm").write_text("processor\t: 0\nCPU part\t: 0xd42\n")
    assert cpu(tmp_path / "x86").startswith("Fast One, ")
    assert cpu(tmp_path / "arm") == cpu(tmp_path / "missing") != ""


def test_memory_is_what_the_kernel_could_hand_out(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 8000 kB\nMemFree: 100 kB\nMemAvailable:    3000 kB\n")
    assert available_memory(tmp_path / "meminfo") == 3000 * 1024
    assert available_memory() > 0


@pytest.mark.parametrize("integrated", [True, False])
def test_a_gpu_with_memory_of_its_own_is_asked_for_it(orin: StandIn, integrated: bool) -> None:
    orin.cuda = RecordingCuda(Gpu("A card", "8.9", 100), integrated)
    found = this_machine()
    assert (found.free_memory == RecordingCuda.FREE) != integrated
    assert orin.cuda.calls == ["close GPU"]


def test_what_is_missing_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tensorrt", "pycuda", "pycuda.driver"):
        monkeypatch.setitem(sys.modules, module, None)
    found = this_machine()
    assert (found.gpu, found.cuda, found.tensorrt) == (None, None, None)
    assert "python3-libnvinfer" in found.missing["tensorrt"]
    assert "avtar_ros[tensorrt]" in found.missing["gpu"]
    assert found.name


def test_the_state_is_what_the_tools_say_and_leaves_out_those_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tool(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    tool("nvpmodel", 'echo "NV Power Mode: MAXN $1"')
    tool("jetson_clocks", "echo no rights; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = state()
    assert found["nvpmodel"] == "NV Power Mode: MAXN -q"
    assert not {"jetson_clocks", "nvidia_smi"} & set(found)
    assert found["kernel"]
