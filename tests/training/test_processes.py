"""Two processes that train one model, against one process with all of their images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import tiny
from tests.training.data.recordings import write_bag
from training.checkpoint import load_checkpoint
from training.data.batch import completed
from training.fit import fit

DATA: dict[str, Any] = tiny.settings()["data"]


def write_run(path: Path, batch_size: int, data: dict[str, Any] = DATA, **changes: Any) -> Path:
    phase = tiny.phase("adapters", **{"steps": 3, "evaluate_every": 1, "bfloat16": False, **changes})
    phases, affinity = [phase | {"batch_size": batch_size}], {"every": 1, "momentum": 0.5}
    return tiny.write_config(path, phases=phases, data=data, augment={"flip": False}, affinity=affinity)


def logged(checkpoint: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (checkpoint.parent / "log.jsonl").read_text().splitlines()]


def launched(config: Path, out: Path, cache: Path) -> None:
    """Two processes on the CPU, for which `accelerate launch` would want MPI, met as those that it starts do."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
               "-m", "training", "fit", str(config), "--out", str(out)]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
def test_two_processes_do_what_one_does_with_the_doubled_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.config import load_config

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    one = fit(load_config(write_run(tmp_path / "one.yaml", 4, balancing="pcgrad")), tmp_path / "one")
    launched(write_run(tmp_path / "two.yaml", 2, balancing="pcgrad"), tmp_path / "two", tmp_path / "cache")
    two = tmp_path / "two" / "adapters" / "last.safetensors"

    first, second = logged(one), logged(two)
    assert len(first) == len(second) == 3
    for alone, together in zip(first, second, strict=True):
        assert together["losses"] == pytest.approx(alone["losses"], rel=1e-4)
        for row, expected_row in zip(together["affinity"], alone["affinity"], strict=True):
            assert row == pytest.approx(expected_row, abs=2e-3)
    expected, got = load_checkpoint(one).tensors, load_checkpoint(two).tensors
    for name in (n for n in expected if n.startswith("model.")):
        torch.testing.assert_close(got[name], expected[name], rtol=1e-2, atol=1e-3, msg=name)


@pytest.mark.slow
def test_two_processes_leave_alone_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that images or whole batches lack, and tasks that are not to be learnt."""
    from training.config import load_config

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    size = {"width": tiny.WIDTH, "height": tiny.HEIGHT}
    recording = {"dataset": "rosbag", "bag": str(write_bag(tmp_path / "run.mcap", frames=12)), **size}
    parts = [{"data": {"rooms": 2, "validation_rooms": 2, **size}}, {"data": recording | {"validation_frames": 2}}]
    data = {"dataset": "mixed", "parts": parts}
    balanced = {"balancing": "uncertainty", "learns": ["segmentation", "depth"], "steps": 6}
    one = fit(load_config(write_run(tmp_path / "one.yaml", 4, data, **balanced)), tmp_path / "one")
    launched(write_run(tmp_path / "two.yaml", 2, data, **balanced), tmp_path / "two", tmp_path / "cache")
    two = tmp_path / "two" / "adapters" / "last.safetensors"

    first, second = logged(one), logged(two)
    assert {len(line["losses"]) for line in first} == {1, 2}, "a batch without any classes, and one with some"
    for alone, together in zip(first, second, strict=True):
        assert together["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    expected, got = load_checkpoint(one).tensors, load_checkpoint(two).tensors
    for name in (n for n in expected if n.startswith("objective.")):
        torch.testing.assert_close(got[name], expected[name], rtol=1e-4, atol=1e-6, msg=name)
    untaught = [n for n in expected if n.startswith(("model.heads.normals.", "model.heads.edges."))]
    assert untaught
    for name in untaught:
        assert torch.equal(got[name], expected[name]), name


def test_a_completed_batch_has_every_map_and_says_where_it_knows_nothing() -> None:
    whole = tiny.batch(2)
    whole.maps.pop("depth")
    whole.maps.pop("segmentation")
    batch = completed(whole, ["segmentation", "depth", "edges"])
    assert set(batch.maps) == {"segmentation", "depth", "edges"}
    assert batch.maps["depth"].isnan().all()
    assert (batch.maps["segmentation"] == 255).all()
    assert torch.equal(batch.maps["edges"], whole.maps["edges"])
