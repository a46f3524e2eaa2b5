"""What the doctor says of a machine: made-up files stand in for its profile, shared memory and clocks."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from avtar_ros.doctor import machine
from avtar_ros.doctor.finding import Finding, Level
from avtar_ros.resources import find_resource
from avtar_ros.ros.isolation import PROFILE_NAMES

NEW, OLD = PROFILE_NAMES
PROFILE = find_resource("config/fastdds_shm.xml")
FAST = "rmw_fastrtps_cpp"


class TestProfile:
    @pytest.fixture(autouse=True)
    def kilted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ROS_DISTRO", "kilted")

    def test_the_shipped_one_is_good(self) -> None:
        finding = machine.transport({NEW: str(PROFILE)}, FAST)
        assert (finding.level, finding.mend) == (Level.OK, "")
        assert "32 MiB" in finding.text

    def test_without_one_the_line_that_sets_it_is_told(self) -> None:
        finding = machine.transport({}, FAST)
        assert finding.level is Level.WARN
        assert finding.mend.startswith(f"export {NEW}={PROFILE}")

    def test_one_under_the_name_of_another_distribution_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ROS_DISTRO", "jazzy")
        finding = machine.transport({NEW: str(PROFILE)}, FAST)
        assert finding.level is Level.WARN
        assert f"{NEW} is set, but this distribution reads {OLD}" in finding.text

    @pytest.mark.parametrize(
        ("content", "level", "reason"),
        [
            (None, Level.ERROR, "cannot be read"),
            ("<profiles", Level.ERROR, "cannot be read"),
            ("<profiles/>", Level.WARN, "none bytes"),
            ("<?xml version='1.0' encoding='none'?><profiles/>", Level.ERROR, "cannot be read"),
            (f"<profiles><segment_size>{'9' * 5000}</segment_size></profiles>", Level.WARN, "none bytes"),
            ("<profiles><segment_size>524288</segment_size></profiles>", Level.WARN, "524288 bytes"),
        ],
    )
    def test_one_without_room_for_images_is_told(
        self, tmp_path: Path, content: str | None, level: Level, reason: str
    ) -> None:
        path = tmp_path / "mine.xml"
        if content is not None:
            path.write_text(content)
        finding = machine.transport({NEW: str(path)}, FAST)
        assert finding.level is level
        assert reason in finding.text
        assert finding.mend

    def test_another_middleware_needs_none(self) -> None:
        assert machine.transport({}, "rmw_cyclonedds_cpp").level is Level.OK


@pytest.mark.parametrize(("free", "level"), [(64 << 20, Level.WARN), (8 << 30, Level.OK)])
def test_little_shared_memory_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=16 << 30, free=free))
    finding = machine.shared_memory(tmp_path)
    assert finding.level is level
    assert ("--shm-size" in finding.mend) == (level is Level.WARN)
    (tmp_path / "fastrtps_dead").touch()
    assert ("rm " in machine.shared_memory(tmp_path).mend) == (level is Level.WARN)


def test_no_shared_memory_is_an_error(tmp_path: Path) -> None:
    assert machine.shared_memory(tmp_path / "absent").level is Level.ERROR


def test_clocks_are_compared_with_their_highest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = tmp_path / "class" / "devfreq" / "17000000.gpu"
    gpu.mkdir(parents=True)
    (gpu / "cur_freq").write_text("306000000\n")
    (gpu / "max_freq").write_text("624750000\n")
    for number, now in enumerate((1510400, 729600)):
        policy = tmp_path / "devices" / "system" / "cpu" / "cpufreq" / f"policy{number}"
        policy.mkdir(parents=True)
        (policy / "scaling_cur_freq").write_text(str(now))
        (policy / "cpuinfo_max_freq").write_text("1510400")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    found = list(machine.clocks(tmp_path))
    assert [(f.subject, f.text) for f in found] == [
        ("GPU clock", "306 of 625 MHz"), ("CPU clock", "730 of 1510 MHz"),
    ]
    assert {f.level for f in found} == {Level.WARN}
    assert "jetson_clocks" in found[0].mend
    assert list(machine.clocks(tmp_path / "absent")) == []


def test_a_fault_is_printed_with_what_mends_it() -> None:
    assert Finding("GPU", Level.OK, "there").lines() == ["GPU           ok     there"]
    assert Finding("GPU", Level.ERROR, "gone", "plug it in").lines()[1].strip() == "mend: plug it in"
