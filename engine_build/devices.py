"""The devices that engines are built for: a table of those that are known, and which of them this machine is."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from avtar_ros.documents import NO_YAML
from engine_build.errors import BuildError
from engine_build.machine import Machine

SHIPPED = Path(__file__).with_name("devices.yaml")


@dataclass(frozen=True)
class Device:
    """A kind of machine. `module` is part of a Jetson's model name; a PC has none. Zeros are what is not known."""

    name: str
    title: str
    compute_capability: str
    module: str = ""
    sm_count: int = 0
    memory_gb: float = 0
    bandwidth_gb_s: float = 0
    fp16_tflops: float = 0

    def is_like(self, machine: Machine) -> bool:
        """Whether `machine` may be one, by what is known of it; in a container a Jetson's board is hidden."""
        if machine.board and not (self.module and self.module in machine.board):
            return False
        if machine.gpu is None:
            return bool(machine.board)
        same_size = self.sm_count in (0, machine.gpu.sm_count)
        return same_size and self.compute_capability == machine.gpu.compute_capability


def user_table() -> Path:
    """Where a user's own devices are looked for."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "avtar_ros" / "devices.yaml"


def known_devices() -> dict[str, Device]:
    """The shipped devices and the user's own, by name; raises BuildError if a table is wrong."""
    devices = read_devices(SHIPPED)
    if user_table().is_file():
        devices |= read_devices(user_table())
    return devices


def read_devices(path: Path) -> dict[str, Device]:
    """The devices in a YAML table; raises BuildError that names the entry at fault."""
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, *NO_YAML) as error:
        raise BuildError(f"{path}: cannot be read as YAML ({error}).") from error
    if not isinstance(table, dict):
        raise BuildError(f"{path}: must hold one entry a device, as {SHIPPED} does.")
    return {str(name): _device(str(name), entry, path) for name, entry in table.items()}


def _device(name: str, entry: Any, path: Path) -> Device:
    kinds = {f.name: f.type for f in dataclasses.fields(Device) if f.name != "name"}
    if not isinstance(entry, dict) or not {"title", "compute_capability"} <= entry.keys() <= kinds.keys():
        raise BuildError(f"{path}: {name} needs title and compute_capability, and may have {', '.join(kinds)}.")
    python: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}
    for key, value in entry.items():
        if not isinstance(value, python[str(kinds[key])]) or isinstance(value, bool):
            raise BuildError(f"{path}: {name}.{key} must be a {kinds[key]}, not {value!r}. Text may need quotes.")
    return Device(name, **entry)


def find_device(name: str) -> Device:
    """The device called `name`; raises BuildError that lists those there are."""
    devices = known_devices()
    if name not in devices:
        raise BuildError(
            f"no device {name!r} is known. Known: {', '.join(devices)}. Others can be added in {user_table()}."
        )
    return devices[name]


def devices_like(machine: Machine) -> list[Device]:
    """The known devices that `machine` may be."""
    return [device for device in known_devices().values() if device.is_like(machine)]
