"""avtar-train as users meet it: what it prints and writes, and what it says when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from avtar_ros.metrics import known_figures
from avtar_ros.model_card import read_onnx_card
from tests.training import tiny
from tests.training.data import test_manifest
from training.checkpoint import load_checkpoint
from training.cli import main
from training.export import load_model

COMMANDS = ("fit", "evaluate", "export", "scenes", "preview")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=lambda command: "-".join(command))
def test_help_explains(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: avtar-train")
    assert all(name in text for name in COMMANDS) or command


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys, training.cli\n"
        "try: training.cli.main(['fit', '--help'])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_fit_says_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    config = tiny.write_config(tmp_path / "run.yaml", phases=[tiny.phase("adapters", steps=2)])
    assert main(["fit", str(config)]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    *command, checkpoint, option, out = said.partition("Next: ")[2].split()
    assert (command, option, out) == (["avtar-train", "export"], "--out", "tiny.onnx")
    assert load_model(load_checkpoint(tmp_path / checkpoint)).card.name == "tiny"


def test_a_runs_name_leads_out_of_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here/too").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here/too")
    config = tiny.write_config(tmp_path / "run.yaml", name="../../x\x1b[2J", phases=[tiny.phase("adapters", steps=2)])
    assert main(["fit", str(config)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "here", "run.yaml"}
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["too"]
    (run,) = (tmp_path / "here/too/runs").iterdir()
    said = capsys.readouterr().out
    assert f"--out {run.name}.onnx" in said
    assert "\x1b" not in said


def test_export_says_what_it_wrote(
    exported: Path,
    checkpoint_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The graph has been traced once for all tests; everything after that is real.
    monkeypatch.setattr("training.export.write_graph", lambda model, path: path.write_bytes(exported.read_bytes()))
    path = tmp_path / "a new folder" / "model.onnx"
    assert main(["export", str(checkpoint_path), "--out", str(path), "--rooms", "2"]) == 0
    card = read_onnx_card(path)
    printed = capsys.readouterr().out
    last = printed.splitlines()[-1]
    assert list(card.metrics) == list(known_figures())
    assert all(known_figures()[key].title in printed for key in card.metrics)
    assert last == f"{path}: {path.stat().st_size / 1e6:.1f} MB, segmentation, depth, normals, edges"
    assert card.provenance["exported_by"] == f"avtar-train export {checkpoint_path} --out '{path}' --rooms 2"


def test_evaluate_prints_and_writes_every_figure(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "figures.json"
    assert main(["evaluate", str(exported), "--rooms", "3", "--seed", "7", "--json", str(path)]) == 0
    figures = json.loads(path.read_text())
    assert figures.keys() == known_figures().keys()
    printed = capsys.readouterr().out
    assert all(known_figures()[key].title in printed and key not in printed for key in figures)
    # The card was measured on the same rooms.
    assert {key: round(value, 4) for key, value in figures.items()} == read_onnx_card(exported).metrics
    assert [p.name for p in path.parent.iterdir()] == ["figures.json"]


def test_a_checkpoint_is_evaluated_like_its_export(exported: Path, checkpoint_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    assert main(["evaluate", str(checkpoint_path), "--rooms", "3", "--seed", "7", "--json", str(path)]) == 0
    assert json.loads(path.read_text()) == pytest.approx(read_onnx_card(exported).metrics, abs=2e-3)


def test_a_manifest_is_measured_by_source_and_group(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [test_manifest.entry("wall", images=2), test_manifest.entry("table", "tables", k=None)]
    manifest, path = test_manifest.write(tmp_path, entries), tmp_path / "figures.json"
    assert main(["evaluate", str(exported), "--manifest", str(manifest), "--json", str(path)]) == 0
    figures = json.loads(path.read_text())
    groups = {name: source["group"] for name, source in figures["sources"].items()}
    assert groups == {"wall": "rooms", "table": "tables"}
    assert figures["groups"]["rooms"]["depth.delta1"] == figures["sources"]["wall"]["depth.delta1"]
    assert "depth.delta1" not in figures["groups"]["tables"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["group", "wall", "table", "mean", "mean"]


def test_a_checkpoint_is_measured_at_another_size_and_an_exported_model_is_not(
    exported: Path, checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, figures = tmp_path / "figures.json", []
    for size in ([], ["--size", "64x48"], ["--size", "96x64"]):
        command = ["evaluate", str(checkpoint_path), "--rooms", "2", "--seed", "7", "--json", str(path), *size]
        assert main(command) == 0
        figures.append(json.loads(path.read_text()))
    assert figures[0] == figures[1] != figures[2], "its own size is 64x48"
    assert main(["evaluate", str(checkpoint_path), "--rooms", "2", "--size", "70x48"]) == 1
    assert "multiples of 4" in capsys.readouterr().err
    assert main(["evaluate", str(exported), "--rooms", "2", "--size", "96x64"]) == 1
    assert "one size alone" in capsys.readouterr().err


def test_parts_of_the_data_that_read_alike_are_each_measured(
    checkpoint_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    parts = [
        {"data": {"width": 64, "height": 48, "rooms": 8, "validation_rooms": 2, "validation_seed": seed}}
        for seed in (1, 5, 9)
    ]
    config = tiny.write_config(tmp_path / "run.yaml", data={"dataset": "mixed", "parts": parts})
    path = tmp_path / "figures.json"
    assert main(["evaluate", str(checkpoint_path), "--data", str(config), "--json", str(path)]) == 0
    figures = json.loads(path.read_text())
    rooms = "8 synthetic rooms of avtar_ros (seeds from 0)"
    assert list(figures) == [rooms, f"{rooms} (2)", f"{rooms} (3)"]
    assert len({json.dumps(found) for found in figures.values()}) == 3


def test_scenes_writes_previews_and_bags(tmp_path: Path) -> None:
    folder, bag = tmp_path / "previews", tmp_path / "room.mcap"
    assert main(["scenes", "--out", str(folder), "--rooms", "2", "--seed", "5", "--size", "64x48"]) == 0
    assert {path.name for path in folder.glob("*.png")} == {"room_5.png", "room_6.png"}
    assert main(["scenes", "--bag", str(bag), "--frames", "2", "--size", "64x48"]) == 0
    assert bag.stat().st_size > 1000


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command says that ends with exit code 1: one line, for people."""
    assert main([str(argument) for argument in arguments]) == 1
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("avtar-train: ")]
    return line.removeprefix("avtar-train: ")


