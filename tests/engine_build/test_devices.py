"""The table of devices, a user's own entries, and which of them this machine is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from avtar_ros.engines.sidecar import Gpu
from engine_build.devices import SHIPPED, devices_like, known_devices, read_devices, user_table
from engine_build.errors import BuildError
from engine_build.machine import Machine
from tests.engine_build.conftest import Command
from tests.engine_build.standing_in import StandIn

TOASTER = """
toaster:
  title: A toaster
  module: Toaster 3000
  compute_capability: "8.7"
  sm_count: 1
"""


@pytest.fixture
def users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a user's table goes; nothing is there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    user_table().parent.mkdir()
    return user_table()


def machine(board: str = "", gpu: Gpu | None = None) -> Machine:
    return Machine(board, "a CPU", gpu, None, None, 1 << 30, {})


@pytest.mark.parametrize(
    ("board", "gpu", "name"),
    [
        ("NVIDIA Jetson AGX Orin Developer Kit", Gpu("Orin", "8.7", 16), "agx-orin-64"),
        ("NVIDIA Jetson AGX Orin Developer Kit", Gpu("Orin", "8.7", 14), "agx-orin-32"),
        ("NVIDIA Jetson Orin NX Engineering Reference", Gpu("Orin", "8.7", 8), "orin-nx-16"),
        ("NVIDIA Jetson Orin Nano Developer Kit", Gpu("Orin", "8.7", 8), "orin-nano-8"),
        ("NVIDIA Jetson AGX Thor Developer Kit", Gpu("NVIDIA Thor", "11.0", 20), "thor-t5000"),
        ("", Gpu("NVIDIA GeForce RTX 4090", "8.9", 128), "x86-ada"),
        ("", Gpu("NVIDIA H200", "9.0", 132), "x86-hopper"),
    ],
)
def test_a_machine_is_known_by_its_board_and_gpu(users_own: Path, board: str, gpu: Gpu, name: str) -> None:
    assert [device.name for device in devices_like(machine(board, gpu))] == [name]


def test_a_machine_that_is_not_in_the_table_is_none_of_them(users_own: Path) -> None:
    assert devices_like(machine()) == []
    assert devices_like(machine("", Gpu("Old", "6.1", 20))) == []
    assert devices_like(machine("Raspberry Pi 5", Gpu("NVIDIA GeForce RTX 4090", "8.9", 128))) == []


def test_in_a_container_which_hides_the_board_a_jetson_is_known_by_its_gpu(users_own: Path) -> None:
    assert [device.name for device in devices_like(machine("", Gpu("Orin", "8.7", 16)))] == ["agx-orin-64"]
    assert [device.name for device in devices_like(machine("", Gpu("Orin", "8.7", 8)))] == ["orin-nx-16", "orin-nano-8"]


def test_a_jetson_without_cuda_is_known_by_its_board(users_own: Path) -> None:
    found = devices_like(machine("NVIDIA Jetson AGX Orin Developer Kit"))
    assert [device.name for device in found] == ["agx-orin-64", "agx-orin-32"]


def test_a_users_table_adds_and_replaces(users_own: Path) -> None:
    before = known_devices()
    users_own.write_text(TOASTER + 'x86-ada: {title: My own card, compute_capability: "8.9"}\n')
    after = known_devices()
    assert set(after) - set(before) == {"toaster"}
    assert after["x86-ada"].title == "My own card"
    assert [device.name for device in devices_like(machine("A Toaster 3000", Gpu("T", "8.7", 1)))] == ["toaster"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("toaster: [", "cannot be read as YAML"),
        ("- toaster", "must hold one entry a device"),
        ("toaster: 3", "toaster needs title and compute_capability"),
        ("toaster: {title: T}", "toaster needs title and compute_capability"),
        ('toaster: {title: T, compute_capability: "8.7", colour: red}', "may have title"),
        ("toaster: {title: T, compute_capability: 8.7}", "toaster.compute_capability must be a str, not 8.7"),
        ('toaster: {title: T, compute_capability: "8.7", sm_count: true}', "toaster.sm_count must be a int"),
    ],
)
def test_a_wrong_table_is_named_with_its_entry(users_own: Path, command: Command, table: str, said: str) -> None:
    users_own.write_text(table)
    with pytest.raises(BuildError) as caught:
        known_devices()
    assert str(users_own) in str(caught.value)
    assert said in str(caught.value)
    assert command("devices").code == 1


def test_the_shipped_table_is_whole() -> None:
    devices = read_devices(SHIPPED).values()
    assert {"orin-nano-8", "orin-nx-16", "agx-orin-64", "agx-orin-32", "thor-t5000"} <= {d.name for d in devices}
    for device in devices:
        assert bool(device.module) == bool(device.sm_count and device.memory_gb and device.bandwidth_gb_s)


def test_the_list_marks_this_machine(orin: StandIn, command: Command) -> None:
    ran = command("devices")
    assert ran.code == 0, ran.err
    marked = [line.split()[1] for line in ran.out.splitlines() if line.startswith("*")]
    assert marked == ["orin-nano-8"]
    assert "TensorRT: 10.3.0.30" in ran.out
    listed = json.loads(command("devices", "--json").out)["devices"]
    assert [device["name"] for device in listed if device["this"]] == ["orin-nano-8"]
