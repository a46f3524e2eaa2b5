"""What every command of the package has in common: version, help, completion, quiet, spelling, exit codes, and what it
says where a library is missing."""

from __future__ import annotations

import argparse
import ast
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from avtar_ros.errors import AvtarError
from avtar_ros.ros.node_command import own_words
from avtar_ros.terminal import command_line, extras, progress
from avtar_ros.terminal.command_line import COMPLETING, READER_LEFT, Command, Program
from avtar_ros.version import VERSION
from tests import tiny_bags

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = {
    "avtar-engine": "engine_build.cli",
    "avtar-predict": "avtar_ros.predict.cli",
    "avtar-replay": "avtar_ros.replay.cli",
    "avtar-train": "training.cli",
    "camera_source": "avtar_ros.source.command",
    "camera_to_maps": "avtar_ros.source.camera_to_maps",
    "multitask_node": "avtar_ros.node.command",
}
NODES = ("camera_source", "camera_to_maps", "multitask_node")
HIDING = """
import importlib, sys
hidden = set(sys.argv[1].split(","))
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
module, sys.argv = sys.argv[2], sys.argv[2:]
sys.exit(importlib.import_module(module).main())
"""


def start(program: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", PROGRAMS[program], *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=os.environ | environment)


def without(libraries: str, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The same where these libraries cannot be imported."""
    command = [sys.executable, "-c", HIDING, libraries, PROGRAMS[program], *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_and_help_are_told_and_that_is_all(program: str) -> None:
    version = start(program, "--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.startswith(f"{program} {VERSION} ")
    told = start(program, "--help")
    assert told.returncode == 0
    assert told.stdout.startswith(f"usage: {program} ")
    assert "Parameters:" in told.stdout if program in NODES else "Exit codes: 0 done" in told.stdout


@pytest.mark.parametrize("program", NODES)
def test_nodes_refuse_words_that_mean_nothing(program: str) -> None:
    refused = start(program, "--sorce", "x.mcap")
    assert refused.returncode == 2
    assert "unrecognized arguments: --sorce x.mcap" in refused.stderr


def test_what_is_for_ros_is_left_to_it() -> None:
    words = ["--a", "--ros-args", "-p", "x:=1", "--", "b", "--ros-args", "--log-level", "debug"]
    assert own_words(words) == ["--a", "b"]
    assert own_words([]) == []


@pytest.mark.parametrize(
    ("program", "libraries", "arguments", "extra"),
    [
        ("avtar-train", "torch", ["fit", "training/configs/avtar-demo.yaml", "--dry-run"], "train"),
        ("avtar-train", "pydantic", ["fit", "training/configs/avtar-demo.yaml"], "train"),
        ("avtar-engine", "onnx", ["inspect", "models/avtar-demo.onnx"], "train"),
        ("avtar-predict", "onnxruntime", ["models/none.png", "--model", "models/avtar-demo.onnx"], "onnxruntime"),
        ("avtar-replay", "onnxruntime", ["models/demo.mcap", "--out", "OUT"], "onnxruntime"),
        ("camera_source", "rclpy", [], "ros-wheels"),
        ("multitask_node", "rclpy,rcl_interfaces", ["--help"], "ros-wheels"),
        ("multitask_node", "sensor_msgs", [], "ros-wheels"),
    ],
)
def test_a_missing_library_is_one_sentence_with_the_line_of_pip(
    program: str, libraries: str, arguments: list[str], extra: str, tmp_path: Path
) -> None:
    tiny_picture = tmp_path / "x.png"
    import cv2

    cv2.imwrite(str(tiny_picture), tiny_bags.image(0))
    words = [
        str(tiny_picture) if word == "models/none.png" else word.replace("OUT", str(tmp_path / "out"))
        for word in arguments
    ]
    run = without(libraries, program, *words)
    assert run.returncode == 1
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"{program}: ")
    assert f"{sys.executable} -m pip install -c {ROOT}/constraints.txt -e '{ROOT}[{extra}]'" in line


def test_without_a_checkout_the_libraries_themselves_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "site-packages/avtar_ros/terminal/extras.py"))
    monkeypatch.setattr(
        extras,
        "requires",
        lambda _: ["numpy>=1.23", "onnxruntime>=1.17; extra == 'onnxruntime'", 'ray>=2; extra == "fleet"'],
    )
    assert extras.install_line("onnxruntime").endswith(" -m pip install 'onnxruntime>=1.17'")
    assert extras.install_line(None).endswith(" -m pip install 'numpy>=1.23'")


def test_a_fault_of_our_own_is_no_missing_library() -> None:
    assert extras.missing(ImportError("cannot import name 'x'", name="numpy")) is None
    assert extras.missing(ModuleNotFoundError("No module named 'avtar_ros.x'", name="avtar_ros.x")) is None
    assert extras.missing(ModuleNotFoundError("No module named 'theirs'", name="theirs")) is None


@pytest.mark.parametrize(
    ("program", "typed", "meant"), [("avtar-train", "fitt", "fit"), ("avtar-replay", "ifno", "info")]
)
def test_what_is_nearly_a_command_is_named(program: str, typed: str, meant: str) -> None:
    run = start(program, typed, "x")
    assert run.returncode == 2
    assert run.stderr == f"{program}: there is no command {typed!r}. Did you mean {meant!r}?\n"


def test_a_file_of_that_name_is_no_misspelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inf").write_text("")
    command = [sys.executable, "-m", PROGRAMS["avtar-replay"], "inf", "--out", "out"]
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert run.returncode == 1
    assert "inf" in run.stderr
    assert "Did you mean" not in run.stderr


def test_a_reader_that_leaves_is_no_fault() -> None:
    command = f"{sys.executable} -m avtar_ros.replay.cli info models/demo.mcap | true; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert run.stderr == ""
    assert int(run.stdout) in (0, READER_LEFT)  # 0 where all was written before the reader left


def test_a_condition_that_is_none_is_wrong_usage() -> None:
    run = start("avtar-replay", "compare", "a", "b", "--fail-if", "nonsense")
    assert run.returncode == 2
    assert "'nonsense' is not a condition" in run.stderr


def completions(program: str, line: str, tmp_path: Path) -> list[str]:
    """What the shell is told when Tab is pressed behind `line`."""
    found = tmp_path / "found"
    start(
        program,
        **{
            COMPLETING: "1",
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
            "IFS": "\n",
            "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(found),
        },
    )
    return [word.strip() for word in found.read_text().split("\n")]


def test_shells_complete_commands_options_and_files(tmp_path: Path) -> None:
    assert "evaluate" in completions("avtar-train", "avtar-train ev", tmp_path)
    assert "--dry-run" in completions("avtar-train", "avtar-train fit --dr", tmp_path)
    assert "compare" in completions("avtar-replay", "avtar-replay com", tmp_path)
    assert "--passthrough" in completions("avtar-replay", "avtar-replay --pass", tmp_path)
    assert any(word.startswith("models") for word in completions("avtar-predict", "avtar-predict mod", tmp_path))


@pytest.mark.parametrize("shell", command_line.SHELLS)
def test_completion_prints_what_the_shell_reads(shell: str) -> None:
    run = start("avtar-predict", "--completion", shell)
    assert run.returncode == 0
    assert "avtar-predict" in run.stdout
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=run.stdout, text=True).returncode == 0


@pytest.fixture
def loud() -> Iterator[None]:
    yield
    progress.Progress.quiet = False


@pytest.mark.usefixtures("loud")
def test_quiet_shows_neither_bars_nor_remarks(capsys: pytest.CaptureFixture[str]) -> None:
    def work(options: argparse.Namespace, command: str) -> int:
        for _ in progress.Progress(range(3), "working", disable=False):
            progress.Progress.remark("a remark")
        print("the result")
        return 0

    program = Program("x", "", {}, usual=Command("", "", lambda parser: None, work))
    assert program.main([]) == 0
    loud = capsys.readouterr()
    assert "a remark" in loud.out
    assert "working" in loud.err
    assert program.main(["--quiet"]) == 0
    assert capsys.readouterr() == ("the result\n", "")


ESCAPES = "a\x1b]0;x\x07\x1b[2Jb"


@pytest.mark.usefixtures("loud")
def test_no_name_from_outside_is_obeyed_by_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def work(options: argparse.Namespace, command: str) -> int:
        for _ in progress.Progress(range(3), ESCAPES, disable=False):
            progress.Progress.remark(ESCAPES)
        command_line.show(ESCAPES)
        raise AvtarError(ESCAPES)

    program = Program("x", "", {}, usual=Command("", "", lambda parser: None, work))
    assert program.main([]) == 1
    out, err = capsys.readouterr()
    assert out.count(r"a\x1b]0;x\x07\x1b[2Jb") == 4
    assert err.count(r"a\x1b]0;x\x07\x1b[2Jb") >= 3
    assert "\x1b]" not in out + err
    assert "\x07" not in out + err
    record = logging.LogRecord("library", logging.WARNING, "", 0, ESCAPES, (), None)
    assert command_line.Printable("%(message)s").format(record) == r"a\x1b]0;x\x07\x1b[2Jb"


def test_all_that_is_printed_goes_through_one_function() -> None:
    """That which shows names from outside as they cannot harm."""
    files = [path for package in ("avtar_ros", "engine_build", "training") for path in (ROOT / package).rglob("*.py")]
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert [place.split(":")[0] for place in printing] == ["avtar_ros/terminal/command_line.py"] * 2, printing


def test_errors_of_users_are_one_line_and_our_own_are_not_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: BaseException) -> int:
        def run() -> int:
            raise error

        return command_line.run_guarded("x", run, "all is kept")

    assert fail(AvtarError("no such thing")) == 1
    assert fail(KeyboardInterrupt()) == 130
    assert fail(FileNotFoundError(2, "No such file", "a.txt")) == 1
    assert capsys.readouterr().err.splitlines() == [
        "x: no such thing",
        "x: interrupted; all is kept",
        "x: a.txt: cannot be written or read (No such file). all is kept",
    ]
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError())


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_coloured_that_is_no_terminal(program: str) -> None:
    assert "\x1b[" not in start(program, "--help", NO_COLOR="1").stdout + start(program, "--nonsense").stderr
