"""Figures of speed: what they are of, how they hang together, what they are given with. Never how large they are."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.engines.engine import Engine
from avtar_ros.engines.opening import open_engine
from engine_build.bench import Spread, batches_for, compare
from tests.engine_build.conftest import Command
from tests.engine_build.standing_in import StandIn
from tests.tiny_models import write_tiny_model

QUICK = ("--seconds", "0.05", "--warmup", "0")
SPREAD = ["min", "max", "mean", "median", "p90", "p95", "p99"]
TRTEXEC = ["Host latency", "Latency", "H2D", "GPU compute", "D2H", "Enqueue"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_tiny_model(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.fixture
def engine(orin: StandIn, command: Command, model: Path) -> Path:
    assert command("build", model, "--batch", 2).code == 0
    return model.with_suffix(".engine")


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=50))
def test_a_spread_is_in_order(milliseconds: list[float]) -> None:
    spread = Spread.of(milliseconds)
    ordered = [spread.min, spread.median, spread.p90, spread.p95, spread.p99, spread.max]
    assert ordered == sorted(ordered)
    assert (spread.min, spread.max) == (min(milliseconds), max(milliseconds))
    assert np.isclose(spread.mean, np.mean(milliseconds))


def test_percentiles_are_those_of_a_known_sample() -> None:
    assert astuple(Spread.of(range(101))) == (0, 100, 50, 50, 90, 95, 99)


def test_an_onnx_file_is_measured_at_each_batch_size(command: Command, model: Path) -> None:
    ran = command("bench", model, "--batch", 1, 3, "--threads", 1, *QUICK, "--json")
    assert ran.code == 0, ran.err
    (found,) = json.loads(ran.out)["models"]
    assert "ONNX Runtime" in found["engine"]
    assert [measured["batch"] for measured in found["measured"]] == [1, 3]
    for measured in found["measured"]:
        assert measured["throughput"] > 0
        assert measured["queries"] >= 6
        assert list(measured["spreads"]) == ["Host latency"]
        assert list(measured["spreads"]["Host latency"]) == SPREAD


def test_an_engine_is_measured_in_trtexecs_terms(command: Command, engine: Path) -> None:
    ran = command("bench", engine, *QUICK, "--zero-copy", "--json")
    assert ran.code == 0, ran.err
    (measured,) = json.loads(ran.out)["models"][0]["measured"]
    assert list(measured["spreads"]) == TRTEXEC
    means = {name: spread["mean"] for name, spread in measured["spreads"].items()}
    assert np.isclose(means["Latency"], means["H2D"] + means["GPU compute"] + means["D2H"])


def test_figures_come_with_the_state_of_the_machine(command: Command, engine: Path) -> None:
    machine = json.loads(command("bench", engine, *QUICK, "--json").out)["machine"]
    assert machine["board"] == "NVIDIA Jetson Orin Nano Developer Kit"
    assert machine["gpu"] == {"name": "Orin", "compute_capability": "8.7", "sm_count": 8}
    assert (machine["tensorrt"], machine["cuda"]) == ("10.3.0.30", "12.6")
    assert machine["cpu"]
    assert machine["state"]["kernel"]


def test_people_get_a_table(command: Command, engine: Path) -> None:
    ran = command("bench", engine, *QUICK)
    assert ran.code == 0, ran.err
    for words in ("batch 1: throughput", "queries/s", "images/s", "TensorRT 10.3.0.30 fp32, Orin", *TRTEXEC, *SPREAD):
        assert words in ran.out


def test_a_batch_that_the_engine_cannot_take_is_refused(command: Command, engine: Path) -> None:
    ran = command("bench", engine, "--batch", 3, *QUICK)
    assert ran.code == 1
    assert "takes up to 2" in ran.err
    assert "--batch 3" in ran.err


def test_two_models_are_compared_in_turn(command: Command, model: Path, engine: Path) -> None:
    ran = command("bench", model, engine, "--compare", *QUICK, "--json")
    assert ran.code == 0, ran.err
    ratio = json.loads(ran.out)["ratios"]["1"]
    assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
    assert "times as long as" in command("bench", model, engine, "--compare", *QUICK).out


def test_comparing_takes_two(command: Command, model: Path) -> None:
    ran = command("bench", model, "--compare", *QUICK)
    assert ran.code == 1
    assert "--compare takes two models" in ran.err


class Counting:
    """An engine that notes when it was asked."""

    def __init__(self, engine: Engine, name: str, order: list[str]) -> None:
        self.card = engine.card
        self._engine, self._name, self._order = engine, name, order

    def infer(self, images: np.ndarray) -> object:
        self._order.append(self._name)
        return self._engine.infer(images)


def test_what_drifts_drifts_for_both(model: Path) -> None:
    order: list[str] = []
    with open_engine(model) as engine:
        ratio = compare(Counting(engine, "a", order), Counting(engine, "b", order), 1, 0.01, 0)  # type: ignore[arg-type]
    turns = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    assert ratio.rounds == 21
    assert len(turns) > ratio.rounds  # one after the other, and who is first changes
    assert {turns[1], turns[2]} == {"a", "b"}


def test_images_differ_from_query_to_query(model: Path) -> None:
    with open_engine(model) as engine:
        batches = batches_for(engine, 2)
        first, second = next(batches), next(batches)
    assert first.shape == (2, 48, 64, 3)
    assert first.dtype == np.uint8
    assert len({image.tobytes() for image in (*first, *second)}) == 4
