"""No command writes over, or removes, what it did not make itself; and two never write to one place."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from avtar_ros.disk.locks import BusyError, in_turn
from avtar_ros.disk.outputs import HEAD, MARKER, OutputFolder, check_file, is_figures, remove_made
from avtar_ros.errors import AvtarError
from avtar_ros.replay.cli import main
from tests.tiny_bags import write_truth_bag


def replay(bag: Path, out: Path, model: Path, *more: str | Path) -> int:
    return main([str(word) for word in (bag, "--out", out, "--model", model, "--threads", "1", *more)])


def refused(capsys: pytest.CaptureFixture[str], kept: Path, command: Callable[[], int]) -> str:
    """What is said when the command fails; the file `kept` must be as it was."""
    before = kept.read_bytes()
    assert command() == 1
    assert kept.read_bytes() == before
    return capsys.readouterr().err


def test_a_recording_is_not_replayed_onto_itself(tmp_path: Path, tiny_model: Path, capsys) -> None:
    bag = write_truth_bag(tmp_path / "output.mcap")
    assert "is what is read" in refused(capsys, bag, lambda: replay(bag, tmp_path, tiny_model))
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_recording_under_another_name_is_known_again(tmp_path: Path, tiny_model: Path, link, capsys) -> None:
    bag = write_truth_bag(tmp_path / "recording.mcap")
    (tmp_path / "out").mkdir()
    link(bag, tmp_path / "out/output.mcap")
    assert "output.mcap: is " in refused(capsys, bag, lambda: replay(bag, tmp_path / "out", tiny_model))
    assert (tmp_path / "out/output.mcap").samefile(bag)


def test_what_a_run_wrote_cannot_be_replayed_onto_itself_either(tmp_path: Path, tiny_model: Path, capsys) -> None:
    assert replay(write_truth_bag(tmp_path / "x.mcap"), tmp_path, tiny_model, "--passthrough") == 0
    output = tmp_path / "output.mcap"
    assert "is what is read" in refused(capsys, output, lambda: replay(output, tmp_path, tiny_model))


def test_a_folder_of_ones_own_loses_nothing(tmp_path: Path, tiny_model: Path, capsys) -> None:
    (tmp_path / "frames").mkdir()
    mine = tmp_path / "frames/precious.jpg"
    mine.write_text("mine")
    bag = write_truth_bag(tmp_path / "x.mcap")
    error = refused(capsys, mine, lambda: replay(bag, tmp_path, tiny_model, "--per-frame", "png"))
    assert "frames: is there already and was not made by this command" in error


def test_files_put_among_ours_stay(tmp_path: Path, tiny_model: Path) -> None:
    bag, frames = write_truth_bag(tmp_path / "x.mcap", 3), tmp_path / "out/frames"
    assert replay(bag, tmp_path / "out", tiny_model, "--per-frame", "png") == 0
    (frames / "precious.jpg").write_text("mine")
    assert replay(bag, tmp_path / "out", tiny_model, "--per-frame", "npz") == 0
    assert sorted(path.suffix for path in frames.rglob("*.*")) == [".jpg", ".npz", ".npz", ".npz"]


@pytest.mark.parametrize("name", ["metrics.json", "report.html", "output.mcap", "output.mcap.partial"])
def test_a_file_of_ones_own_in_the_folder_is_left_alone(tmp_path: Path, tiny_model: Path, capsys, name: str) -> None:
    bag, mine = write_truth_bag(tmp_path / "x.mcap"), tmp_path / name
    mine.write_text("mine")
    assert f"{name}: is there already" in refused(capsys, mine, lambda: replay(bag, tmp_path, tiny_model))
    assert not (tmp_path / "frames.csv").exists()


def test_the_folder_of_a_bag_cannot_be_the_output_but_one_in_it_can(tmp_path: Path, tiny_model: Path, capsys) -> None:
    (tmp_path / "bag").mkdir()
    bag = write_truth_bag(tmp_path / "bag/recording.mcap")
    error = refused(capsys, bag, lambda: replay(tmp_path / "bag", tmp_path / "bag", tiny_model))
    assert "Give another folder" in error
    for _ in range(2):
        assert replay(tmp_path / "bag", tmp_path / "bag/run", tiny_model) == 0


def test_mining_never_touches_a_recording(tmp_path: Path, tiny_model: Path, capsys) -> None:
    bag, other = write_truth_bag(tmp_path / "x.mcap", 20), write_truth_bag(tmp_path / "other.mcap", 3)
    assert replay(bag, tmp_path / "run", tiny_model) == 0

    def mine(bag: Path, out: Path) -> int:
        words = ["mine", bag, tmp_path / "run", "--out", out, "--frames", "3", "--apart", "0"]
        return main([str(word) for word in words])

    assert "is what is read" in refused(capsys, bag, lambda: mine(bag, bag))
    assert "was not made by this command" in refused(capsys, other, lambda: mine(bag, other))
    output = tmp_path / "run/output.mcap"
    assert "is what is read" in refused(capsys, output, lambda: mine(bag, output))
    mined = tmp_path / "mined.mcap"
    assert mine(bag, mined) == mine(bag, mined) == 0
    assert "Give the bag of this run" in refused(capsys, mined, lambda: mine(other, mined))


def test_a_log_for_rerun_replaces_only_such_a_log(tmp_path: Path, tiny_model: Path, capsys) -> None:
    pytest.importorskip("rerun")
    bag, notes = write_truth_bag(tmp_path / "x.mcap"), tmp_path / "notes.rrd"
    notes.write_text("mine")
    for path in (bag, notes):
        error = refused(capsys, path, lambda path=path: replay(bag, tmp_path / "out", tiny_model, "--rerun", path))
        assert f"{path}: is " in error
    for _ in range(2):
        assert replay(bag, tmp_path / "out", tiny_model, "--rerun", tmp_path / "run.rrd") == 0


def test_figures_are_not_written_over_other_files(tmp_path: Path, tiny_model: Path, capsys) -> None:
    bag, package = write_truth_bag(tmp_path / "x.mcap"), tmp_path / "package.json"
    package.write_text('{"name": "mine", "version": 1}')
    for run in ("a", "b"):
        assert replay(bag, tmp_path / run, tiny_model) == 0
    compare = ["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json"]
    refused(capsys, package, lambda: main([*compare, str(package)]))
    refused(capsys, tiny_model, lambda: main([*compare, str(tiny_model)]))
    table = tmp_path / "a/metrics.json"
    assert "is what is read" in refused(capsys, table, lambda: main([*compare, str(table)]))
    for _ in range(2):
        assert main([*compare, str(tmp_path / "differences.json")]) == 0
    assert is_figures(tmp_path / "differences.json")


def test_what_was_claimed_is_known_after_an_end_in_the_middle_of_writing_it_down(tmp_path: Path) -> None:
    with OutputFolder(tmp_path) as folder:
        folder.claim("a", "b\n../c")
    marker = tmp_path / MARKER
    marker.write_bytes(marker.read_bytes() + b'"unfin')
    with OutputFolder(tmp_path) as folder:
        folder.claim("d")
    for name in ("a", "d", "unfin"):
        (tmp_path / name).write_text("x")
    with OutputFolder(tmp_path) as folder:
        folder.claim("a", "d")
        with pytest.raises(AvtarError, match="was not made by"):
            folder.claim("unfin")
    marker.write_bytes(HEAD.encode()[:10])
    with OutputFolder(tmp_path) as folder:
        folder.claim("new")
    assert marker.read_text() == f'{HEAD}"new"\n'
    marker.write_text("somebody else's")
    with OutputFolder(tmp_path) as folder, pytest.raises(AvtarError, match="not the file of that name"):
        folder.claim("new")


def test_what_things_are_made_of_is_kept_however_many_they_are(tmp_path: Path) -> None:
    names = [f"{i:06}{'x' * 100}" for i in range(12_000)]
    with OutputFolder(tmp_path) as folder:
        for name in names:
            folder.claim(name)
            folder.note_source(name, f"/{name}")
    (tmp_path / names[-1]).write_text("x")
    with OutputFolder(tmp_path) as folder:
        folder.claim(names[-1])
        assert [folder.source_of(name) for name in (names[0], names[-1], "else")] == [
            f"/{names[0]}", f"/{names[-1]}", None
        ]


def test_only_files_of_the_pattern_are_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1.png").write_text("mine")
    folder = tmp_path / "ours"
    (folder / "sub").mkdir(parents=True)
    for name in ("1.png", "sub/2.png", "note.png"):
        (folder / name).write_text("x")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "3.png").symlink_to(tmp_path / "elsewhere/1.png")
    remove_made(folder, r"[0-9]\.png")
    assert sorted(path.name for path in folder.iterdir()) == ["3.png", "link", "note.png"]
    assert (tmp_path / "elsewhere/1.png").read_text() == "mine"


def test_an_empty_file_is_no_loss_and_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    check_file(tmp_path / "empty", [], lambda _: False)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(AvtarError, match="is a link"):
        check_file(tmp_path / "link", [], lambda _: True)


HOLD = "import sys\nfrom pathlib import Path\nfrom avtar_ros.disk.outputs import OutputFolder\n"
HOLD += "with OutputFolder(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"


def test_a_second_run_in_one_folder_is_refused_by_the_first_ones_number(
    tmp_path: Path, tiny_model: Path, capsys
) -> None:
    bag = write_truth_bag(tmp_path / "x.mcap")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert replay(bag, tmp_path / "out", tiny_model) == 1
        assert f"out: process {holder.pid} is writing there. Wait" in capsys.readouterr().err
        holder.kill()
        holder.wait()
    assert replay(bag, tmp_path / "out", tiny_model) == 0  # the lock ended with its owner


def test_who_waits_for_a_turn_gets_it_when_the_file_is_gone(tmp_path: Path) -> None:
    with in_turn(tmp_path / "lock", "the cache"), pytest.raises(BusyError, match="this one"), OutputFolder(tmp_path):
        (tmp_path / MARKER).touch()
        with OutputFolder(tmp_path):
            pass
    assert not (tmp_path / "lock").exists()
    shutil.rmtree(tmp_path)
