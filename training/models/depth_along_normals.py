"""Depth that agrees with the normals beside it: between edges it takes their slopes, on the whole it stays as it was.

A network tells how surfaces are turned more sharply than how far away they are. For a plane of normal n seen along
rays r = ((u − c_x) / f, (v − c_y) / f, 1), the logarithm z of depth has the slopes ∂z/∂u = −n_x / (f n·r) and likewise
in v, as Z n·r is the same all over it. The correction c of z that is added here makes

    Σ w (∇(z + c) − slopes)² + λ Σ c²

small over neighbouring cells of a grid of half the image's size: w falls to nothing at edges, where depth may jump,
and λ says how far a surface reaches. Damped Jacobi sweeps solve it on a pyramid of grids, from coarse to fine, a fixed
number on each, so that all of it is a graph of small convolutions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRID = 2
"""Pixels of the image a side of the finest grid's cells."""
REACH = 0.09
"""Of the image's width: how far a surface carries the depth of one place to another, which is where λ comes from."""
EDGE = 5.0
"""w = exp(−EDGE × probability of an edge)."""
GRAZING, STEEPEST = 0.08, 0.15
"""The least cosine between ray and normal, and the most that z may change from cell to cell, that are believed."""
LEVELS, SWEEPS, DAMPING = 5, 6, 0.8


class DepthAlongNormals(nn.Module):
    """For images of one size from a camera of this focal length in pixels, its axis through the middle of the image."""

    columns: Tensor
    rows: Tensor
    neighbours: Tensor

    def __init__(self, height: int, width: int, focal_px: float) -> None:
        super().__init__()
        self._focal = focal_px / GRID
        self._stiffness = (GRID / (REACH * width)) ** 2
        columns, rows = (torch.arange(n // GRID) - (n // GRID - 1) / 2 for n in (width, height))
        self.register_buffer("columns", columns / self._focal, persistent=False)
        self.register_buffer("rows", rows[:, None] / self._focal, persistent=False)
        neighbours = torch.zeros(5, 1, 3, 3)
        for i, (row, column) in enumerate([(1, 2), (1, 0), (2, 1), (0, 1), (1, 1)]):  # right, left, below, above, own
            neighbours[i, 0, row, column] = 1
        self.register_buffer("neighbours", neighbours, persistent=False)

    def forward(self, depth: Tensor, normals: Tensor, edges: Tensor) -> Tensor:
        """Depth (B, H, W) in metres, of normals (B, H, W, 3) in the optical frame and edges (B, H, W) in [0, 1]."""
        log_depth, edge = (F.avg_pool2d(x[:, None], GRID) for x in (depth.log(), edges))
        along_rows, along_columns = self._slopes(F.avg_pool2d(normals.permute(0, 3, 1, 2), GRID))
        weights = _weights(edge)
        pull_x = weights[0] * (along_rows - (log_depth[..., 1:] - log_depth[..., :-1]))
        pull_y = weights[1] * (along_columns - (log_depth[..., 1:, :] - log_depth[..., :-1, :]))
        pull = F.pad(pull_x, (1, 0)) - F.pad(pull_x, (0, 1)) + F.pad(pull_y, (0, 0, 1, 0)) - F.pad(pull_y, (0, 0, 0, 1))
        correction = F.interpolate(self._solved(pull, edge), size=depth.shape[-2:], mode="bilinear")
        return depth * correction[:, 0].exp()

    def _slopes(self, normals: Tensor) -> tuple[Tensor, Tensor]:
        """Of log depth from each cell to the next, along rows and along columns; normals of any length."""
        facing = normals[:, :1] * self.columns + normals[:, 1:2] * self.rows + normals[:, 2:]
        slopes = (normals[:, :2] / (-self._focal * facing.clamp(max=-GRAZING))).clamp(-STEEPEST, STEEPEST)
        x, y = slopes[:, :1], slopes[:, 1:]
        return (x[..., 1:] + x[..., :-1]) / 2, (y[..., 1:, :] + y[..., :-1, :]) / 2

    def _solved(self, pull: Tensor, edge: Tensor) -> Tensor:
        """The correction (B, 1, h, w): each grid begins with what the coarser one found, the coarsest with nothing."""
        height, width = pull.shape[-2:]
        multiple = 2 ** (LEVELS - 1)
        right, below = -width % multiple, -height % multiple
        pulls, edges = [F.pad(pull, (0, right, 0, below))], [F.pad(edge, (0, right, 0, below), value=1.0)]
        for _ in range(LEVELS - 1):
            pulls.append(4 * F.avg_pool2d(pulls[-1], 2))
            edges.append(F.avg_pool2d(edges[-1], 2))
        found = torch.zeros_like(pulls[-1])
        for level in reversed(range(LEVELS)):
            if level < LEVELS - 1:
                found = F.interpolate(found, scale_factor=2.0, mode="bilinear")
            found = self._swept(found, pulls[level], edges[level], self._stiffness * 4**level)
        return found[..., :height, :width]

    def _swept(self, found: Tensor, pull: Tensor, edge: Tensor, stiffness: float) -> Tensor:
        x, y = _weights(edge)
        weights = torch.cat([F.pad(x, (0, 1)), F.pad(x, (1, 0)), F.pad(y, (0, 0, 0, 1)), F.pad(y, (0, 0, 1, 0))], 1)
        share = DAMPING / (stiffness + weights.sum(1, keepdim=True))
        own = torch.full_like(share, 1 - DAMPING)
        shares, pull = torch.cat([weights * share, own], 1), pull * share
        for _ in range(SWEEPS):
            found = (F.conv2d(found, self.neighbours, padding=1) * shares).sum(1, keepdim=True) + pull
        return found


def _weights(edge: Tensor) -> tuple[Tensor, Tensor]:
    """How much neighbours (B, 1, h, w) are one surface, along rows and along columns."""
    x = torch.maximum(edge[..., 1:], edge[..., :-1])
    y = torch.maximum(edge[..., 1:, :], edge[..., :-1, :])
    return (-EDGE * x).exp(), (-EDGE * y).exp()
