"""Exact geometry and material of what every pixel sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.synthetic_rooms.materials import CHROMA_RANGE, LEVEL_STARTS, LEVELS, SIZE, STRIDE, atlas
from training.data.synthetic_rooms.primitives import BOX, CYLINDER
from training.data.synthetic_rooms.raycast import Caster

Planes = tuple[Tensor, Tensor, Tensor]


@dataclass
class Surface:
    """Per pixel (F, H, W): z-depth; unit normal towards the camera, point, and ray of z-depth 1, all in the room;
    facing, minus normal times ray; reflectance (linear RGB); gloss; emission; identity (class id * 256 + instance)."""

    depth: Tensor
    normal: Planes
    point: Planes
    ray: Planes
    facing: Tensor
    reflectance: Planes
    gloss: Tensor
    emission: Tensor
    identity: Tensor


def surface(caster: Caster, depth: Tensor, number: Tensor) -> Surface:
    """Refine what `Caster.cast` found.

    With q the point in the primitive's frame, a face of a box is where one component of q is +-1, the side of a
    cylinder where its x and y components have length 1, a sphere where all three have: g = q masked to those
    components, (g . g - 1) / 2 = 0. One Newton step from the approximate depth lands on it, and g is the normal.
    """
    scene = caster.scene
    views, most = scene.kind.shape
    index = (number + torch.arange(views, device=number.device)[:, None, None] * most).view(-1)
    m = _gather(scene.inverse.reshape(-1, 9).t().contiguous(), index, number.shape)
    origin = _gather(caster.origin.reshape(-1, 3).t().contiguous(), index, number.shape)
    flat, tube = _gather(
        torch.stack((scene.kind == BOX, scene.kind == CYLINDER)).view(2, -1).float(), index, number.shape
    )
    ray = view_rays(caster)

    q = [dot(m[3 * i : 3 * i + 3], ray).mul_(depth).add_(origin[i]) for i in range(3)]
    faces, masks = _faces(flat, tube, q)
    g = [q[i] * masks[i] for i in range(3)]
    n = [dot(m[i::3], g) for i in range(3)]
    slope = dot(n, ray)
    exact = depth - dot(g, g).sub_(1).mul_(0.5).div_(slope).clamp_(-1e-3, 1e-3)
    scale = dot(n, n).rsqrt_().mul_(slope.sign()).neg_()
    normal = (n[0].mul_(scale), n[1].mul_(scale), n[2].mul_(scale))
    point = tuple((ray[i] * exact).add_(scene.position[:, i, None, None]) for i in range(3))

    face = dot(q, faces).gt_(0).add_(faces[1], alpha=2).add_(faces[2], alpha=4)  # rows of the shell's faces
    face.mul_(1 - number.clamp(max=1))
    index = index + face.to(torch.int64).view(-1)
    facing = dot(normal, ray).neg_()
    footprint = exact / (facing.clamp(min=0.25).mul_(scene.focal[:, None, None]))
    paint = _gather(scene.looks[:7], index, number.shape)
    texel = _texel(paint, q, faces, footprint)
    colours = _gather(scene.looks[7:13], index, number.shape)
    gloss, emission = _gather(scene.looks[13:], index, number.shape)
    return Surface(
        exact,
        normal,
        (point[0], point[1], point[2]),
        ray,
        facing,
        _colour(colours, texel),
        gloss,
        emission,
        scene.identity.index_select(0, index).view(number.shape),
    )


def view_rays(caster: Caster) -> Planes:
    """Rays of all pixels in the room, three (F, H, W), of length 1 along the optical axis."""
    p = caster.pixel
    u = torch.arange(caster.columns * 16, device=p.device, dtype=torch.float32)
    v = torch.arange(caster.rows * 16, device=p.device, dtype=torch.float32)
    x, y, z = (
        (p[:, i, 0, None] * u)[:, None, :] + (p[:, i, 1, None] * v + p[:, i, 2, None])[:, :, None] for i in range(3)
    )
    return x, y, z


def _gather(table: Tensor, index: Tensor, shape: torch.Size) -> Tensor:
    """Columns of table (fields, rows) for every pixel: (fields, *shape)."""
    return table.index_select(1, index).view(-1, *shape)


def dot(left: Sequence[Tensor] | Tensor, right: Sequence[Tensor]) -> Tensor:
    """Sum of the products of three planes."""
    return (left[0] * right[0]).addcmul_(left[1], right[1]).addcmul_(left[2], right[2])


def _faces(flat: Tensor, tube: Tensor, q: list[Tensor]) -> tuple[Planes, Planes]:
    """Which of a box's three pairs of faces a point is on, and which components of q make up the surface there.

    flat, tube: 1 where a box, a cylinder is seen. All are 0 or 1 in floats, which torch handles faster than bool.
    """
    x, y, z = (component.square() for component in q)
    ball = 1 - flat - tube
    cap = (z - x).ge_(y).mul_(tube)  # z^2 >= x^2 + y^2
    on_x = torch.maximum(y, z).le_(x)
    on_y = y.ge_(z).mul_(1 - on_x)
    on_z = 1 - on_x - on_y
    side = ball + tube - cap
    masks = ((on_x * flat).add_(side), (on_y * flat).add_(side), (on_z * flat).add_(ball).add_(cap))
    return (on_x, on_y, on_z), masks


def _texel(paint: Tensor, q: list[Tensor], faces: Planes, footprint: Tensor) -> Tensor:
    """Look the texture up, four bytes a pixel, at the mip level where a texel is about as large as a pixel.

    paint: texture, factor x y z, shift u v, repeats per metre; footprint: metres on the surface that a pixel covers.
    """
    turns = [q[i] * paint[1 + i] for i in range(3)]
    u = torch.lerp(turns[0], turns[1], faces[0]).add_(paint[4])
    v = torch.lerp(turns[2], turns[1], faces[2]).add_(paint[5])
    level = footprint.mul_(paint[6]).mul_(SIZE).clamp_(min=1.0).log2_().add_(0.3).clamp_(max=LEVELS - 1).to(torch.int32)
    side = torch.full_like(level, SIZE).bitwise_right_shift_(level)
    last = side - 1
    column = torch.minimum((u.sub_(u.floor()) * side).to(torch.int32), last)
    row = torch.minimum((v.sub_(v.floor()) * side).to(torch.int32), last)
    starts = torch.tensor(LEVEL_STARTS, dtype=torch.int32, device=level.device)
    start = starts.index_select(0, level.view(-1)).view(level.shape)
    where = (paint[0] * STRIDE).to(torch.int32).add_(start).add_(row.mul_(side)).add_(column)
    return atlas(level.device).index_select(0, where.view(-1)).view(where.shape)


def _colour(colours: Tensor, texel: Tensor) -> Planes:
    """Mix a material's two colours (6, F, H, W) as the texel says."""
    mix, shade, warm, cool = texel.view(torch.uint8).view(-1, 4).t().float().view(4, *texel.shape)
    mix.mul_(1 / 255)
    shade.mul_(2 / 255)
    for chroma in (warm, cool):
        chroma.mul_(CHROMA_RANGE / 255).add_(1 - CHROMA_RANGE / 2)
    green = (warm + cool).mul_(-0.5).add_(2)
    red, grass, blue = (torch.lerp(colours[i], colours[3 + i], mix).mul_(shade) for i in range(3))
    return red.mul_(warm), grass.mul_(green), blue.mul_(cool)
