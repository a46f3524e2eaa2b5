"""The arguments of launch files: what they mean, and that nothing wrong is taken in silence."""

from pathlib import Path

import pytest

from avtar_ros.errors import AvtarError
from avtar_ros.ros import launching
from avtar_ros.ros.isolation import PROFILE_NAMES, profile_name

NEW, OLD = PROFILE_NAMES
SHIPPED = "config/fastdds_shm.xml"


@pytest.mark.parametrize("text", ["true", "True", "1", "yes", "ON"])
def test_there_are_several_words_for_true(text: str) -> None:
    assert launching.flag("respawn", text) is True
    assert launching.flag("respawn", {"true": "false", "1": "0", "yes": "no", "on": "off"}[text.lower()]) is False


@pytest.mark.parametrize(
    ("read", "text", "reason"),
    [
        (launching.flag, "maybe", "argument x: 'maybe' is neither true nor false."),
        (launching.flag, "", "argument x: '' is neither true nor false."),
        (launching.number, "fast", "argument x: 'fast' is not a number."),
        (launching.names, "front,,rear", "lacks a name before or after a comma"),
        (launching.names, "front,", "lacks a name before or after a comma"),
        (launching.log_level, "chatty", "must be one of: debug, info, warn, error, fatal."),
        (launching.log_level, "rcl:=chatty", "must be one of: debug, info, warn, error, fatal."),
        (launching.file, "/nowhere/avtar.yaml", "/nowhere/avtar.yaml: no such file."),
        (launching.camera_topics, "front,rear", "['front', 'rear'] lack a topic"),
        (launching.camera_topics, "front=/a,front=/b", "has a camera twice"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(read, text: str, reason: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AvtarError) as refusal:
        read("x", text)
    assert reason in str(refusal.value)


def test_names_between_commas_lose_the_spaces_around_them() -> None:
    assert launching.names("cameras", "front, robot/rear ") == ["front", "robot/rear"]
    assert launching.camera_topics("cameras", "front=/a/image_raw, rear = b") == {"front": "/a/image_raw", "rear": "b"}


def test_a_log_level_is_for_all_loggers_or_for_one() -> None:
    assert launching.log_level("log_level", "Debug") == "Debug"
    assert launching.log_level("log_level", "multitask_node:=debug") == "multitask_node:=debug"


@pytest.mark.parametrize(
    ("text", "cameras"),
    [
        ("multitask_node: {ros__parameters: {cameras: [a]}}", ["a"]),
        ("/**/multitask_node: {ros__parameters: {cameras: [a]}}", ["a"]),
        ("/**: {ros__parameters: {cameras: [a], use_sim_time: true}}", ["a"]),
        ("robot: {multitask_node: {ros__parameters: {cameras: [a]}}, other: {ros__parameters: {cameras: [b]}}}", ["a"]),
        ("/**: {ros__parameters: {cameras: [a]}}\nmultitask_node: {ros__parameters: {cameras: [b]}}", ["b"]),
        ("multitask_node: {ros__parameters: }", None),
    ],
)
def test_parameters_of_a_node_are_found_in_a_parameters_file(
    tmp_path: Path, text: str, cameras: list[str] | None
) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text(text)
    assert launching.node_parameters("params_file", str(path), "multitask_node").get("cameras") == cameras


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("other: {ros__parameters: {cameras: [b]}}", "nothing in it is for multitask_node, there is /other."),
        ("cameras: [b]", "nothing in it is for multitask_node, there is nothing."),
        ("", "there is nothing."),
        ("a: b: c", "cannot be read as YAML"),
        ("a: &a {b: *a}", "cannot be read as YAML"),
        ("multitask_node: {ros__parameters: [1]}", "are not names with values"),
    ],
)
def test_a_file_that_would_change_nothing_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "parameters.yaml"
    path.write_text(text)
    with pytest.raises(AvtarError) as refusal:
        launching.node_parameters("params_file", str(path), "multitask_node")
    assert reason in str(refusal.value)


class TestProfile:
    @pytest.mark.parametrize("distribution", ["humble", "jazzy", "kilted", "lyrical", ""])
    def test_that_of_the_environment_is_kept_and_else_the_shipped_one_is_set(
        self, monkeypatch: pytest.MonkeyPatch, distribution: str
    ) -> None:
        monkeypatch.setenv("ROS_DISTRO", distribution)
        read = OLD if distribution in ("humble", "jazzy") else NEW
        assert launching.profile_environment("profile", "", {read: "/my/profile.xml"}) == {}
        ((name, path),) = launching.profile_environment("profile", "", {}).items()
        assert name == read
        assert path.endswith(SHIPPED)

    def test_a_variable_that_the_distribution_does_not_read_counts_as_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ROS_DISTRO", "jazzy")
        assert launching.profile_environment("profile", "", {NEW: "/my/profile.xml"}).keys() == {OLD}
        monkeypatch.setenv("ROS_DISTRO", "kilted")
        assert launching.profile_environment("profile", "", {OLD: "/my/profile.xml"}) == {}

    def test_none_adds_nothing_and_a_file_goes_before_the_environment(self, tmp_path: Path) -> None:
        assert launching.profile_environment("profile", "none", {}) == {}
        mine = tmp_path / "mine.xml"
        mine.write_text("<profiles/>")
        asked = launching.profile_environment("profile", str(mine), {profile_name(): "/other.xml"})
        assert asked == {profile_name(): str(mine)}
        with pytest.raises(AvtarError, match="no such file"):
            launching.profile_environment("profile", str(tmp_path / "absent.xml"), {})