def test_a_bad_config_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.yaml"
    assert complaint(capsys, "fit", path).startswith(f"{path}: no such config")
    path.write_text("name: [")
    assert complaint(capsys, "fit", path).startswith(f"{path}: not YAML")
    tiny.write_config(path, colour="red")
    assert complaint(capsys, "fit", path) == f"{path}: colour: there is no such key"
    assert str(tmp_path) in complaint(capsys, "fit", tmp_path)


def test_a_bad_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    for command in (("evaluate",), ("export", "--out", tmp_path / "model.onnx")):
        missing = tmp_path / "last.safetensors"
        assert complaint(capsys, *command, missing).startswith(f"{missing}: no such checkpoint")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    assert "damaged" in complaint(capsys, "export", damaged, "--out", tmp_path / "model.onnx")
    for name, content in (("missing.onnx", None), ("damaged.onnx", b"no graph")):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        assert str(path) in complaint(capsys, "evaluate", path)
    other = repository / "README.md"
    assert str(other) in complaint(capsys, "evaluate", other)


def test_an_output_that_cannot_be_written_is_named(
    exported: Path, checkpoint_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    config = tiny.write_config(tmp_path / "run.yaml", data={"width": 64, "height": 48, "rooms": 4})
    for command in (
        ("evaluate", exported, "--rooms", 1, "--json", blocked / "figures.json"),
        ("export", checkpoint_path, "--out", blocked / "model.onnx"),
        ("scenes", "--out", blocked / "previews", "--rooms", 1),
        ("scenes", "--bag", blocked / "room.mcap", "--frames", 1),
        ("fit", config, "--out", blocked / "run"),
    ):
        assert str(blocked) in complaint(capsys, *command)


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "model.onnx", "--rooms", "0"),
        ("evaluate", "model.onnx", "--rooms", "many"),
        ("scenes",),
        ("scenes", "--out", "a", "--bag", "b"),
        ("scenes", "--out", "a", "--rooms", "-3"),
        ("scenes", "--bag", "b", "--frames", "0"),
        ("scenes", "--bag", "b", "--rate", "0"),
        ("scenes", "--bag", "b", "--rate", "fast"),
        ("scenes", "--bag", "b", "--size", "big"),
        ("scenes", "--bag", "b", "--size", "8x8"),
        ("export", "last.safetensors"),
        (),
    ],
    ids=" ".join,
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith(("avtar-train: error: ", *(f"avtar-train {name}: error: " for name in COMMANDS)))
