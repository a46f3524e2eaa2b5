"""Where a ray is inside a box, a cylinder or a sphere, each of unit size in its own frame.

The three are convex, so a ray is inside for one interval of its parameter, here clipped to t >= 0:
it hits where near <= far, at near when it started outside.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BOX, CYLINDER, SPHERE = range(3)
Rays = tuple[Tensor, Tensor, Tensor]
MISS = 1e12


def _slab(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Minus the entry and the exit of |x| <= 1 along one axis; overwrites direction."""
    inverse = direction.reciprocal_()
    middle = inverse * origin
    inverse.abs_()
    far = inverse - middle
    return middle.add_(inverse), far


def _box(origin: Tensor, rays: Rays) -> tuple[Tensor, Tensor]:
    minus_near, far = _slab(origin[:, 0:1], rays[0])
    for axis in (1, 2):
        entry, leave = _slab(origin[:, axis : axis + 1], rays[axis])
        torch.minimum(minus_near, entry, out=minus_near)
        torch.minimum(far, leave, out=far)
    return minus_near.neg_(), far


def _round(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The interval where a t^2 + 2 b t + c <= 0; empty (near > far) without real roots. Overwrites a and b."""
    inverse = a.reciprocal()
    square = b.square().addcmul_(a, c, value=-1.0)
    root = square.clamp(min=0).sqrt_()
    gap = square.neg_().clamp_(min=0).mul_(MISS)  # pushes the ends past each other where the ray passes by
    middle = b.mul_(inverse).neg_()
    root.mul_(inverse)
    near = middle - root
    far = middle.add_(root)
    return near.add_(gap), far.sub_(gap)


def _cylinder(origin: Tensor, rays: Rays) -> tuple[Tensor, Tensor]:
    x, y, z = rays
    ox, oy = origin[:, 0:1], origin[:, 1:2]
    minus_near, far = _slab(origin[:, 2:3], z)
    b = (x * ox).addcmul_(y, oy)
    entry, leave = _round(x.square_().addcmul_(y, y), b, ox * ox + oy * oy - 1)
    return torch.maximum(minus_near.neg_(), entry), torch.minimum(far, leave)


def _sphere(origin: Tensor, rays: Rays) -> tuple[Tensor, Tensor]:
    x, y, z = rays
    ox, oy, oz = origin[:, 0:1], origin[:, 1:2], origin[:, 2:3]
    b = (x * ox).addcmul_(y, oy).addcmul_(z, oz)
    a = x.square_().addcmul_(y, y).addcmul_(z, z)
    return _round(a, b, ox * ox + oy * oy + oz * oz - 1)


INTERVALS: dict[int, Callable[[Tensor, Rays], tuple[Tensor, Tensor]]] = {
    BOX: _box,
    CYLINDER: _cylinder,
    SPHERE: _sphere,
}


def interval(kind: int, origin: Tensor, rays: Rays) -> tuple[Tensor, Tensor]:
    """Near and far (m, p) of rays against one primitive of this kind in each row.

    origin (m, 3) and the ray directions, three tensors (m, p), are in the primitive's own frame. The directions are
    used as working memory: their values are lost.
    """
    near, far = INTERVALS[kind](origin, rays)
    return near.clamp_(min=0), far
