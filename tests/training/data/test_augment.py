"""Changes to image and maps together keep the geometry right: what is seen is still a surface with its normals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.training import tiny
from training.data.augment import downscaled, flipped
from training.data.batch import Batch
from training.data.synthetic_rooms import render_rooms

WIDTH, HEIGHT = 64, 48


@pytest.fixture(scope="module")
def rooms() -> Batch:
    return render_rooms(range(8), WIDTH, HEIGHT)


def points(batch: Batch, centre: tuple[float, float]) -> Tensor:
    """Depth seen back into space, (B, H, W, 3) metres in the optical frame; `centre` is the principal point."""
    depth = batch.maps["depth"]
    rows, columns = (torch.arange(size, dtype=torch.float32) for size in depth.shape[1:])
    focal = batch.focal[:, None, None]
    x = (columns[None, None, :] - centre[0]) / focal * depth
    y = (rows[None, :, None] - centre[1]) / focal * depth
    return torch.stack([x, y, depth], dim=-1)


def share_of_flat_pixels_that_fit(batch: Batch, centre: tuple[float, float]) -> float:
    """Of pixels whose two neighbours have the same normal, the share where the steps to them lie in the surface.

    On a plane the step to a neighbour is at right angles to the normal; steps across a silhouette are not.
    """
    space, normals = points(batch, centre), batch.maps["normals"]
    here = normals[:, :-1, :-1]
    right, down = normals[:, :-1, 1:], normals[:, 1:, :-1]
    flat = ((here * right).sum(-1) > 0.999) & ((here * down).sum(-1) > 0.999)
    fits = torch.ones_like(flat)
    for neighbour in (space[:, :-1, 1:], space[:, 1:, :-1]):
        step = torch.nn.functional.normalize(neighbour - space[:, :-1, :-1], dim=-1)
        fits &= (step * here).sum(-1).abs() < 0.02
    assert flat.float().mean() > 0.3
    return float(fits[flat].float().mean())


def middle(size: int) -> float:
    return (size - 1) / 2


def test_normals_fit_the_depth_of_mirrored_rooms(rooms: Batch) -> None:
    centre = middle(WIDTH), middle(HEIGHT)
    everything = torch.ones(len(rooms), dtype=torch.bool)
    as_it_is, mirrored = (share_of_flat_pixels_that_fit(b, centre) for b in (rooms, flipped(rooms, everything)))
    assert as_it_is > 0.9
    assert mirrored == pytest.approx(as_it_is, abs=0.01)
    # The measure is one: normals that are not mirrored with the image do not fit.
    wrong = flipped(rooms, everything)
    wrong.maps["normals"] = rooms.maps["normals"].flip(2)
    assert share_of_flat_pixels_that_fit(wrong, centre) < 0.7 * as_it_is


def test_only_the_named_images_are_mirrored_and_twice_is_not_at_all() -> None:
    batch = tiny.batch(4)
    which = torch.tensor([True, False, False, True])
    once = flipped(batch, which)
    assert torch.equal(once.image[1:3], batch.image[1:3])
    assert torch.equal(once.image[0], batch.image[0].flip(1))
    for name, values in batch.maps.items():
        torch.testing.assert_close(once.maps[name][1:3], values[1:3], rtol=0, atol=0, equal_nan=True)
        assert not torch.equal(once.maps[name].nan_to_num()[0], values.nan_to_num()[0])
    mirrored = batch.maps["normals"][0].flip(1) * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(once.maps["normals"][0], mirrored, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(once.focal, batch.focal)

    twice = flipped(once, which)
    assert torch.equal(twice.image, batch.image)
    for name, values in batch.maps.items():
        torch.testing.assert_close(twice.maps[name], values, rtol=0, atol=0, equal_nan=True)
        assert twice.maps[name].dtype == values.dtype


@pytest.mark.parametrize("factor", [2, 4])
def test_a_smaller_picture_shows_the_same_space(rooms: Batch, factor: int) -> None:
    """The pixel (x, y) of the smaller camera looks where (factor x, factor y) looked, and sees the same point."""
    smaller = downscaled(rooms, factor)
    assert smaller.image.shape == (len(rooms), HEIGHT // factor, WIDTH // factor, 3)
    assert all(values.shape[1:3] == smaller.image.shape[1:3] for values in smaller.maps.values())
    seen = points(smaller, (middle(WIDTH) / factor, middle(HEIGHT) / factor))
    expected = points(rooms, (middle(WIDTH), middle(HEIGHT)))[:, ::factor, ::factor]
    torch.testing.assert_close(seen, expected)
    assert torch.equal(smaller.maps["normals"], rooms.maps["normals"][:, ::factor, ::factor])
    assert set(smaller.maps["segmentation"].unique().tolist()) <= set(rooms.maps["segmentation"].unique().tolist())


def test_no_edge_is_lost_and_colours_are_averaged(rooms: Batch) -> None:
    smaller = downscaled(rooms, 2)
    for y, x in ((0, 0), (5, 9), (23, 31)):
        rows, columns = slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2)
        edges = rooms.maps["edges"][:, rows, columns].flatten(1)
        assert torch.equal(smaller.maps["edges"][:, y, x], edges.max(1).values)
        colour = rooms.image[:, rows, columns].float().mean((1, 2))
        assert (smaller.image[:, y, x].float() - colour).abs().max() <= 0.5
    assert smaller.image.dtype == torch.uint8


def test_not_smaller_is_the_batch_itself(rooms: Batch) -> None:
    assert downscaled(rooms, 1) is rooms
