"""Memory does not depend on how long a bag is."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtar_ros.resources import DEMO_MODEL, find_resource
from benchmarks.replay import MB, ReplayCost, replay_cost, write_bag


def cost(folder: Path, model: Path, frames: int, width: int, height: int) -> ReplayCost:
    bag = folder / f"{frames}.mcap"
    write_bag(bag, frames / 30, 30, width, height)
    found = replay_cost(bag, folder / str(frames), ["--model", str(model), "--threads", "1"])
    assert found.figures["frames"] == frames
    return found


@pytest.mark.slow
def test_the_demo_model_and_a_usual_camera_need_less_than_600_mb(tmp_path: Path) -> None:
    assert cost(tmp_path, find_resource(DEMO_MODEL), 120, 640, 480).peak_rss < 600 * MB


@pytest.mark.slow
def test_a_bag_five_times_as_long_needs_no_more(tmp_path: Path, tiny_model: Path) -> None:
    """Beyond the figures of each frame, some kilobytes; of a frame's image and maps there are 75."""
    short, long = (cost(tmp_path, tiny_model, frames, 64, 48) for frames in (500, 2500))
    assert long.peak_rss - short.peak_rss < 2000 * 15_000
