"""avtar-replay: run a model over recorded bags and judge it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from avtar_ros.errors import AvtarError

INTERRUPTED = 130


COMMANDS = {
    "compare": "compare runs over the same bag, with confidence intervals",
    "fleet": "replay many bags on many workers, and judge all of them together",
    "info": "show a bag's cameras, and the command to run",
    "mine": "write the frames worth learning from to a small bag",
}
"""Each is a module of `commands` with a DESCRIPTION, `add_arguments(parser)` and `run(options, command_line)`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, 1 after an error, 130 when interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments and arguments[0] in COMMANDS else None
    module: Any = import_module(f"avtar_ros.replay.commands.{name or 'replay'}")
    parser = argparse.ArgumentParser(
        prog=f"avtar-replay {name}" if name else "avtar-replay",
        description=module.DESCRIPTION,
        epilog=None if name else _other_commands(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    options = parser.parse_args(arguments[1:] if name else arguments)
    return run_guarded(lambda: int(module.run(options, shlex.join(["avtar-replay", *arguments]))))


def run_guarded(run: Callable[[], int]) -> int:
    """What `run` returns; where it fails by something that the user can mend, one line that says so, and 1."""
    try:
        return run()
    except AvtarError as error:
        print(f"avtar-replay: {error}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"avtar-replay: {where}cannot be written or read ({error.strerror or error}). "
            "What was finished is kept; run the same again to continue.",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print("avtar-replay: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 1


def _other_commands() -> str:
    lines = [f"  avtar-replay {name:<8} {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(["other commands, each with its own --help:", *lines])


if __name__ == "__main__":
    sys.exit(main())
