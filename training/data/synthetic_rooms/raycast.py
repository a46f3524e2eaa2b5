"""What every pixel sees: the nearest primitive along its ray, tile by tile.

The image is cut into tiles of 16 x 16 pixels. A primitive is tried only in the tiles whose viewing pyramid its bounding
box touches. Tiles are sorted by how many candidates they have, so that round k, which tries the k-th candidate of every
tile that has so many, works on a prefix of the tiles: no padding, no gathering of pixels. What the few tiles with very
many candidates have left is tried together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.synthetic_rooms.primitives import BOX, INTERVALS, MISS, Rays, interval
from training.data.synthetic_rooms.room import SHELL_FACES
from training.data.synthetic_rooms.scene import Scene

TILE = 16
SAMPLES = 4  # a tile's pixels are ordered by row % SAMPLES first: each group of rows looks at its own point of a lamp
LEAST_PIXELS = 1 << 15  # a round with fewer is not worth its while
NUMBER_BITS = 0xFF  # low bits of a depth's float32 pattern that carry the primitive's number meanwhile
DEPTH_BITS = 0x7FFFFFFF ^ NUMBER_BITS


@dataclass(frozen=True)
class Candidates:
    """For one kind of primitive: the tiles that have any, most first, and what to try there, in turns.

    A turn is which rows of `tiles`, and for each the candidate, a number into the scene's F * n primitives. All turns
    but the first are rounds; the first has what they leave when too few tiles have so many, with tiles repeated.
    """

    tiles: Tensor
    turns: list[tuple[slice | Tensor, Tensor]]


def candidates(tiles: Tensor, primitives: Tensor, count: int, pixels: int) -> Candidates:
    """Put pairs of a tile, of `count` there are with so many pixels, and a primitive that may be seen in it, in turns.

    tiles, primitives: (pairs,), in ascending order of tiles.
    """
    counts = torch.bincount(tiles, minlength=count)
    tally, order = torch.sort(counts, descending=True, stable=True)
    used = order[: int((tally > 0).sum())]
    place = torch.empty_like(order)
    place[order] = torch.arange(count, device=order.device)
    row = place.index_select(0, tiles)
    rank = torch.arange(len(tiles), device=tiles.device) - (counts.cumsum(0) - counts).index_select(0, tiles)
    tally = torch.bincount(rank)
    sizes = [size for size in tally.tolist() if size * pixels >= LEAST_PIXELS]
    # A pair's place among the rounds is known without sorting: round k has the rows from 0 on, without gaps.
    turn = (tally.cumsum(0) - tally).index_select(0, rank) + row
    by_turn = torch.empty_like(turn)
    by_turn[turn] = torch.arange(len(turn), device=turn.device)
    first = sum(sizes)
    rounds = primitives.index_select(0, by_turn[:first]).split(sizes)
    left = by_turn[first:]
    turns: list[tuple[slice | Tensor, Tensor]] = [(row.index_select(0, left), primitives.index_select(0, left))]
    turns += [(slice(len(part)), part) for part in rounds]
    return Candidates(used, turns)


def keep(best: Tensor, rows: slice | Tensor, found: Tensor, least: bool) -> None:
    """Let what a turn found (m, p) into best (tiles, p) where it is less, or where it is more."""
    if isinstance(rows, slice):
        torch.minimum(best[rows], found, out=best[rows]) if least else torch.maximum(best[rows], found, out=best[rows])
    else:
        best.scatter_reduce_(0, rows[:, None].expand_as(found), found, "amin" if least else "amax")


class Caster:
    """Casts the rays of one scene. `view_rays` (F, n, 3, 3) takes (column, row, 1) to a ray in a primitive's frame,
    `origin` (F, n, 3) is the camera in it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.columns, self.rows = -(-scene.width // TILE), -(-scene.height // TILE)
        cx, cy = scene.principal
        forward = scene.rotation[:, :, 2]
        right, down = (scene.rotation[:, :, i] / scene.focal[:, None] for i in (0, 1))
        pixel = torch.stack((right, down, forward - right * cx - down * cy), dim=2)  # (F, 3, 3): pixel to room
        self.view_rays = product(scene.inverse, pixel[:, None])
        self.origin = apply(scene.inverse, scene.position[:, None] - scene.centre)
        self.pixel = pixel
        steps = torch.arange(TILE, device=scene.kind.device, dtype=torch.float32)
        self.across, self.down = steps, steps.view(-1, SAMPLES).t().reshape(1, -1)

    def cast(self) -> tuple[Tensor, Tensor]:
        """Approximate z-depth and the number of the primitive that is seen, both (F, rows * TILE, columns * TILE);
        the depth is good to 2^-16 of itself."""
        scene = self.scene
        views, most = scene.kind.shape
        tiles = torch.arange(views * self.rows * self.columns, device=scene.kind.device)
        shell = tiles // (self.rows * self.columns) * most
        _, far = interval(BOX, self._at(self.origin, shell), self.rays(tiles, shell, self.down))
        best = far.view(torch.int32).bitwise_and_(DEPTH_BITS)
        for kind, found in self.seen().items():
            self._nearest(kind, found, best)
        image = self.to_image(best)
        return (image & DEPTH_BITS).view(torch.float32), image & NUMBER_BITS

    def _nearest(self, kind: int, found: Candidates, best: Tensor) -> None:
        """Let one kind's candidates into best (tiles, TILE * TILE): depth and number in one int32."""
        mine = best.index_select(0, found.tiles)
        most = self.scene.kind.shape[1]
        for rows, chosen in found.turns:
            near, far = interval(kind, self._at(self.origin, chosen), self.rays(found.tiles[rows], chosen, self.down))
            near.add_((near - far).clamp_(min=0), alpha=MISS)
            key = near.view(torch.int32).bitwise_and_(DEPTH_BITS).bitwise_or_((chosen % most).int()[:, None])
            keep(mine, rows, key, least=True)
        best[found.tiles] = mine

    def rays(self, tiles: Tensor, primitives: Tensor, rows: Tensor) -> Rays:
        """Ray directions (m, r * TILE) of some rows (1 or m, r) of tiles (m,) in the frames of primitives (m,);
        their parameter t is z-depth."""
        per_view = self.rows * self.columns
        tile = tiles % per_view
        matrix = self._at(self.view_rays, primitives)
        corner = (
            matrix[:, :, 2]
            + matrix[:, :, 0] * (tile % self.columns * TILE)[:, None]
            + matrix[:, :, 1] * (tile // self.columns * TILE)[:, None]
        )
        lines = corner[:, :, None] + matrix[:, :, 1, None] * rows[:, None]  # (m, 3, r)
        points = matrix[:, :, 0, None] * self.across
        x, y, z = ((lines[:, i, :, None] + points[:, i, None, :]).flatten(1) for i in range(3))
        return x, y, z

    def seen(self) -> dict[int, Candidates]:
        """Which primitives each tile's viewing pyramid touches, per kind."""
        scene = self.scene
        views, most = scene.kind.shape
        centre = apply(scene.rotation.transpose(1, 2)[:, None], scene.centre - scene.position[:, None])
        axes = product(scene.rotation.transpose(1, 2)[:, None], scene.axes)
        cx, cy = scene.principal
        inside = []
        for axis, count, middle in ((0, self.columns, cx), (1, self.rows, cy)):
            bounds = torch.arange(count + 1, device=scene.kind.device) * TILE - 0.5 - middle
            slope = (bounds / scene.focal[:, None])[:, None]  # (F, 1, count + 1)
            offset = centre[..., axis, None] - centre[..., 2, None] * slope
            reach = (axes[..., axis, :, None] - axes[..., 2, :, None] * slope[:, :, None]).abs().sum(dim=2)
            inside.append((offset[..., :-1] + reach[..., :-1] >= 0) & (offset[..., 1:] - reach[..., 1:] <= 0))
        in_front = centre[..., 2] + axes[..., 2, :].abs().sum(dim=2) > 0
        across, down = inside
        touches = (across & in_front[..., None])[:, :, None, :] & down[:, :, :, None]
        solid = torch.arange(most, device=scene.kind.device) >= SHELL_FACES
        touches = touches.reshape(views, most, -1).transpose(1, 2) & solid
        return self.by_kind(touches, TILE * TILE)

    def by_kind(self, touches: Tensor, pixels: int) -> dict[int, Candidates]:
        """Candidates of each kind of primitive, from touches (F, tiles per view, n), whether a primitive is one in a
        tile of so many pixels."""
        views, per_view, most = touches.shape
        view, tile, number = touches.nonzero(as_tuple=True)
        tile, number = tile + view * per_view, number + view * most
        kinds = self.scene.kind.view(-1).index_select(0, number)
        found = {}
        for kind in INTERVALS:
            mine = (kinds == kind).nonzero().view(-1)
            pairs = tile.index_select(0, mine), number.index_select(0, mine)
            found[kind] = candidates(*pairs, views * per_view, pixels)
        return found

    def to_image(self, tiled: Tensor) -> Tensor:
        """(tiles, TILE * TILE) -> (F, rows * TILE, columns * TILE)."""
        shaped = tiled.view(-1, self.rows, self.columns, SAMPLES, TILE // SAMPLES, TILE).permute(0, 1, 4, 3, 2, 5)
        return shaped.reshape(-1, self.rows * TILE, self.columns * TILE)

    def to_tiles(self, image: Tensor) -> Tensor:
        """(F, rows * TILE, columns * TILE) -> (tiles, TILE * TILE)."""
        shaped = image.view(-1, self.rows, TILE // SAMPLES, SAMPLES, self.columns, TILE).permute(0, 1, 4, 3, 2, 5)
        return shaped.reshape(-1, TILE * TILE)

    @staticmethod
    def _at(values: Tensor, primitives: Tensor) -> Tensor:
        return values.flatten(0, 1).index_select(0, primitives)


def product(left: Tensor, right: Tensor) -> Tensor:
    """Matrix product of (..., 3, 3), summed in a fixed order so that a view's result never depends on its batch."""
    return (
        left[..., :, 0, None] * right[..., None, 0, :]
        + left[..., :, 1, None] * right[..., None, 1, :]
        + left[..., :, 2, None] * right[..., None, 2, :]
    )


def apply(matrix: Tensor, vector: Tensor) -> Tensor:
    """Matrix (..., 3, 3) times vector (..., 3), likewise."""
    return (
        matrix[..., 0] * vector[..., 0, None]
        + matrix[..., 1] * vector[..., 1, None]
        + matrix[..., 2] * vector[..., 2, None]
    )
