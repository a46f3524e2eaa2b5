"""Pictures as worse cameras would have taken them."""

from __future__ import annotations

import pytest
import torch

from training.data.augment import augmented
from training.data.batch import Batch
from training.data.config import AugmentConfig
from training.data.degraded import degraded
from training.data.synthetic_rooms import render_rooms


@pytest.fixture(scope="module")
def rooms() -> Batch:
    return render_rooms(range(8), 64, 48)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def change(a: Batch, b: Batch) -> float:
    return float((a.image.float() - b.image.float()).abs().mean())


def test_maps_and_focal_length_stay(rooms: Batch) -> None:
    worse = degraded(rooms, 1.0, generator(0))
    assert worse.image.shape == rooms.image.shape and worse.image.dtype == torch.uint8
    assert worse.maps is rooms.maps and worse.focal is rooms.focal
    assert all((worse.image[i] != rooms.image[i]).any() for i in range(len(rooms)))


def test_the_same_seed_gives_the_same_pictures(rooms: Batch) -> None:
    first, again, other = (degraded(rooms, 1.0, generator(seed)).image for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_strength_is_how_bad_it_gets(rooms: Batch) -> None:
    changes = [change(rooms, degraded(rooms, strength, generator(3))) for strength in (0.05, 0.4, 1.0)]
    assert changes == sorted(changes)
    assert changes[0] < 6 < changes[2]


def test_pictures_are_still_of_what_they_show(rooms: Batch) -> None:
    for worse, before in zip(degraded(rooms, 0.7, generator(4)).image, rooms.image, strict=True):
        a, b = (torch.nn.functional.avg_pool2d(i.float().mean(-1)[None], 8).flatten() for i in (worse, before))
        assert torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.8


def test_a_config_asks_for_it(rooms: Batch) -> None:
    plain = AugmentConfig(flip=False)
    assert augmented(rooms, plain, generator(0)).image is rooms.image
    worse = augmented(rooms, plain.model_copy(update={"camera": 0.7}), generator(0))
    assert change(rooms, worse) > 1
