"""The node's benchmark runs and gives the figures that it promises; how large they are is not asked here."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avtar_ros.engines.engine import EngineOptions, check_maps
from avtar_ros.resources import DEMO_MODEL, find_resource
from benchmarks.null_engine import NullEngine

ROOT = Path(__file__).resolve().parents[1]
SIZES = ("model", "camera")
ALWAYS_POSITIVE = {
    "startup_s",
    *(f"{name}.{size}" for size in SIZES for name in ("null_engine_hz", "floor_ms", "floor_hz")),
}
PROMISED = ALWAYS_POSITIVE | {
    *(name + size for size in ("", ".camera") for name in (
        "fps_ratio", "added_ms.p50", "python_ms.p50", "latency.p99_to_p50"
    )),
}


def test_the_null_engine_gives_what_the_models_card_promises() -> None:
    model = find_resource(DEMO_MODEL)
    engine = NullEngine(model, EngineOptions())
    images = np.zeros((2, engine.card.height, engine.card.width, 3), np.uint8)
    check_maps(engine.infer(images), 2, engine.card, model)


@pytest.mark.slow
def test_the_nodes_benchmark_gives_every_figure(tmp_path: Path) -> None:
    figures = tmp_path / "node.json"
    command = [sys.executable, "benchmarks/node.py", "--seconds", "1", "--rounds", "1", "--json", str(figures)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    measured = json.loads(figures.read_text())
    assert measured.keys() >= PROMISED
    assert min(measured[name] for name in ALWAYS_POSITIVE) > 0


@pytest.mark.slow
def test_under_overload_the_node_can_say_what_became_of_each_frame(tmp_path: Path) -> None:
    figures = tmp_path / "overload.json"
    command = [sys.executable, "benchmarks/overload.py", "--seconds", "3", "--json", str(figures)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    measured = json.loads(figures.read_text())
    assert measured.keys() >= {"node_ms.p99", "bound_ms", "engine_ms.p50", "memory_growth_mb"}
    assert measured["frames.sent"] >= measured["frames.received"] > 0
    assert measured["frames.published"] > 0
    assert measured["frames.failed"] == measured["frames.malformed"] == measured["lost"] == 0


def test_ratios_of_peers_are_of_what_was_measured_in_one_round() -> None:
    from benchmarks.peers import Network, ratios

    def network(*rounds: float) -> Network:
        made = Network.__new__(Network)
        made.rounds = list(rounds)
        return made

    assert ratios([network(1, 4), network(3, 8)], network(2, 3)) == [2, 4]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "channels"), [("segmentation", 13), ("depth", 1), ("normals", 3), ("edges", 1)])
def test_a_peer_gives_a_map_of_the_images_size(task: str, channels: int) -> None:
    import torch

    from benchmarks.peers import PEERS

    with torch.no_grad():
        found = PEERS[task]().eval()(torch.zeros(1, 64, 96, 3, dtype=torch.uint8))
    assert found.shape == (1, channels, 64, 96)
    assert bool(torch.isfinite(found).all())
