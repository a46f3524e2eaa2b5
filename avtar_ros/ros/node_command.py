"""How the nodes behave as commands of a shell: help, version, words that are none of theirs, and what is missing.

ROS itself reads what stands behind --ros-args; the rest is here. No ROS is imported before it is needed, so that a
machine without it gets a sentence.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from avtar_ros.terminal.command_line import run_guarded, show, version_line

COLOR = "RCUTILS_COLORIZED_OUTPUT"


@dataclass(frozen=True)
class NodeParts:
    """The class of a node and the data class of its parameters."""

    create: Callable[[], Any]
    parameters: type


def node_main(
    program: str, description: str, load: Callable[[], Sequence[NodeParts]], argv: Sequence[str] | None = None
) -> int:
    """Run the nodes that `load` imports, see `process.run`, or tell of them; returns the exit code."""
    words = own_words(list(sys.argv[1:] if argv is None else argv))
    parser = argparse.ArgumentParser(
        prog=program,
        usage=f"{program} [--help] [--version] [--ros-args -p NAME:=VALUE ... --params-file FILE -r FROM:=TO ...]",
        description=description,
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="version", version=version_line(program))
    options = parser.parse_args(words)
    if "NO_COLOR" in os.environ:
        os.environ.setdefault(COLOR, "0")

    def run() -> int:
        if options.help:
            known = "\n".join(parameters_text(parts.parameters) for parts in load())
            show(f"{parser.format_usage()}\n{description}\n\nParameters:\n{known}")
            return 0
        nodes = load()
        from avtar_ros.ros.process import run as run_node

        return run_node(*(parts.create for parts in nodes))

    return run_guarded(program, run)


def own_words(arguments: Sequence[str]) -> list[str]:
    """The arguments that are not ROS's: those outside of --ros-args ... [--]."""
    own, of_ros = [], False
    for word in arguments:
        if word == "--ros-args":
            of_ros = True
        elif of_ros and word == "--":
            of_ros = False
        elif not of_ros:
            own.append(word)
    return own


def parameters_text(record: type) -> str:
    """Each parameter with its default and what it means."""
    width = max(60, min(100, shutil.get_terminal_size().columns - 2))
    lines = []
    for field in dataclasses.fields(record):
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        rules = field.metadata.get("rules")
        lines.append(f"  {field.name}: {default!r}")
        meaning = rules.description if rules else ""
        lines += textwrap.wrap(meaning, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)
