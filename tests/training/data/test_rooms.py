"""Rooms on disk: rendered once, as good as rendered anew, and never half there."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from training.data import rooms as module
from training.data.rooms import RoomsDataset, default_cache
from training.data.synthetic_rooms import render_rooms

WIDTH, HEIGHT, FIRST = 64, 48, 40


def test_rooms_come_back_as_they_were_rendered(tmp_path: Path) -> None:
    stored = RoomsDataset(5, FIRST, WIDTH, HEIGHT, tmp_path)
    assert len(stored) == 5
    batch, rendered = stored.batch([3, 0]), render_rooms([FIRST + 3, FIRST], WIDTH, HEIGHT)
    assert torch.equal(batch.image, rendered.image)
    assert torch.equal(batch.focal, rendered.focal)
    assert torch.equal(batch.maps["segmentation"], rendered.maps["segmentation"])
    assert torch.equal(batch.maps["edges"], (rendered.maps["edges"] > 0.5).float())
    assert (batch.maps["depth"] - rendered.maps["depth"]).abs().max() < 0.00051, "half a millimetre"
    cosine = (batch.maps["normals"] * rendered.maps["normals"]).sum(-1)
    assert cosine.min() > np.cos(np.radians(0.5))
    assert {name: m.dtype for name, m in batch.maps.items()} == {name: m.dtype for name, m in rendered.maps.items()}


def test_they_are_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = RoomsDataset(3, FIRST, WIDTH, HEIGHT, tmp_path).batch([1])
    monkeypatch.setattr(module, "render_rooms", None)
    again = RoomsDataset(3, FIRST, WIDTH, HEIGHT, tmp_path).batch([1])
    assert torch.equal(first.image, again.image)


def test_what_is_unknown_stays_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_holes(seeds: range, width: int, height: int, anywhere: bool) -> object:
        batch = render_rooms(seeds, width, height, anywhere=anywhere)
        batch.maps["depth"][:, 0] = torch.nan
        batch.maps["normals"][:, 0] = torch.nan
        return batch

    monkeypatch.setattr(module, "render_rooms", with_holes)
    maps = RoomsDataset(2, FIRST, WIDTH, HEIGHT, tmp_path).batch([0, 1]).maps
    for name in ("depth", "normals"):
        assert maps[name][:, 0].isnan().all()
        assert maps[name][:, 1:].isfinite().all()


def test_an_interrupted_rendering_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "render_rooms", interrupted)
    with pytest.raises(KeyboardInterrupt):
        RoomsDataset(3, FIRST, WIDTH, HEIGHT, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_who_comes_second_takes_the_rooms_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs that render the same rooms at the same time."""

    second: list[Future[RoomsDataset]] = []
    monkeypatch.setattr("avtar_ros.disk.locks.POLL_S", 0.01)

    def while_another_comes(seeds: range, width: int, height: int, anywhere: bool) -> object:
        monkeypatch.setattr(module, "render_rooms", None)  # the other is not to render
        second.append(executor.submit(RoomsDataset, 3, FIRST, WIDTH, HEIGHT, tmp_path))
        time.sleep(0.1)
        assert not second[0].done()
        return render_rooms(seeds, width, height, anywhere=anywhere)

    monkeypatch.setattr(module, "render_rooms", while_another_comes)
    with ThreadPoolExecutor(1) as executor:
        assert len(RoomsDataset(3, FIRST, WIDTH, HEIGHT, tmp_path)) == 3
        assert len(second[0].result()) == 3
    assert len(list(tmp_path.iterdir())) == 1


def test_the_cache_is_where_users_expect_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "avtar_ros"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "avtar_ros"
