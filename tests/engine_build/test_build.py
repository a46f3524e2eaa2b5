"""What avtar-engine build does around NVIDIA's builder, on models that are built in a second or two."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from avtar_ros.engines.sidecar import read_sidecar, sidecar_path
from tests.engine_build import faulty_models
from tests.engine_build.conftest import AvtarEngine
from tests.tiny_models import write_tiny_model

OPTIONS = ("--compile-only", "--level", "0", "--workspace", "256")


@pytest.fixture(scope="module")
def first_build(nvidia: AvtarEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and the engine built from it."""
    folder = tmp_path_factory.mktemp("first")
    write_tiny_model(folder / "model.onnx")
    run = nvidia("build", folder / "model.onnx", *OPTIONS)
    assert run.returncode == 0, run.stderr
    assert "there is no model.engine yet" in run.stdout
    return folder


@pytest.fixture
def built(first_build: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A model and its engine, for one test alone."""
    shutil.copytree(first_build, tmp_path, dirs_exist_ok=True)
    return tmp_path / "model.onnx", tmp_path / "model.engine"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_building_again_does_nothing_and_says_why(nvidia: AvtarEngine, built: tuple[Path, Path]) -> None:
    model, engine = built
    before = engine.stat().st_mtime_ns
    run = nvidia("build", model, *OPTIONS)
    assert run.returncode == 0, run.stderr
    assert "up to date" in run.stdout
    assert engine.stat().st_mtime_ns == before
    assert names(model.parent) == {"model.onnx", "model.engine", "model.engine.json"}


def test_a_forced_build_builds_again(nvidia: AvtarEngine, built: tuple[Path, Path]) -> None:
    model, engine = built
    before = engine.stat().st_ino
    run = nvidia("build", model, *OPTIONS, "--force")
    assert run.returncode == 0, run.stderr
    assert "a new build was asked for" in run.stdout
    assert engine.stat().st_ino != before


def test_everything_that_has_changed_is_named(nvidia: AvtarEngine, built: tuple[Path, Path]) -> None:
    model, engine = built
    write_tiny_model(model, licence="another")
    sidecar = json.loads(sidecar_path(engine).read_text())
    sidecar["tensorrt"] = "10.3.0.30"
    sidecar["gpu"] = {"name": "Orin", "compute_capability": "8.7", "sm_count": 8}
    sidecar_path(engine).write_text(json.dumps(sidecar))
    run = nvidia("build", model, "--compile-only", "--level", "1", "--workspace", "128", "--batch", "2")
    assert run.returncode == 0, run.stderr
    for change in (
        "ONNX content: ", "TensorRT: 10.3.0.30 → 11.4.0.106", "GPU: Orin (compute capability 8.7, 8 SMs) → none",
        "batch: 1 → 2", "workspace in MB: 256 → 128", "level: 0 → 1",
    ):
        assert change in run.stdout
    after = read_sidecar(engine)
    assert (after.card.licence, after.options.batch, after.tensorrt) == ("another", 2, "11.4.0.106")


def change_a_byte(engine: Path) -> None:
    plan = bytearray(engine.read_bytes())
    plan[len(plan) // 2] ^= 1
    engine.write_bytes(plan)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (change_a_byte, "is not the one of its sidecar"),
        (lambda engine: sidecar_path(engine).write_text('{"engine_sha256": ""}'), "has no usable sidecar"),
    ],
)
def test_a_damaged_engine_is_built_again(
    nvidia: AvtarEngine, built: tuple[Path, Path], damage: Callable[[Path], object], reason: str
) -> None:
    model, engine = built
    damage(engine)
    run = nvidia("build", model, *OPTIONS)
    assert run.returncode == 0, run.stderr
    assert reason in run.stdout


def test_an_engine_that_others_have_built_is_not_written_over(
    nvidia: AvtarEngine, built: tuple[Path, Path]
) -> None:
    model, engine = built
    before = engine.read_bytes()
    sidecar_path(engine).unlink()
    run = nvidia("build", model, *OPTIONS, "--force")
    assert run.returncode == 1
    assert "model.engine: is there already and was not made by this command" in run.stderr
    assert engine.read_bytes() == before
    engine.unlink()
    sidecar_path(engine).write_text('{"notes": "mine"}')
    run = nvidia("build", model, *OPTIONS)
    assert "model.engine.json: is there already" in run.stderr
    assert names(model.parent) == {"model.onnx", "model.engine.json"}


def test_timings_are_kept_by_tensorrt_and_gpu_and_given_to_the_next_build(
    nvidia: AvtarEngine, built: tuple[Path, Path]
) -> None:
    model, _ = built
    (cache,) = nvidia.timings.glob("*.cache")
    assert cache.name == "tensorrt-11.4.0.106-no-gpu.cache"
    size = cache.stat().st_size
    assert size > 0
    run = nvidia("--verbose", "build", model, *OPTIONS, "--force")
    assert f"{cache}: {size} bytes of timings" in run.stderr
    assert names(nvidia.timings) == {cache.name, cache.with_suffix(".lock").name}


def test_damaged_timings_cost_no_engine(nvidia: AvtarEngine, built: tuple[Path, Path]) -> None:
    model, _ = built
    (cache,) = nvidia.timings.glob("*.cache")
    cache.write_bytes(b"no timings")
    run = nvidia("build", model, *OPTIONS, "--force")
    assert run.returncode == 0, run.stderr
    assert cache.read_bytes() != b"no timings"


class Terminal:
    """A terminal of 80 columns that a command writes its errors and progress to."""

    def __init__(self, nvidia: AvtarEngine, *arguments: str | Path) -> None:
        self.seen = ""
        self._ours, shown = pty.openpty()
        fcntl.ioctl(shown, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            nvidia.command(*arguments), env=nvidia.environment, stderr=shown, stdout=subprocess.DEVNULL
        )
        os.close(shown)

    def read_until(self, words: str) -> None:
        while words not in self.seen:
            assert self._read(), self.seen

    def read_to_the_end(self) -> int:
        """The exit code."""
        while self._read():
            pass
        os.close(self._ours)
        return self.process.wait()

    def _read(self) -> bool:
        try:
            chunk = os.read(self._ours, 1024)
        except OSError:  # how a terminal says that the other side is closed
            chunk = b""
        self.seen += chunk.decode(errors="replace")
        return bool(chunk)


def test_ctrl_c_ends_a_build_and_leaves_nothing(nvidia: AvtarEngine, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    terminal = Terminal(nvidia, "build", tmp_path / "model.onnx", "--compile-only")
    terminal.read_until("building")  # the bar is there, and so the builder
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.read_to_the_end() == 130, terminal.seen
    assert "interrupted" in terminal.seen
    assert names(tmp_path) == {"model.onnx"}


def test_progress_is_shown_to_the_end(nvidia: AvtarEngine, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    terminal = Terminal(nvidia, "build", tmp_path / "model.onnx", *OPTIONS)
    assert terminal.read_to_the_end() == 0, terminal.seen
    assert "building   0% |" in terminal.seen
    assert "building 100% |" in terminal.seen


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (faulty_models.uint8_into_transpose, ("'turn_too_early' (Transpose)", "the Cast must come first")),
        (faulty_models.unsupported_operator, ("'no_such_thing_there' (Det)", "does not have this operator")),
        (faulty_models.dynamic_width, ("image is uint8 (-1, 48, -1, 3), not uint8 (-1, 48, 64, 3)",)),
    ],
)
def test_a_graph_that_tensorrt_cannot_take_is_refused_by_the_name_of_the_node(
    nvidia: AvtarEngine, tmp_path: Path, write: Callable[[Path], Path], said: tuple[str, ...]
) -> None:
    run = nvidia("build", write(tmp_path / "model.onnx"), *OPTIONS)
    assert run.returncode == 1
    for words in said:
        assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert names(tmp_path) == {"model.onnx"}


def test_a_build_without_a_gpu_says_how_to_go_on(nvidia: AvtarEngine, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "model.onnx")
    run = nvidia("build", tmp_path / "model.onnx")
    if run.returncode == 0:
        pytest.skip("there is a GPU here")
    assert run.returncode == 1
    assert "--compile-only" in run.stderr
    assert names(tmp_path) == {"model.onnx"}


def test_a_full_disk_leaves_the_old_engine(nvidia: AvtarEngine, built: tuple[Path, Path]) -> None:
    model, engine = built
    before = engine.read_bytes()
    command = nvidia.command("build", model, *OPTIONS, "--force")
    limited = ["prlimit", "--fsize=4096", "--", *command]  # writing more gives an error, as on a full disk
    run = subprocess.run(limited, env=nvidia.environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert f"{engine}: cannot be written" in run.stderr
    assert engine.read_bytes() == before
    assert names(model.parent) == {"model.onnx", "model.engine", "model.engine.json"}


def test_inspect_describes_an_engine_that_cannot_run_here(nvidia: AvtarEngine, built: tuple[Path, Path]) -> None:
    run = nvidia("inspect", built[1])
    assert run.returncode == 0, run.stderr
    assert "TensorRT engine, fp32" in run.stdout
    assert "cannot run it" in run.stdout
    assert "not verified yet" in run.stdout


def test_verify_refuses_without_a_gpu_and_changes_nothing(nvidia: AvtarEngine, built: tuple[Path, Path]) -> None:
    model, engine = built
    before = sidecar_path(engine).read_bytes()
    run = nvidia("verify", engine, "--against", model)
    if run.returncode == 0:
        pytest.skip("there is a GPU here")
    assert run.returncode == 1
    assert sidecar_path(engine).read_bytes() == before


def test_external_weights_are_built_in(nvidia: AvtarEngine, tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    write_tiny_model(model)
    onnx.save(onnx.load(model), model, save_as_external_data=True, location="weights.bin", size_threshold=0)
    run = nvidia("build", model, *OPTIONS)
    assert run.returncode == 0, run.stderr
    assert names(tmp_path) == {"model.onnx", "weights.bin", "model.engine", "model.engine.json"}
