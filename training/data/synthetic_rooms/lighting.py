"""Light on surfaces: lamp and window with soft shadows and highlights, and light from everywhere, less in creases."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.data.synthetic_rooms.primitives import BOX, CYLINDER, SPHERE, interval
from training.data.synthetic_rooms.raycast import SAMPLES, TILE, Candidates, Caster, apply, candidates
from training.data.synthetic_rooms.room import SHELL_FACES
from training.data.synthetic_rooms.surface import Planes, Surface, view_rays

GRAZE = 0.985  # a shadow ray ends this share of the way from the lamp, short of the surface itself
CORNERS = ((1.0, 1.0, 1.0), (1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0))  # points of a lamp, in its radii
CREASE_TAPS = ((3, 1), (-1, 3), (-3, -1), (1, -3), (7, 7), (-7, 7), (-7, -7), (7, -7))  # half-size pixels
CREASE_REACH = 0.35  # metres


def radiance(caster: Caster, seen: Surface) -> Planes:
    """Linear RGB radiance of every pixel, three (F, H, W)."""
    scene = caster.scene
    everywhere = openness(seen).mul_(0.75 + 0.25 * seen.normal[2])
    light = [everywhere * scene.ambient[:, i, None, None] + 2.0 * seen.emission for i in range(3)]
    shine = [torch.zeros_like(seen.depth) for _ in range(3)]
    ray = view_rays(caster)
    ray_length = (ray[0].square() + ray[1].square() + ray[2].square()).sqrt_()
    for lamp in range(scene.lights.shape[1]):
        place, radius = scene.lights[:, lamp, :3], scene.lights[:, lamp, 6]
        toward = [place[:, i, None, None] - seen.point[i] for i in range(3)]
        square = toward[0].square().addcmul_(toward[1], toward[1]).addcmul_(toward[2], toward[2])
        inverse = square.rsqrt()
        facing = (toward[0] * seen.normal[0]).addcmul_(toward[1], seen.normal[1]).addcmul_(toward[2], seen.normal[2])
        facing.mul_(inverse).clamp_(min=0)
        lit = lit_share(caster, place, radius, seen).mul_(4 / (square + 1.0))
        along = (toward[0] * ray[0]).addcmul_(toward[1], ray[1]).addcmul_(toward[2], ray[2]).mul_(inverse)
        glint = _highlight(facing, seen.facing, along, ray_length).mul_(seen.gloss).mul_(lit).mul_(2)
        diffuse = facing.mul_(lit)
        for i in range(3):
            colour = scene.lights[:, lamp, 3 + i, None, None]
            light[i].addcmul_(diffuse, colour)
            shine[i].addcmul_(glint, colour)
    red, green, blue = (shine[i].addcmul_(seen.reflectance[i], light[i]) for i in range(3))
    return red, green, blue


def _highlight(toward_lamp: Tensor, toward_camera: Tensor, along: Tensor, ray_length: Tensor) -> Tensor:
    """Blinn's (n . l) (n . h)^32, h halfway between the directions to the lamp and to the camera.

    toward_lamp: n . l; toward_camera, along: n . v and -l . v for a v of length ray_length.
    """
    cosine = along.div_(ray_length).neg_()
    half = cosine.mul_(2).add_(2).clamp_(min=1e-3).rsqrt_()
    lobe = toward_camera.div(ray_length).add_(toward_lamp).mul_(half).clamp_(max=1)
    for _ in range(5):
        lobe.square_()
    return lobe.mul_(toward_lamp)


def openness(seen: Surface) -> Tensor:
    """How much of its surroundings a point sees (F, H, W), from 1 down to about 0.3 in deep creases.

    Neighbours in the image that rise above a point's tangent plane, near by, take light from it. Done at half size.
    """
    small = [plane[:, ::2, ::2] for plane in (*seen.point, *seen.normal)]
    height, width = small[0].shape[1:]
    reach = max(max(abs(dx), abs(dy)) for dx, dy in CREASE_TAPS)
    stretch = width / 128
    reach = int(reach * stretch)
    points = [F.pad(plane[None], (reach, reach, reach, reach), mode="replicate")[0] for plane in small[:3]]
    covered = torch.zeros_like(small[0])
    for dx, dy in CREASE_TAPS:
        x, y = reach + int(dx * stretch), reach + int(dy * stretch)
        offset = [points[i][:, y : y + height, x : x + width] - small[i] for i in range(3)]
        rise = (offset[0] * small[3]).addcmul_(offset[1], small[4]).addcmul_(offset[2], small[5])
        square = offset[0].square_().addcmul_(offset[1], offset[1]).addcmul_(offset[2], offset[2])
        near = (1 + square.mul(1 / CREASE_REACH**2)).reciprocal_()
        covered.add_(rise.clamp_(min=0).mul_(square.add_(1e-4).rsqrt_()).mul_(near))
    darkness = covered.mul_(1.6 / len(CREASE_TAPS)).clamp_(max=0.7)
    full = F.interpolate(darkness[:, None], scale_factor=2, mode="bilinear", align_corners=False)[:, 0]
    return 1 - full


def lit_share(caster: Caster, lamp: Tensor, radius: Tensor, seen: Surface) -> Tensor:
    """How much of the lamps at (F, 3), with radius (F,), is seen from the surface, (F, H, W).

    Each row looks at one of four points of the lamp, in turn; blurring over four rows makes the shadows soft.
    """
    scene = caster.scene
    corners = torch.tensor(CORNERS, device=lamp.device) * radius[:, None, None] + lamp[:, None]  # (F, SAMPLES, 3)
    origins = apply(scene.inverse[:, :, None], corners[:, None] - scene.centre[:, :, None]).flatten(0, 1)
    shifts = caster.origin.flatten(0, 1)[:, None] - origins  # from the lamp to the camera, (F * n, SAMPLES, 3)
    depth = caster.to_tiles(seen.depth)
    blocked = torch.zeros_like(depth)
    for kind, found in _casting(caster, lamp, radius, seen).items():
        inside = torch.zeros_like(depth[: len(found.tiles)])
        distance = depth[found.tiles]
        start = 0
        for size in found.rounds:
            chosen = found.primitives[start : start + size]
            start += size
            x, y, z = caster.rays(found.tiles[:size], chosen)
            shift = shifts[chosen]
            for axis, component in enumerate((x, y, z)):
                component.mul_(distance[:size]).view(size, SAMPLES, -1).add_(shift[:, :, axis, None])
            rows = (size * SAMPLES, TILE * TILE // SAMPLES)
            near, far = interval(kind, origins[chosen].view(-1, 3), (x.view(rows), y.view(rows), z.view(rows)))
            depth_inside = far.clamp_(max=GRAZE).sub_(near).view(size, -1)
            torch.maximum(inside[:size], depth_inside, out=inside[:size])
        blocked[found.tiles] = torch.maximum(blocked[found.tiles], inside)
    return _over_samples(caster.to_image((blocked <= 0).float()))


def _over_samples(image: Tensor) -> Tensor:
    """The mean over the SAMPLES rows around each row, (F, H, W)."""
    padded = F.pad(image[:, None], (0, 0, 1, SAMPLES - 2), mode="replicate")[:, 0]
    height = image.shape[1]
    total = padded[:, :height].clone()
    for row in range(1, SAMPLES):
        total.add_(padded[:, row : row + height])
    return total.mul_(1 / SAMPLES)


def _casting(caster: Caster, lamp: Tensor, radius: Tensor, seen: Surface) -> dict[int, Candidates]:
    """Which primitives may stand between a lamp and what a tile sees.

    The points that a tile sees lie in a ball and the lamp is another, so the shadow rays lie in the hull of the two:
    a primitive whose own ball touches it is a candidate. What shines casts no shadow.
    """
    scene = caster.scene
    views, most = scene.kind.shape
    tiles = [caster.to_tiles(plane) for plane in seen.point]
    low = torch.stack([tile.amin(dim=1) for tile in tiles], dim=1).view(views, -1, 1, 3)
    high = torch.stack([tile.amax(dim=1) for tile in tiles], dim=1).view(views, -1, 1, 3)
    lamp = lamp[:, None, None]
    margin = 1.75 * radius[:, None, None]
    centre, ball = scene.centre[:, None], scene.axes.square().sum(dim=(2, 3)).sqrt()[:, None]
    middle, spread = (low + high) / 2, ((high - low) / 2).norm(dim=3)
    axis = middle - lamp
    along = (((centre - lamp) * axis).sum(dim=3) / axis.square().sum(dim=3)).clamp_(0, 1)
    gap = (centre - lamp - along[..., None] * axis).norm(dim=3)
    touches = gap <= ball + torch.maximum(spread, margin)
    reach = scene.axes.abs().sum(dim=3)[:, None]
    low, high = torch.minimum(low, lamp - margin[..., None]), torch.maximum(high, lamp + margin[..., None])
    touches &= ((centre + reach >= low) & (centre - reach <= high)).all(dim=3)
    dark = scene.looks[-1].view(views, most) == 0
    solid = (torch.arange(most, device=lamp.device) >= SHELL_FACES) & dark
    return {kind: candidates(touches & ((scene.kind == kind) & solid)[:, None]) for kind in (BOX, CYLINDER, SPHERE)}
