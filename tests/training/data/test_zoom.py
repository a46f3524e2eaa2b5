"""Augmentation: zooming keeps every point where it is in space, tinting leaves the maps alone, chance is repeatable."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.training import tiny
from training.data.augment import augmented, flipped, tinted, zoomed
from training.data.batch import Batch
from training.data.config import AugmentConfig

WIDTH, HEIGHT = 64, 48
NORMAL = torch.nn.functional.normalize(torch.tensor([0.3, -0.4, -1.0]), dim=0)


def plane_depth(focal: Tensor, centre: Tensor) -> Tensor:
    """Depth (B, H, W) of a slanted plane seen by cameras with focal lengths (B,), principal points (B, 2)."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT).float(), torch.arange(WIDTH).float(), indexing="ij")
    x = (columns - centre[:, 0, None, None]) / focal[:, None, None]
    y = (rows - centre[:, 1, None, None]) / focal[:, None, None]
    return -2 / (NORMAL[0] * x + NORMAL[1] * y + NORMAL[2])


def plane(size: int) -> Batch:
    focal = torch.linspace(50, 60, size)
    centre = torch.tensor([(WIDTH - 1) / 2, (HEIGHT - 1) / 2]).expand(size, 2)
    depth = plane_depth(focal, centre)
    ids = (torch.arange(WIDTH) >= WIDTH // 2).to(torch.uint8).mul(6).expand(size, HEIGHT, WIDTH).clone()
    columns = torch.arange(WIDTH, dtype=torch.uint8).view(1, 1, WIDTH, 1).expand(size, HEIGHT, WIDTH, 3).clone()
    normals = NORMAL.expand(*depth.shape, 3).clone()
    return Batch(columns, {"depth": depth, "normals": normals, "segmentation": ids}, focal)


SCALES = torch.tensor([1.0, 1.25, 1.7, 2.0])


@pytest.mark.parametrize("place", [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5), (0.2, 0.9)])
def test_points_stay_where_they_are_in_space(place: tuple[float, float]) -> None:
    """Back-projected through the new focal length, and the principal point moved with the cut, it is the same plane."""
    batch = plane(len(SCALES))
    made = zoomed(batch, SCALES, torch.tensor(place).expand(len(SCALES), 2))
    torch.testing.assert_close(made.focal, batch.focal * SCALES)
    left = torch.tensor(place) * (1 - 1 / SCALES[:, None]) * torch.tensor([WIDTH, HEIGHT])
    middle = torch.tensor([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
    expected = plane_depth(made.focal, SCALES[:, None] * (middle + 0.5 - left) - 0.5)
    slope = torch.stack(torch.gradient(expected, dim=(1, 2))).abs().sum(0)
    # The nearest pixel is at most half a pixel of the old image away, scale / 2 of the new.
    assert ((made.maps["depth"] - expected).abs() <= 0.51 * SCALES[:, None, None] * slope + 1e-5).all()
    torch.testing.assert_close(made.maps["normals"], batch.maps["normals"])


def test_image_and_maps_are_cut_out_at_the_same_place() -> None:
    """The image's columns are numbered, and classes change in the middle: both still meet."""
    batch = plane(len(SCALES))
    made = zoomed(batch, SCALES, torch.tensor([0.4, 0.3]).expand(len(SCALES), 2))
    right = made.image[..., 0].float() > (WIDTH - 1) / 2
    disagree = right != (made.maps["segmentation"] == 6)
    assert float(disagree.float().mean()) < 1.5 / WIDTH
    assert set(made.maps["segmentation"].unique().tolist()) == {0, 6}
    assert made.maps["segmentation"].dtype == made.image.dtype == torch.uint8


def test_not_zoomed_is_the_batch_itself() -> None:
    batch = tiny.batch(3)
    made = zoomed(batch, torch.ones(3), torch.rand(3, 2))
    assert torch.equal(made.image, batch.image) and torch.equal(made.focal, batch.focal)
    for name, values in batch.maps.items():
        torch.testing.assert_close(made.maps[name], values, rtol=0, atol=0, equal_nan=True)


def test_unknown_stays_unknown_and_nothing_else_becomes_it() -> None:
    batch = tiny.batch(4)
    made = zoomed(batch, torch.full((4,), 1.5), torch.full((4, 2), 0.5))
    for name in ("depth", "normals"):
        before, after = (float(b.maps[name].isnan().float().mean()) for b in (batch, made))
        assert 0 < after == pytest.approx(before, abs=0.03)


def test_another_light_leaves_maps_and_geometry_alone() -> None:
    batch = tiny.batch(4)
    made = tinted(batch, torch.tensor([[0.0] * 4, [0.3, 0, 0, 0], [0, -0.5, 0, 0], [0, 0, -1.0, 0.5]]))
    assert made.maps is batch.maps and made.focal is batch.focal
    assert made.image.dtype == torch.uint8 and made.image.shape == batch.image.shape
    image, changed = batch.image.float(), made.image.float()
    assert (changed[0] - image[0]).abs().max() <= 1
    assert (changed[1] - (image[1] + 76.5).clamp(max=255)).abs().max() <= 1
    assert (changed[2] - image[2] / 2).abs().max() <= 1
    assert (changed[3].amax(-1) - changed[3].amin(-1)).max() <= 1  # no saturation: grey


def test_the_same_seed_gives_the_same_batch_and_another_another() -> None:
    batch, config = tiny.batch(4), AugmentConfig(zoom=1.5, jitter=0.3)
    first, again, other = (augmented(batch, config, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    torch.manual_seed(99)  # the generator alone decides
    assert torch.equal(first.image, again.image) and torch.equal(first.focal, again.focal)
    assert not torch.equal(first.image, other.image)
    assert (first.focal >= batch.focal).all() and (first.focal <= 1.5 * batch.focal).all()
    assert (first.focal > batch.focal).any()


def test_without_zoom_and_jitter_images_are_mirrored_alone() -> None:
    batch = tiny.batch(6)
    made = augmented(batch, AugmentConfig(), torch.Generator().manual_seed(1))
    coins = torch.rand(6, generator=torch.Generator().manual_seed(1)) < 0.5
    assert 0 < int(coins.sum()) < 6
    assert torch.equal(made.image, flipped(batch, coins).image)
    still = augmented(batch, AugmentConfig(flip=False), torch.Generator().manual_seed(1))
    assert still is batch
