"""Views of rooms from anywhere: exact as the others, and what robots and hands see that the others do not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.data.test_synthetic_rooms import plain_cast
from training.data.batch import Batch
from training.data.datasets import open_dataset
from training.data.public_config import RoomsConfig
from training.data.synthetic_rooms import render_rooms, sample_shot
from training.data.synthetic_rooms.anywhere import CLOSEST

WIDTH, HEIGHT = 256, 192
SEEDS = range(60)


@pytest.fixture(scope="module")
def seen() -> Batch:
    return render_rooms(SEEDS, WIDTH, HEIGHT, anywhere=True)


@pytest.mark.parametrize("seed", range(6))
def test_the_maps_are_what_a_plain_ray_caster_finds(seen: Batch, seed: int) -> None:
    room, view = sample_shot(seed, anywhere=True)
    pixels = np.random.default_rng(seed).integers(0, (WIDTH, HEIGHT), (20, 2)).tolist()
    depths = [(plain_cast(room, view, u, v)[0], float(seen.maps["depth"][seed, v, u])) for u, v in pixels]
    agree = [abs(cast / mapped - 1) < 2e-3 for cast, mapped in depths]  # a pixel may fall on another side of a border
    assert sum(agree) >= len(agree) - 1


def test_cameras_are_low_close_tilted_narrow_and_wide(seen: Batch) -> None:
    views = [sample_shot(seed, anywhere=True)[1] for seed in SEEDS]
    heights = np.array([view.position[2] for view in views])
    pitch = np.degrees([np.arcsin(view.rotation[2, 2]) for view in views])
    fields = np.degrees(2 * np.arctan(WIDTH / 2 / seen.focal.numpy()))
    middle = seen.maps["depth"].flatten(1).median(1).values
    assert heights.min() < 0.5 < 1.5 < heights.max()
    assert pitch.min() < -50 and pitch.max() > 5
    assert 36 < fields.min() < 50 and 80 < fields.max() < 97
    assert middle.min() < 0.6 and middle.max() > 2.5


def test_they_keep_their_distance(seen: Batch) -> None:
    assert float(seen.maps["depth"].min()) > 0.5 * CLOSEST
    for seed in SEEDS:
        room, view = sample_shot(seed, anywhere=True)
        assert (view.position > 0).all() and (view.position < room.size).all()


def test_rooms_are_those_of_the_seeds_and_other_views_stay_as_they_were() -> None:
    usual, other = sample_shot(5), sample_shot(5, anywhere=True)
    assert np.array_equal(usual[0].centre, other[0].centre)
    assert not np.array_equal(usual[1].position, other[1].position)


def test_a_config_asks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sections = [RoomsConfig(width=64, height=48, rooms=4, views=views) for views in ("furniture", "anywhere")]
    usual, other = (open_dataset(section, "train").batch(range(4)) for section in sections)
    assert torch.equal(other.image, render_rooms(range(4), 64, 48, anywhere=True).image)
    assert not torch.equal(usual.image, other.image)
    assert "anywhere" in sections[1].description and "anywhere" not in sections[0].description
