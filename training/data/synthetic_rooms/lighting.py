"""Light on surfaces: a lamp with shadows, a window's light without, and light from everywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from training.data.synthetic_rooms.furniture import BOX, CYLINDER, SPHERE
from training.data.synthetic_rooms.primitives import interval
from training.data.synthetic_rooms.raycast import Candidates, Caster, apply, candidates
from training.data.synthetic_rooms.surface import Planes, Surface

GRAZE = 0.985  # a shadow ray ends this share of the way from the lamp, short of the surface itself


def radiance(caster: Caster, seen: Surface) -> Planes:
    """Linear RGB radiance of every pixel, three (F, H, W)."""
    scene = caster.scene
    upward = 0.75 + 0.25 * seen.normal[2]
    light = [upward * scene.ambient[:, i, None, None] for i in range(3)]
    for lamp in range(scene.lights.shape[1]):
        place = scene.lights[:, lamp, :3]
        toward = [place[:, i, None, None] - seen.point[i] for i in range(3)]
        square = toward[0].square() + toward[1].square() + toward[2].square()
        inverse = square.rsqrt()
        facing = (toward[0] * seen.normal[0] + toward[1] * seen.normal[1] + toward[2] * seen.normal[2]).mul_(inverse)
        strength = facing.clamp_(min=0).mul_(4 / (square + 1.0))
        if lamp == 0:
            strength.mul_(lit(caster, place, seen))
        for i in range(3):
            light[i].addcmul_(strength, scene.lights[:, lamp, 3 + i, None, None])
    return tuple(seen.reflectance[i] * (light[i] + 2.0 * seen.emission) for i in range(3))  # type: ignore[return-value]


def lit(caster: Caster, lamp: Tensor, seen: Surface) -> Tensor:
    """1 where the lamps at (F, 3) are seen from the surface, 0 in their shadow; (F, H, W)."""
    scene = caster.scene
    depth = caster.to_tiles(seen.depth)
    origin = apply(scene.inverse, lamp[:, None] - scene.centre)
    shift = caster.origin - origin  # from the lamp to the camera
    depths = torch.zeros_like(depth)
    for kind, found in _casting(caster, lamp, seen).items():
        start = 0
        inside = torch.full_like(depth[: len(found.tiles)], -1.0)
        distance = depth[found.tiles]
        for size in found.rounds:
            chosen = found.primitives[start : start + size]
            start += size
            rays = caster.rays(found.tiles[:size], chosen)
            e = shift.flatten(0, 1)[chosen]
            for i in range(3):
                rays[i].mul_(distance[:size]).add_(e[:, i, None])
            near, far = interval(kind, origin.flatten(0, 1)[chosen], rays)
            torch.maximum(inside[:size], far.clamp_(max=GRAZE).sub_(near), out=inside[:size])
        depths[found.tiles] = torch.maximum(depths[found.tiles], inside)
    return caster.to_image((depths <= 0).float())


def _casting(caster: Caster, lamp: Tensor, seen: Surface) -> dict[int, Candidates]:
    """Which primitives may stand between a lamp and what a tile sees.

    The points a tile sees lie in a ball, so the shadow rays lie in a cone from the lamp to it; a primitive whose own ball
    touches the cone is a candidate. Lamps that shine cast no shadow.
    """
    scene = caster.scene
    views, most = scene.kind.shape
    tiles = [caster.to_tiles(p) for p in seen.point]
    low = torch.stack([t.amin(dim=1) for t in tiles], dim=1).view(views, -1, 1, 3)
    high = torch.stack([t.amax(dim=1) for t in tiles], dim=1).view(views, -1, 1, 3)
    lamp = lamp[:, None, None]
    centre = scene.centre[:, None]
    radius = scene.axes.square().sum(dim=(2, 3)).sqrt()[:, None]
    middle, spread = (low + high) / 2, ((high - low) / 2).norm(dim=3)
    axis = middle - lamp
    along = (((centre - lamp) * axis).sum(dim=3) / axis.square().sum(dim=3)).clamp(0, 1)
    gap = (centre - lamp - along[..., None] * axis).norm(dim=3)
    touches = gap <= radius + spread * (along + 0.1).clamp(max=1)
    reach = scene.axes.abs().sum(dim=3)[:, None]
    box_low, box_high = torch.minimum(low, lamp), torch.maximum(high, lamp)
    touches &= ((centre + reach >= box_low) & (centre - reach <= box_high)).all(dim=3)
    dark = scene.looks[13].view(views, most) == 0
    solid = (torch.arange(most, device=lamp.device) >= 6) & dark
    return {kind: candidates(touches & ((scene.kind == kind) & solid)[:, None]) for kind in (BOX, CYLINDER, SPHERE)}
