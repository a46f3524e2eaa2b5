"""What all command lines share: commands and how they are chosen, values of options, exit codes, and how a run ends.

Every program also takes --version, --quiet, --verbose and --completion SHELL, and names what was misspelt.
"""

from __future__ import annotations

import argparse
import difflib
import logging
import os
import platform
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from avtar_ros.errors import AvtarError
from avtar_ros.terminal.extras import missing
from avtar_ros.terminal.names import printable_lines
from avtar_ros.terminal.progress import be_quiet
from avtar_ros.version import VERSION

DONE = 0
FAILED = 1
WRONG_USAGE = 2
"""argparse's own."""
DIFFERENT = 3
"""What was asked to be compared was compared, and differs by more than is allowed."""
INTERRUPTED = 130
READER_LEFT = 141
"""What reads our output, such as `head`, wanted no more of it: as programs end that the signal SIGPIPE stops."""
EXIT_CODES = (
    "Exit codes: 0 done, 1 could not be done, 2 wrong usage, 3 compared and different, 130 interrupted, 141 the reader "
    "of the output left."
)
SHELLS = ("bash", "zsh", "fish")
COMPLETING = "_ARGCOMPLETE"
"""Set by the shell that asks how a line could go on."""

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
        if COMPLETING in os.environ:
            self._complete()
        self._check_spelling(arguments)
        options = self._parser(arguments).parse_args(arguments)
        command: Command = options.command
        level = logging.INFO if options.verbose else logging.ERROR if options.quiet else logging.WARNING
        handler = logging.StreamHandler()
        handler.setFormatter(Printable("%(message)s"))
        logging.basicConfig(level=level, handlers=[handler])
        for logger in self.told if not options.verbose else ():
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        if options.quiet:
            be_quiet()
        return run_guarded(self.name, lambda: command.run(options, shlex.join([self.name, *arguments])), self.kept)

    def _check_spelling(self, arguments: Sequence[str]) -> None:
        """End with WRONG_USAGE where the first word is nearly a command."""
        first = arguments[0] if arguments else ""
        if not first.isalpha() or first in self.commands or (self.usual is not None and Path(first).exists()):
            return
        if alike := difflib.get_close_matches(first, self.commands, 1):
            show(f"{self.name}: there is no command {first!r}. Did you mean {alike[0]!r}?", sys.stderr)
            sys.exit(WRONG_USAGE)

    def _complete(self) -> None:
        """Tell the shell that asks how the line may go on, and end."""
        import argcomplete

        words = os.environ.get("COMP_LINE", "").split()[1:]
        parser = self._parser(words)
        positional = [action for action in parser._actions if not action.option_strings]
        if self.usual is not None and positional and not (words and words[0] in self.commands):
            files = argcomplete.completers.FilesCompleter()
            positional[0].completer = lambda prefix, **_: [  # type: ignore[attr-defined]
                *(name for name in self.commands if name.startswith(prefix)), *files(prefix)
            ]
        argcomplete.autocomplete(parser)

    def _parser(self, arguments: Sequence[str]) -> argparse.ArgumentParser:
        if self.usual is not None and not (arguments and arguments[0] in self.commands):
            others = ["other commands, each with its own --help:", *self._summaries()] if self.commands else []
            epilog = "\n".join([*others, self.epilog])
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
            _add_common(own, argparse.SUPPRESS)
            _use(own, command)
        return parser

    def _summaries(self) -> list[str]:
        return [f"  {self.name} {name:<8} {command.summary}" for name, command in self.commands.items()]


def _new_parser(name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=name,
        description=_filled(description),
        epilog=_filled("\n".join(text for text in (epilog, EXIT_CODES) if text)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version_line(name))
    parser.add_argument(
        "--completion", action=_Completion, choices=SHELLS,
        help=f'print what makes a shell complete this command: eval "$({name} --completion bash)"',
    )
    _add_common(parser, False)
    return parser


def _add_common(parser: argparse.ArgumentParser, default: bool | str) -> None:
    """Options that may stand before a command's name and behind it."""
    talk = parser.add_mutually_exclusive_group()
    talk.add_argument("--quiet", action="store_true", default=default, help="no progress and no remarks")
    talk.add_argument(
        "--verbose", action="store_true", default=default, help="show what the libraries below have to say, too"
    )


def version_line(program: str) -> str:
    """What --version prints."""
    place = Path(__file__).resolve().parents[1]
    return f"{program} {VERSION} (avtar_ros in {place}, Python {platform.python_version()})"


class _Completion(argparse.Action):
    """Prints the lines that a shell must read to complete a program's command lines, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: object, values: Any, option: Any = None) -> None:
        from argcomplete import shell_integration

        print(shell_integration.shellcode([parser.prog], shell=values))
        parser.exit()


def _filled(text: str) -> str:
    """The lines of a text broken to the width of the terminal, 100 at most; those that are indented as they are."""
    width = min(100, shutil.get_terminal_size().columns - 2)
    return "\n".join(
        line if line.startswith(" ") else textwrap.fill(line, width) for line in text.splitlines()
    )


def _use(parser: argparse.ArgumentParser, command: Command) -> None:
    command.add_arguments(parser)
    parser.set_defaults(command=command)


def show(text: object, file: TextIO | None = None, end: str = "\n", flush: bool = False) -> None:
    """Print lines in which there may be names from outside: nothing in them is obeyed by a terminal.

    All of the package that prints does it by this.
    """
    print(printable_lines(str(text)), file=file or sys.stdout, end=end, flush=flush)


class Printable(logging.Formatter):
    """What libraries tell, likewise."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


def run_guarded(program: str, run: Callable[[], int], kept: str = "") -> int:
    """What `run` returns; for what the user can mend, a line that says so, and the exit code for it.

    `kept` says what remains of a run that is interrupted or cannot write.
    """
    try:
        code = run()
        sys.stdout.flush()
        return code
    except AvtarError as error:
        show(f"{program}: {error}", sys.stderr)
        return error.exit_code
    except ImportError as error:
        if (told := missing(error)) is None:
            raise
        show(f"{program}: {told}", sys.stderr)
        return FAILED
    except BrokenPipeError:
        # What is still to be written goes nowhere, or Python itself would complain when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_LEFT
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        problem = f"{where}cannot be written or read ({error.strerror or error})."
        show(" ".join([f"{program}: {problem}", *([kept] if kept else [])]), sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        show("; ".join([f"{program}: interrupted", *([kept] if kept else [])]), sys.stderr)
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
