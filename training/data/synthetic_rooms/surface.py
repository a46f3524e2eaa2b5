"""Exact geometry and material of what every pixel sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.synthetic_rooms.furniture import BOX, CYLINDER, SPHERE
from training.data.synthetic_rooms.layout import SHELL_FACES
from training.data.synthetic_rooms.materials import LEVEL_STARTS, LEVELS, SIZE, STRIDE, CHROMA_RANGE, atlas
from training.data.synthetic_rooms.raycast import Caster

Planes = tuple[Tensor, Tensor, Tensor]


@dataclass
class Surface:
    """Per pixel (F, H, W): z-depth; unit normal towards the camera and point, in the room; reflectance (linear RGB);
    gloss; emission; identity (class id * 256 + instance)."""

    depth: Tensor
    normal: Planes
    point: Planes
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
    index = (number + torch.arange(views, device=number.device, dtype=torch.int32)[:, None, None] * most).reshape(-1)
    frames = torch.cat((scene.inverse.reshape(-1, 9), caster.origin.reshape(-1, 3)), dim=1).t().contiguous()
    m = _gather(frames, index, number.shape)
    kind = scene.kind.reshape(-1).to(torch.uint8)[index].view(number.shape)
    ray = view_rays(caster)

    step = [m[3 * i] * ray[0] + m[3 * i + 1] * ray[1] + m[3 * i + 2] * ray[2] for i in range(3)]
    q = [(step[i] * depth).add_(m[9 + i]) for i in range(3)]
    faces, masks = _faces(kind, q)
    g = [q[i] * masks[i] for i in range(3)]
    n = [m[i] * g[0] + m[3 + i] * g[1] + m[6 + i] * g[2] for i in range(3)]
    slope = n[0] * ray[0] + n[1] * ray[1] + n[2] * ray[2]
    error = (g[0].square() + g[1].square() + g[2].square() - 1) / 2
    exact = depth - (error / slope).clamp_(-1e-3, 1e-3)
    scale = (n[0].square() + n[1].square() + n[2].square()).rsqrt_() * -slope.sign()
    normal = (n[0] * scale, n[1] * scale, n[2] * scale)
    point = tuple(ray[i] * exact + scene.position[:, i, None, None] for i in range(3))

    face = ((q[0] > 0) * faces[0]) + (2 + (q[1] > 0).byte()) * faces[1] + (4 + (q[2] > 0).byte()) * faces[2]
    index = index + (face * (number == 0)).reshape(-1)
    looks = _gather(scene.looks, index, number.shape)
    footprint = exact / (scene.focal[:, None, None] * (normal[0] * ray[0] + normal[1] * ray[1] + normal[2] * ray[2]).abs().clamp_(min=0.25))
    reflectance = _colour(looks, q, faces, footprint, m)
    return Surface(exact, normal, (point[0], point[1], point[2]), reflectance, looks[12], looks[13],
                   scene.identity[index].view(number.shape))


def view_rays(caster: Caster) -> Planes:
    """Rays of all pixels in the room, three (F, H, W), of length 1 along the optical axis."""
    p = caster.pixel
    u = torch.arange(caster.columns * 16, device=p.device, dtype=torch.float32)
    v = torch.arange(caster.rows * 16, device=p.device, dtype=torch.float32)
    x, y, z = ((p[:, i, 0, None] * u)[:, None, :] + (p[:, i, 1, None] * v + p[:, i, 2, None])[:, :, None] for i in range(3))
    return x, y, z


def _gather(table: Tensor, index: Tensor, shape: torch.Size) -> Tensor:
    """Columns of table (fields, rows) for every pixel: (fields, *shape)."""
    return table.index_select(1, index).view(-1, *shape)


def _faces(kind: Tensor, q: list[Tensor]) -> tuple[Planes, Planes]:
    """Which of a box's three pairs of faces a point is on, and which components of q make up the surface there."""
    x, y, z = (component.square() for component in q)
    on_x = x >= torch.maximum(y, z)
    on_y = (y >= z) & ~on_x
    on_z = ~(on_x | on_y)
    is_box, is_sphere = kind == BOX, kind == SPHERE
    is_cylinder = kind == CYLINDER
    cap = z >= x + y
    side = (is_cylinder & ~cap) | is_sphere
    masks = ((on_x & is_box) | side, (on_y & is_box) | side, (on_z & is_box) | (is_cylinder & cap) | is_sphere)
    return (on_x, on_y, on_z), masks


def _colour(looks: Tensor, q: list[Tensor], faces: Planes, footprint: Tensor, m: Tensor) -> Planes:
    """Look the texture up, at the mip level where a texel is about a pixel, and mix the material's two colours."""
    turns = [q[i] * looks[1 + i] for i in range(3)]
    u = torch.where(faces[0], turns[1], turns[0]) + looks[4]
    v = torch.where(faces[2], turns[1], turns[2]) + looks[5]
    per_metre = (looks[2] * (m[3].square() + m[4].square() + m[5].square()).sqrt_()).mul_(footprint * SIZE)
    level = per_metre.clamp_(min=1.0).log2_().add_(0.3).clamp_(max=LEVELS - 1).to(torch.int32)
    side = torch.full_like(level, SIZE) >> level
    column = ((u - u.floor()) * side).to(torch.int32)
    row = ((v - v.floor()) * side).to(torch.int32)
    starts = torch.tensor(LEVEL_STARTS, dtype=torch.int32, device=level.device)
    where = (looks[0] * STRIDE).to(torch.int32) + starts[level] + torch.minimum(row, side - 1) * side + torch.minimum(column, side - 1)
    texel = atlas(level.device).index_select(0, where.reshape(-1)).view(where.shape)
    mix = (texel & 255).float().mul_(1 / 255)
    shade = ((texel >> 8) & 255).float().mul_(2 / 255)
    warm = ((texel >> 16) & 255).float().mul_(CHROMA_RANGE / 255).add_(1 - CHROMA_RANGE / 2)
    cool = ((texel >> 24) & 255).float().mul_(CHROMA_RANGE / 255).add_(1 - CHROMA_RANGE / 2)
    red, green, blue = (torch.lerp(looks[6 + i], looks[9 + i], mix).mul_(shade) for i in range(3))
    return red.mul_(warm), green.mul_(2 - (warm + cool).mul_(0.5)), blue.mul_(cool)
