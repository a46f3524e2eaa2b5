"""The affinity matrix as people get to see it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training import tiny
from training.affinity_pictures import MARGIN
from training.checkpoint import Checkpoint, save_checkpoint
from training.cli import main

MATRIX = ((0.9, 0.1), (0.5, 0.8))


def checkpoint(path: Path, affinity: tuple[tuple[float, ...], ...]) -> Path:
    config = tiny.run_config(tasks=["depth", "edges"])
    card = tiny.card(tasks=("depth", "edges")).replace(affinity=affinity)
    save_checkpoint(Checkpoint(config, card, "adapters", 6, {}), path)
    return path


def test_it_is_printed_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "new" / "affinities.png"
    path = checkpoint(tmp_path / "last.safetensors", MATRIX)
    assert main(["affinities", str(path), "--out", str(picture)]) == 0
    header, depth, edges = capsys.readouterr().out.splitlines()[:3]
    assert header.split() == ["depth", "edges"]
    assert depth.split() == ["depth", "0.900", "0.100"]
    assert edges.split() == ["edges", "0.500", "0.800"]
    drawn = cv2.imread(str(picture))
    assert drawn is not None
    cells = drawn[MARGIN + 4 :: 96, MARGIN + 4 :: 96].sum(-1).astype(int)
    brightness = [cells[0, 1], cells[1, 0], cells[1, 1], cells[0, 0]]
    assert len(set(brightness)) == 4
    assert cells.shape == (2, 2)


def test_pictures_of_others_and_the_model_itself_are_not_drawn_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, picture = checkpoint(tmp_path / "last.safetensors", MATRIX), tmp_path / "affinities.png"
    before = model.read_bytes()
    assert main(["affinities", str(model), "--out", str(picture)]) == 0
    assert main(["affinities", str(model), "--out", str(picture)]) == 0  # over its own
    cv2.imwrite(str(picture), np.zeros((9, 9), np.uint8))
    theirs = picture.read_bytes()
    for out, reason in ((picture, "is there already"), (model, "is what is read")):
        assert main(["affinities", str(model), "--out", str(out)]) == 1
        assert f"{out}: {reason}" in capsys.readouterr().err
    assert (model.read_bytes(), picture.read_bytes()) == (before, theirs)


def test_a_model_without_any_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = checkpoint(tmp_path / "last.safetensors", ())
    assert main(["affinities", str(path), "--out", str(tmp_path / "a.png")]) == 1
    assert f"{path}: it has no affinities yet" in capsys.readouterr().err
