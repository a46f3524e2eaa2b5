"""Temperatures and power of the machine, as Linux tells them. No ROS."""

from __future__ import annotations

from pathlib import Path

SYSFS = Path("/sys")


def read_sensors(sysfs: Path = SYSFS) -> dict[str, float]:
    """{"temperature gpu-thermal": °C, "power VDD_IN": W}; whatever cannot be read is left out.

    Temperatures are those of the thermal zones, power that of rails of which hwmon has both voltage and current, as
    it does of the INA3221 on a Jetson.
    """
    readings: dict[str, float] = {}
    for zone in sorted(sysfs.glob("class/thermal/thermal_zone*")):
        name, millidegrees = _text(zone / "type"), _number(zone / "temp")
        if name and millidegrees is not None:
            readings[f"temperature {name}"] = millidegrees / 1e3
    for label in sorted(sysfs.glob("class/hwmon/hwmon*/in*_label")):
        channel = label.name.removeprefix("in").removesuffix("_label")
        millivolts = _number(label.with_name(f"in{channel}_input"))
        milliamperes = _number(label.with_name(f"curr{channel}_input"))
        name = _text(label)
        if name and millivolts is not None and milliamperes is not None:
            readings[f"power {name}"] = millivolts * milliamperes / 1e6
    return readings


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # a sensor that is switched off, or not ours to read
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.lstrip("-").isdecimal() else None
