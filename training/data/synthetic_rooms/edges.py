"""Where one thing ends and another begins, from exact geometry."""

from __future__ import annotations

import torch
from torch import Tensor

from training.data.synthetic_rooms.surface import Planes

JUMP = 0.04  # least relative step in depth, beyond what the surfaces' slopes explain, that counts as an occlusion


def edge_map(depth: Tensor, normal: Planes, identity: Tensor, focal: Tensor) -> Tensor:
    """Edges (F, H, W), 1 or 0: a boundary lies between the pixel and its right or its lower neighbour.

    depth (F, H, W); normal, three (F, H, W), optical frame; identity (F, H, W) differs between instances; focal (F,).
    A boundary is a change of instance, or a step in depth. On a plane n . P = c inverse depth is linear in the image,
    with gradient (n_x, n_y) / (f c): a step is what that gradient, taken from either side, leaves over.
    """
    height, width = depth.shape[1:]
    u = torch.arange(width, device=depth.device) - (width - 1) / 2
    v = torch.arange(height, device=depth.device) - (height - 1) / 2
    f = focal[:, None, None]
    inverse = depth.reciprocal()
    offset = depth * (normal[0] * u).addcmul_(normal[1], v[:, None]).addcmul_(normal[2], f)  # f c
    edges = torch.zeros_like(depth, dtype=torch.bool)
    for axis, size in ((2, width), (1, height)):
        slope = normal[2 - axis] / offset
        a, b = inverse.narrow(axis, 0, size - 1), inverse.narrow(axis, 1, size - 1)
        step = b - a
        left = (step - slope.narrow(axis, 0, size - 1)).abs()
        right = (step - slope.narrow(axis, 1, size - 1)).abs()
        jump = torch.minimum(left, right) > JUMP * torch.maximum(a, b)
        change = identity.narrow(axis, 0, size - 1) != identity.narrow(axis, 1, size - 1)
        edges.narrow(axis, 0, size - 1).logical_or_(jump | change)
    return edges.float()
