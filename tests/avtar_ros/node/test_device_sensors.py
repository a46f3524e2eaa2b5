"""Temperatures and power, from a folder laid out as a Jetson's /sys is."""

from pathlib import Path

import pytest

from avtar_ros.node.device_sensors import read_sensors


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n")


@pytest.fixture
def jetson(tmp_path: Path) -> Path:
    write(tmp_path / "class/thermal/thermal_zone0", type="cpu-thermal", temp="48500")
    write(tmp_path / "class/thermal/thermal_zone1", type="gpu-thermal", temp="-5250")
    write(tmp_path / "class/hwmon/hwmon3", in1_label="VDD_IN", in1_input="5072", curr1_input="1500",
          in2_label="VDD_CPU_GPU_CV", in2_input="5000", curr2_input="200")
    return tmp_path


def test_temperatures_are_in_degrees_and_power_in_watts(jetson: Path) -> None:
    assert read_sensors(jetson) == pytest.approx(
        {
            "temperature cpu-thermal": 48.5,
            "temperature gpu-thermal": -5.25,
            "power VDD_IN": 7.608,
            "power VDD_CPU_GPU_CV": 1.0,
        }
    )


def test_what_cannot_be_read_is_left_out(jetson: Path) -> None:
    (jetson / "class/thermal/thermal_zone0/temp").unlink()
    (jetson / "class/thermal/thermal_zone0/temp").mkdir()  # reading it fails, as of a sensor that is switched off
    (jetson / "class/thermal/thermal_zone1/temp").write_text("")
    (jetson / "class/hwmon/hwmon3/curr1_input").unlink()
    assert list(read_sensors(jetson)) == ["power VDD_CPU_GPU_CV"]


def test_a_machine_without_sensors_has_none(tmp_path: Path) -> None:
    assert read_sensors(tmp_path) == {}


def test_this_machines_sensors_can_be_read() -> None:
    assert all(isinstance(value, float) for value in read_sensors().values())
