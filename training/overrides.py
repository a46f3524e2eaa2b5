"""Keys of a config set on the command line: `--set data.bag=/path --set phases.0.steps=500`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import yaml

from avtar_ros.documents import NO_YAML
from training.errors import TrainingError

OPTION = "--set"


def add_set(parser: argparse.ArgumentParser) -> None:
    """The option on a command that reads a config; what was given is in `options.set`."""
    parser.add_argument(
        OPTION, action="append", default=[], metavar="KEY=VALUE",
        help="set a key of the config, such as data.bag=/path or phases.0.steps=500; checked like the file; repeatable",
    )


def override(raw: dict[str, Any], settings: Sequence[str]) -> None:
    """Change a config as read from YAML by `settings`, each KEY=VALUE: a path of keys and places in lists, and YAML.

    Sections that the config lacks are made; whether their keys exist is found when the whole is checked. Raises
    TrainingError where a setting is none, or its path leads through something that has no keys or no such place.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not all(keys := path.split(".")):
            raise TrainingError(f"{OPTION} {setting}: expected KEY=VALUE, such as phases.0.steps=500.")
        *above, last = keys
        section: Any = raw
        for depth, key in enumerate(above):
            section = _below(section, key, f"{OPTION} {setting}", ".".join(above[:depth]))
        _put(section, last, _value(text, setting), f"{OPTION} {setting}", ".".join(above))


def _value(text: str, setting: str) -> Any:
    try:
        return yaml.safe_load(text)
    except NO_YAML as error:
        raise TrainingError(f"{OPTION} {setting}: the value is not YAML: {' '.join(str(error).split())}") from error


def _below(section: Any, key: str, setting: str, where: str) -> Any:
    if isinstance(section, list):
        return section[_place(section, key, setting, where)]
    if not isinstance(section, dict):
        raise TrainingError(f"{setting}: `{where}` is {section!r}, which has no keys.")
    if section.get(key) is None:
        section[key] = {}
    return section[key]


def _put(section: Any, key: str, value: Any, setting: str, where: str) -> None:
    if isinstance(section, list):
        section[_place(section, key, setting, where)] = value
    elif isinstance(section, dict):
        section[key] = value
    else:
        raise TrainingError(f"{setting}: `{where}` is {section!r}, which has no keys.")


def _place(section: list[Any], key: str, setting: str, where: str) -> int:
    if not key.isdecimal() or int(key) >= len(section):
        raise TrainingError(f"{setting}: `{where}` is a list of {len(section)}; {key!r} is not an index into it.")
    return int(key)
