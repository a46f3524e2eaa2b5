"""Light on surfaces: lamp and window with soft shadows and highlights, and light from everywhere, less in creases."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.data.synthetic_rooms.primitives import interval
from training.data.synthetic_rooms.raycast import SAMPLES, TILE, Candidates, Caster, apply, keep
from training.data.synthetic_rooms.room import SHELL_FACES
from training.data.synthetic_rooms.surface import Planes, Surface, dot

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
    ray = seen.ray
    ray_length = dot(ray, ray).sqrt_()
    on = receivers(caster, seen)
    for lamp in range(scene.lights.shape[1]):
        place, radius = scene.lights[:, lamp, :3], scene.lights[:, lamp, 6]
        toward = [place[:, i, None, None] - seen.point[i] for i in range(3)]
        square = dot(toward, toward)
        inverse = square.rsqrt()
        facing = dot(toward, seen.normal).mul_(inverse).clamp_(min=0)
        lit = lit_share(caster, place, radius, on).mul_(square.add_(1).reciprocal_().mul_(4))
        along = dot(toward, ray).mul_(inverse)
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
    small = [plane[:, ::2, ::2].contiguous() for plane in (*seen.point, *seen.normal)]
    height, width = small[0].shape[1:]
    reach = max(max(abs(dx), abs(dy)) for dx, dy in CREASE_TAPS)
    stretch = width / 128
    reach = int(reach * stretch)
    points = [F.pad(plane[None], (reach, reach, reach, reach), mode="replicate")[0] for plane in small[:3]]
    covered = torch.zeros_like(small[0])
    for dx, dy in CREASE_TAPS:
        x, y = reach + int(dx * stretch), reach + int(dy * stretch)
        offset = [points[i][:, y : y + height, x : x + width] - small[i] for i in range(3)]
        rise = dot(offset, small[3:])
        square = dot(offset, offset)
        near = (1 + square.mul(1 / CREASE_REACH**2)).reciprocal_()
        covered.add_(rise.clamp_(min=0).mul_(square.add_(1e-4).rsqrt_()).mul_(near))
    darkness = covered.mul_(1.6 / len(CREASE_TAPS)).clamp_(max=0.7)
    full = F.interpolate(darkness[:, None], scale_factor=2, mode="bilinear", align_corners=False)[:, 0]
    return 1 - full


@dataclass(frozen=True)
class Receivers:
    """What tiles see, as receivers of shadows: depth (tiles, TILE * TILE), and the box around the points, its middle
    and half extents (tiles, 3) in the room."""

    depth: Tensor
    middle: Tensor
    half: Tensor


def receivers(caster: Caster, seen: Surface) -> Receivers:
    ends = [torch.aminmax(caster.to_tiles(plane), dim=1) for plane in seen.point]
    low, high = torch.stack([end.min for end in ends], dim=1), torch.stack([end.max for end in ends], dim=1)
    return Receivers(caster.to_tiles(seen.depth), (low + high) / 2, (high - low) / 2)


def lit_share(caster: Caster, lamp: Tensor, radius: Tensor, on: Receivers) -> Tensor:
    """How much of the lamps at (F, 3), with radius (F,), is seen from the surface, (F, H, W).

    Each row looks at one of four points of the lamp, in turn; blurring over four rows makes the shadows soft.
    """
    scene = caster.scene
    corners = torch.tensor(CORNERS, device=lamp.device) * radius[:, None, None] + lamp[:, None]  # (F, SAMPLES, 3)
    origins = apply(scene.inverse[:, :, None], corners[:, None] - scene.centre[:, :, None]).flatten(0, 1)
    rows_of = caster.down.view(SAMPLES, -1)
    depth = on.depth.view(-1, rows_of.shape[1] * TILE)
    blocked = torch.zeros_like(depth)
    for kind, found in _casting(caster, corners, origins, on).items():
        reach = depth.index_select(0, found.tiles)
        inside = torch.zeros_like(reach)
        for rows, chosen in found.turns:
            tile, sample = found.tiles[rows] // SAMPLES, found.tiles[rows] % SAMPLES
            start = origins.view(-1, 3).index_select(0, chosen * SAMPLES + sample)
            rays = caster.rays(tile, chosen, rows_of.index_select(0, sample))
            shifts = caster.origin.view(-1, 3).index_select(0, chosen) - start
            for axis, shift in enumerate(shifts.unbind(dim=1)):
                rays[axis].mul_(reach[rows]).add_(shift[:, None])  # from the camera's rays to those from the lamp
            near, far = interval(kind, start, rays)
            keep(inside, rows, far.clamp_(max=GRAZE).sub_(near), least=False)
        blocked[found.tiles] += inside
    return _over_samples(caster.to_image(blocked.le_(0).view(-1, TILE * TILE)))


def _over_samples(image: Tensor) -> Tensor:
    """The mean over the SAMPLES rows around each row, (F, H, W)."""
    padded = F.pad(image[:, None], (0, 0, 1, SAMPLES - 2), mode="replicate")[:, 0]
    height = image.shape[1]
    total = padded[:, :height].clone()
    for row in range(1, SAMPLES):
        total.add_(padded[:, row : row + height])
    return total.mul_(1 / SAMPLES)


def _casting(caster: Caster, corners: Tensor, origins: Tensor, on: Receivers) -> dict[int, Candidates]:
    """Which primitives may stand between a point of a lamp and those rows of a tile that look at it.

    The points that a tile sees lie in a box, so the shadow rays to one point of a lamp lie in the hull of the two. A
    primitive is no candidate where a plane parts it from that hull. Planes across the room's axes sort most out; what
    they leave is tried, for each of the lamp's points, in the primitive's own frame. What shines casts no shadow.

    corners: (F, SAMPLES, 3), the lamp's points; origins: (F * n, SAMPLES, 3), the same in the primitives' frames.
    """
    scene = caster.scene
    views, most = scene.kind.shape
    dark = scene.looks[-1].view(views, most) == 0
    solid = (scene.kind >= 0) & (torch.arange(most, device=dark.device) >= SHELL_FACES) & dark
    touches = solid[:, None].expand(-1, caster.rows * caster.columns, -1)
    low, high = ((on.middle + sign * on.half).view(views, -1, 1, 3) for sign in (-1, 1))
    for i in range(3):
        centre, reach = scene.centre[:, None, :, i], scene.axes[:, :, i].abs().sum(dim=2)[:, None]
        lamp_low, lamp_high = torch.aminmax(corners[:, None, :, i], dim=2, keepdim=True)
        touches = touches & (centre + reach >= torch.minimum(low[..., i], lamp_low))
        touches &= centre - reach <= torch.maximum(high[..., i], lamp_high)
    view, tile, number = touches.nonzero(as_tuple=True)
    tile, number = tile + view * touches.shape[1], number + view * most
    shades = _may_shade(
        scene.inverse.flatten(0, 1).index_select(0, number),
        origins.index_select(0, number),
        on.middle.index_select(0, tile) - scene.centre.flatten(0, 1).index_select(0, number),
        on.half.index_select(0, tile),
    )
    by_sample = touches.new_zeros((views, touches.shape[1], SAMPLES, most))
    by_sample.transpose(2, 3)[touches] = shades
    return caster.by_kind(by_sample.flatten(1, 2), TILE * TILE // SAMPLES)


def _may_shade(inverse: Tensor, origin: Tensor, middle: Tensor, half: Tensor) -> Tensor:
    """Whether [-1, 1]^3 may touch the hull of a box and each of the points origin (m, SAMPLES, 3); the same as bool.

    inverse (m, 3, 3) brings the middle (m, 3) and the half extents (m, 3) of the box into the same frame. The planes
    tried are across the frame's axes; across the shortest way from 0 to the line between point and middle; and along
    both that line and one of the axes.
    """
    reach = apply(inverse.abs(), half)[:, None].unbind(dim=2)
    toward = apply(inverse, middle)[:, None].unbind(dim=2)
    start = origin.unbind(dim=2)
    line = [toward[i] - start[i] for i in range(3)]
    length = line[0].square() + line[1].square() + line[2].square()
    along = -(start[0] * line[0] + start[1] * line[1] + start[2] * line[2]) / length
    gap = [start[i] + along.clamp(0, 1) * line[i] for i in range(3)]
    touches = gap[0].square() + gap[1].square() + gap[2].square() <= (
        gap[0].abs() * (1 + reach[0]) + gap[1].abs() * (1 + reach[1]) + gap[2].abs() * (1 + reach[2])
    )
    for i in range(3):
        touches &= torch.minimum(start[i], toward[i] - reach[i]) <= 1
        touches &= torch.maximum(start[i], toward[i] + reach[i]) >= -1
        j, k = (i + 1) % 3, (i + 2) % 3
        offset = start[j] * line[k] - start[k] * line[j]
        touches &= offset.abs() <= line[k].abs() * (1 + reach[j]) + line[j].abs() * (1 + reach[k])
    return touches
