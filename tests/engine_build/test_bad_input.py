"""Whatever is wrong: one clear line, an exit code that says so, and nothing half-written."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avtar_ros.engines.sidecar import Gpu, read_sidecar, sidecar_path, write_sidecar
from avtar_ros.errors import AvtarError
from avtar_ros.model_card import CARD_KEY, ModelCard
from engine_build.errors import BuildError
from engine_build.onnx_model import read_model
from engine_build.stages import half_precision_stages
from tests.engine_build.conftest import Command
from tests.engine_build.faulty_models import half_precision
from tests.engine_build.standing_in import StandIn, stand_in
from tests.tiny_models import tiny_model, write_tiny_model

Damage = Callable[[Path], object]


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Nothing in `folder` is added, changed or lost meanwhile."""

    def content() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before = content()
    yield
    assert content() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def with_external_weights(model: Path) -> Path:
    graph = onnx.load(model)
    onnx.save(graph, model, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return model.with_name("weights.bin")


def rewrite(change: Callable[[onnx.ModelProto], object], card_change: dict[str, object] | None = None) -> Damage:
    """Damage that writes the model anew, after `change`, under a card that may say something else."""

    def damage(model: Path) -> None:
        card: ModelCard = write_tiny_model(model)
        graph = tiny_model(card)
        change(graph)
        graph.metadata_props.add(key=CARD_KEY, value=card.replace(**(card_change or {})).to_json())
        onnx.save(graph, model)

    return damage


def without_card(model: Path) -> None:
    onnx.save(tiny_model(write_tiny_model(model)), model)


def old_opset(graph: onnx.ModelProto) -> None:
    graph.opset_import[0].version = 17


MODELS: dict[str, tuple[Damage, str]] = {
    "missing": (Path.unlink, "no such file"),
    "a folder": (lambda model: (model.unlink(), model.mkdir()), "no such file"),
    "text": (lambda model: model.write_text("no model at all"), "not an ONNX file, or a damaged one"),
    "empty": (lambda model: model.write_bytes(b""), "has no model card"),
    "cut short": (lambda model: model.write_bytes(model.read_bytes()[:900]), "not an ONNX file, or a damaged one"),
    "without a card": (without_card, "has no model card (metadata key 'avtar_card')"),
    "with a damaged card": (
        lambda model: model.write_bytes(model.read_bytes().replace(b'"tasks"', b'"tusks"')), "unknown fields: tusks",
    ),
    "without its weights": (
        lambda model: with_external_weights(model).unlink(), "its weights lie in weights.bin, which is missing",
    ),
    "with part of its weights": (
        lambda model: with_external_weights(model).write_bytes(b"1234"), "its external weights cannot be read",
    ),
    "of an old opset": (rewrite(old_opset), "opset 17 found, 18 or later wanted. Export the model again"),
    "with another size on its card": (
        rewrite(lambda graph: None, {"width": 32}), "depth is float32 (-1, 48, 64), not float32 (-1, 48, 32)",
    ),
    "with an output less": (
        rewrite(lambda graph: graph.graph.output.pop()), "edges is missing, not float32 (-1, 48, 64)",
    ),
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A good model in a folder of its own."""
    (tmp_path / "here").mkdir()
    write_tiny_model(tmp_path / "here" / "model.onnx")
    return tmp_path / "here" / "model.onnx"


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("act", ["build", "inspect"])
def test_a_model_that_cannot_become_an_engine(
    orin: StandIn, command: Command, model: Path, kind: str, act: str
) -> None:
    damage, said = MODELS[kind]
    damage(model)
    with untouched(model.parent):
        ran = command(act, model)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"avtar-engine: {model}: ")
    assert said in ran.err
    assert orin.built == 0


@given(
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    kept=st.just(1.0) | st.floats(0, 1),
)
@settings(max_examples=300)
def test_a_damaged_model_is_refused_or_read_but_never_breaks_anything(
    damaged: Path, changes: list[tuple[float, int]], kept: float
) -> None:
    content = bytearray(damaged.with_name("whole.onnx").read_bytes())
    for where, value in changes:
        content[int(where * len(content))] = value
    damaged.write_bytes(content[: int(kept * len(content))])
    try:
        half_precision_stages(read_model(damaged).graph)
    except (BuildError, AvtarError) as error:
        assert len(str(error)) > 20


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A name for a damaged model; beside it lies whole.onnx."""
    folder = tmp_path_factory.mktemp("damaged")
    half_precision(folder / "whole.onnx", overflowing=False)
    return folder / "model.onnx"


@pytest.mark.parametrize("name", ["model.json", "model.textproto", "model.onnxtxt", "model"])
def test_a_name_does_not_make_a_file_a_model(orin: StandIn, command: Command, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}{")
    with untouched(tmp_path):
        ran = command("inspect", tmp_path / name)
    assert (ran.code, ran.out) == (1, "")
    assert f"{name}: not an ONNX file, or a damaged one" in ran.err


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("nowhere/model.engine", "nowhere: no such folder. Make it"),
        ("model.onnx", "engines are files called SOMETHING.engine"),
        ("model.plan", "engines are files called SOMETHING.engine"),
        ("folder.engine", "engines are files called SOMETHING.engine"),
        ("/proc/model.engine", "/proc/model.engine: cannot be written"),
    ],
)
def test_a_place_that_no_engine_can_be_written_to(
    orin: StandIn, command: Command, model: Path, out: str, said: str
) -> None:
    (model.parent / "folder.engine").mkdir()
    with untouched(model.parent):
        ran = command("build", model, "--out", model.parent / out)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err


@pytest.fixture
def engine(orin: StandIn, command: Command, model: Path) -> Path:
    """A good engine beside its model."""
    assert command("build", model).code == 0
    return model.with_suffix(".engine")


class FullDisk:
    """From the `after`-th file that is written on, there is no room for what goes into it."""

    def __init__(self, patch: pytest.MonkeyPatch, after: int) -> None:
        self._left = after
        for name in ("write_bytes", "write_text"):
            patch.setattr(Path, name, self._limited(getattr(Path, name)))

    def _limited(self, write: Callable[..., int]) -> Callable[..., int]:
        def limited(path: Path, content: bytes | str, **how: str) -> int:
            self._left -= 1
            if self._left >= 0:
                return write(path, content, **how)
            write(path, content[: len(content) // 2], **how)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return limited


@pytest.mark.parametrize("after", range(3), ids=["engine", "sidecar", "verified sidecar"])
def test_a_disk_that_is_full_leaves_the_engine_that_was_there(
    command: Command, engine: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with untouched(engine.parent), monkeypatch.context() as patch:
        FullDisk(patch, after)
        ran = command("build", engine.with_name("model.onnx"), "--force")
    assert ran.code == 1
    assert "cannot be written (No space left on device)" in ran.err


def test_a_disk_that_is_full_leaves_the_sidecar_that_was_there(
    command: Command, engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with untouched(engine.parent), monkeypatch.context() as patch:
        FullDisk(patch, 0)
        ran = command("verify", engine, "--against", engine.with_name("model.onnx"))
    assert ran.code == 1
    assert f"{sidecar_path(engine)}: cannot be written (No space left on device)" in ran.err


def without_tensorrt(patch: pytest.MonkeyPatch, folder: Path) -> None:
    stand_in(patch, folder)
    patch.setitem(sys.modules, "tensorrt", None)


def with_old_tensorrt(patch: pytest.MonkeyPatch, folder: Path) -> None:
    stand_in(patch, folder, version="10.2.0.19")


def without_gpu(patch: pytest.MonkeyPatch, folder: Path) -> None:
    stand_in(patch, folder)
    from avtar_ros.engines.open_cuda import open_cuda

    patch.setitem(sys.modules, "cuda", None)
    patch.setitem(sys.modules, "pycuda", None)
    patch.setitem(sys.modules, "pycuda.driver", None)
    for module in ("avtar_ros.engines.tensorrt", "engine_build.machine"):
        patch.setattr(f"{module}.open_cuda", open_cuda)


MACHINES: dict[str, tuple[Callable[[pytest.MonkeyPatch, Path], None], str]] = {
    "without TensorRT": (without_tensorrt, "TensorRT is not installed for this Python"),
    "with an old TensorRT": (with_old_tensorrt, "TensorRT 10.2.0.19 found, 10.3 or later wanted"),
    "without a GPU": (without_gpu, "pycuda is not installed, or does not find CUDA's driver"),
}


@pytest.mark.parametrize("kind", MACHINES)
@pytest.mark.parametrize(
    "act",
    [
        ("build", "model.onnx", "--force"),
        ("build", "model.onnx", "--out", "new.engine"),
        ("verify", "model.engine", "--against", "model.onnx"),
        ("bench", "model.engine"),
    ],
    ids=" ".join,
)
def test_a_machine_that_can_neither_build_nor_run(
    command: Command, engine: Path, act: tuple[str, ...], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, said = MACHINES[kind]
    limit(monkeypatch, tmp_path)
    monkeypatch.chdir(engine.parent)
    with untouched(engine.parent):
        ran = command(*act)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err


def change_a_byte(engine: Path) -> None:
    plan = bytearray(engine.read_bytes())
    plan[len(plan) // 2] ^= 1
    engine.write_bytes(plan)


def edit(**changes: object) -> Damage:
    return lambda engine: write_sidecar(engine, read_sidecar(engine).replace(**changes))


ENGINES: dict[str, tuple[Damage, str]] = {
    "missing": (Path.unlink, "model.engine: "),
    "without a sidecar": (lambda engine: sidecar_path(engine).unlink(), "its sidecar model.engine.json is missing"),
    "with a damaged sidecar": (lambda engine: sidecar_path(engine).write_text("{"), "model.engine.json: not JSON"),
    "with a sidecar of tomorrow": (
        lambda engine: sidecar_path(engine).write_text('{"format": 2}'), "format 2 found, 1 wanted",
    ),
    "with a changed byte": (change_a_byte, "not the file that its sidecar was written for"),
    "cut short": (lambda engine: engine.write_bytes(engine.read_bytes()[:100]), "not the file that its sidecar"),
    "from another GPU": (edit(gpu=Gpu("Orin", "8.7", 16)), "16 SMs) wanted, for which the engine was built"),
    "from another TensorRT": (edit(tensorrt="10.13.0.35"), "TensorRT 10.3.0.30 found, 10.13.0.35 wanted"),
}


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize(
    "act", [("verify", "model.engine", "--against", "model.onnx"), ("bench", "model.engine")], ids=" ".join
)
def test_an_engine_that_must_not_be_run(
    command: Command, engine: Path, act: tuple[str, ...], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage, said = ENGINES[kind]
    damage(engine)
    monkeypatch.chdir(engine.parent)
    with untouched(engine.parent):
        ran = command(*act)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err


def test_an_engine_that_nobody_verified_is_not_measured(command: Command, engine: Path) -> None:
    edit(verified=False)(engine)
    ran = command("bench", engine)
    assert ran.code == 1
    assert "avtar-engine verify" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("toast",), ("build",), ("build", "m.onnx", "--batch", "0"), ("build", "m.onnx", "--level", "6"),
        ("build", "m.onnx", "--workspace", "much"), ("build", "m.onnx", "--precision", "int8"), ("verify", "m.engine"),
        ("bench",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_apart(command: Command, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        command(*arguments)
    assert caught.value.code == 2
