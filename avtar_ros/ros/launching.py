"""The arguments of the launch files: text into values, refused with the reason before anything is started.

What is empty was not given, and leaves the value to the parameters file. Without launch, which is on no package index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from avtar_ros.disk.files import expanded
from avtar_ros.documents import NO_YAML
from avtar_ros.errors import AvtarError
from avtar_ros.resources import find_resource
from avtar_ros.ros.isolation import PROFILE_NAMES, profile_name, transport_environment

FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
NO_PROFILE = "none"
EVERY_NODE = ("*", "**")


def flag(name: str, text: str) -> bool:
    """true or false, in any of the words for them; raises AvtarError."""
    try:
        return FLAGS[text.strip().lower()]
    except KeyError:
        raise AvtarError(f"argument {name}: {text!r} is neither true nor false.") from None


def number(name: str, text: str) -> float:
    """A number; raises AvtarError."""
    try:
        return float(text)
    except ValueError:
        raise AvtarError(f"argument {name}: {text!r} is not a number.") from None


def log_level(name: str, text: str) -> str:
    """A level for all loggers, or that of one, name:=level; raises AvtarError."""
    level = text.rpartition(":=")[2].strip().lower()
    if level not in LOG_LEVELS:
        raise AvtarError(f"argument {name}: {text!r} must be one of: {', '.join(LOG_LEVELS)}.")
    return text.strip()


def names(name: str, text: str) -> list[str]:
    """Names between commas, without the spaces around them; raises AvtarError if one is missing."""
    found = [part.strip() for part in text.split(",")]
    if not all(found):
        raise AvtarError(f"argument {name}: {text!r} lacks a name before or after a comma.")
    return found


def file(name: str, text: str) -> str:
    """A file that exists; raises AvtarError."""
    path = expanded(text)
    if not path.is_file():
        raise AvtarError(f"argument {name}: {path.absolute()}: no such file.")
    return str(path)


def node_parameters(name: str, path: str, node: str) -> dict[str, Any]:
    """The parameters that a parameters file has for a node of that name, in whatever namespace.

    Raises AvtarError for a file that is none, or that has no section for the node and so would change nothing.
    """
    try:
        sections = list(_sections(yaml.safe_load(Path(path).read_text()), ""))
    except (OSError, *NO_YAML) as error:
        reason = " ".join(str(error).split())
        raise AvtarError(f"argument {name}: {path}: cannot be read as YAML ({reason}).") from error
    if wrong := [section for section, values in sections if not isinstance(values, dict)]:
        raise AvtarError(f"argument {name}: {path}: ros__parameters of {wrong[0] or '/'} are not names with values.")
    own = [values for section, values in sections if section.rpartition("/")[2] in (node, *EVERY_NODE)]
    if not own:
        there = ", ".join(section for section, _ in sections) or "nothing"
        raise AvtarError(
            f"argument {name}: {path}: nothing in it is for {node}, there is {there}. Parameters belong below "
            f"/**/{node}: ros__parameters: (`ros2 param dump` writes such a file)."
        )
    return {key: value for values in own for key, value in values.items()}


def _sections(content: Any, name: str) -> Iterator[tuple[str, Any]]:
    """(name of nodes, parameters) pairs; namespaces may be keys of their own."""
    if not isinstance(content, dict):
        return
    for key, below in content.items():
        if key == "ros__parameters":
            yield name, below or {}
        else:
            yield from _sections(below, f"{name}/{str(key).strip('/')}")


def camera_topics(name: str, text: str) -> dict[str, str]:
    """Image topics by camera, of front=/front/image_raw,rear=/rear/image_raw/compressed; raises AvtarError."""
    pairs = [tuple(part.strip() for part in pair.partition("=")) for pair in text.split(",")]
    if wrong := [camera for camera, equals, topic in pairs if not (camera and equals and topic)]:
        raise AvtarError(
            f"argument {name}: {wrong} lack a topic. Give them as front=/front/image_raw,rear=/rear/image_raw"
        )
    topics = {camera: topic for camera, _, topic in pairs}
    if len(topics) < len(pairs):
        raise AvtarError(f"argument {name}: {text!r} has a camera twice. Give each a name of its own.")
    return topics


def profile_environment(name: str, profile: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that give a process the transport profile asked for, beside those of `environment`.

    That of the environment, or the shipped one where there is none; with "none" whatever there is; else the file.
    Raises AvtarError if that is not there.
    """
    if profile == NO_PROFILE:
        return {}
    if profile:
        return transport_environment(file(name, profile))
    read = (profile_name(),) if profile_name() == PROFILE_NAMES[-1] else PROFILE_NAMES
    if any(environment.get(variable) for variable in read):
        return {}
    return transport_environment(str(find_resource("config/fastdds_shm.xml")))
