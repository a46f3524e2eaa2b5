"""What all command lines share: commands and how they are chosen, values of options, exit codes, and how a run ends."""

from __future__ import annotations

import argparse
import logging
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from avtar_ros.errors import AvtarError

DONE = 0
FAILED = 1
WRONG_USAGE = 2
"""argparse's own."""
DIFFERENT = 3
"""What was asked to be compared was compared, and differs by more than is allowed."""
INTERRUPTED = 130

Arguments = argparse.ArgumentParser | argparse._ArgumentGroup


@dataclass(frozen=True)
class Command:
    """A command: a line about it, its help, its arguments, and what it does, which gives the exit code.

    `run` takes the options and the whole command line, as it could be typed again. Its module is imported for help
    alone, too: what takes time to import, `run` imports itself.
    """

    summary: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, str], int]
    epilog: str = ""


@dataclass(frozen=True)
class Program:
    """A program with several commands; without the name of one, the `usual` one is meant, if there is one.

    `kept` says what remains of a run that is interrupted. `told` are loggers whose errors are part of ours: they speak
    only when asked to be verbose.
    """

    name: str
    description: str
    commands: Mapping[str, Command]
    usual: Command | None = None
    epilog: str = ""
    kept: str = ""
    told: tuple[str, ...] = ()

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run what the command line says; returns the exit code."""
        arguments = list(sys.argv[1:] if argv is None else argv)
        options = self._parser(arguments).parse_args(arguments)
        command: Command = options.command
        logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
        for logger in self.told if not options.verbose else ():
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        return run_guarded(self.name, lambda: command.run(options, shlex.join([self.name, *arguments])), self.kept)

    def _parser(self, arguments: Sequence[str]) -> argparse.ArgumentParser:
        if self.usual is not None and not (arguments and arguments[0] in self.commands):
            epilog = "\n".join(["other commands, each with its own --help:", *self._summaries(), self.epilog])
            parser = _new_parser(self.name, self.usual.description, epilog)
            _use(parser, self.usual)
            return parser
        parser = _new_parser(self.name, self.description, self.epilog)
        commands = parser.add_subparsers(required=True, metavar="COMMAND")
        for name, command in self.commands.items():
            own = commands.add_parser(
                name,
                help=command.summary,
                description=_filled(command.description),
                epilog=_filled(command.epilog),
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            _use(own, command)
        return parser

    def _summaries(self) -> list[str]:
        return [f"  {self.name} {name:<8} {command.summary}" for name, command in self.commands.items()]


def _new_parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=name,
        description=_filled(description),
        epilog=_filled(epilog),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--verbose", action="store_true", help="show what the libraries below have to say, too")
    return parser


def _filled(text: str) -> str:
    """The lines of a text broken to the width of the terminal, 100 at most."""
    width = min(100, shutil.get_terminal_size().columns - 2)
    return "\n".join(textwrap.fill(line, width) for line in text.splitlines())


def _use(parser: argparse.ArgumentParser, command: Command) -> None:
    command.add_arguments(parser)
    parser.set_defaults(command=command)


def run_guarded(program: str, run: Callable[[], int], kept: str = "") -> int:
    """What `run` returns; for what the user can mend, a line that says so, and the exit code for it.

    `kept` says what remains of a run that is interrupted or cannot write.
    """
    try:
        return run()
    except AvtarError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        problem = f"{where}cannot be written or read ({error.strerror or error})."
        print(" ".join([f"{program}: {problem}", *([kept] if kept else [])]), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("; ".join([f"{program}: interrupted", *([kept] if kept else [])]), file=sys.stderr)
        return INTERRUPTED


def positive_int(text: str) -> int:
    """An option's value that is a whole number of 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def positive(text: str) -> float:
    """An option's value that is a number above 0."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def not_negative(text: str) -> float:
    """An option's value that is a number of 0 or more."""
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is negative or not a number")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
