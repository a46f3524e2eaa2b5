"""Puts pieces where there is room for them, and keeps account of floor and walls taken."""

from __future__ import annotations

import math

from training.data.synthetic_rooms.parts import Part, Piece, Vector
from training.data.synthetic_rooms.rng import Rng
from training.data.synthetic_rooms.room import MAX_PRIMITIVES, row

Area = tuple[float, float, float, float]


class FloorPlan:
    """A room while it is being furnished. Walls are numbered 0 to 3 around the room, each with its own left end."""

    def __init__(self, rng: Rng, size: Vector) -> None:
        self.rng = rng
        self.width, self.depth, self.height = size
        self.rows: list[tuple[float, ...]] = []
        self.instances = 0
        self.floor: list[Area] = []  # x0, x1, y0, y1 of what stands there
        self.walls: list[list[Area]] = [[], [], [], []]  # s0, s1, z0, z1 of what is at each wall

    def surface(self, part: Part, class_id: int) -> None:
        """Add to the shell of the room, which is instance 0."""
        self.rows.append(row(part, (0.0, 0.0, 0.0), 0.0, class_id, 0))

    def place(self, piece: Piece, origin: Vector, yaw: float) -> None:
        """Put a piece there, as an instance of its own; a room that is full takes no more."""
        if len(self.rows) + len(piece.parts) > MAX_PRIMITIVES:
            return
        self.instances += 1
        for part in piece.parts:
            self.rows.append(row(part, origin, yaw, piece.class_id, self.instances))

    def length(self, wall: int) -> float:
        return self.width if wall % 2 == 0 else self.depth

    def wall_pose(self, wall: int, along: float, out: float, z: float = 0.0) -> tuple[Vector, float]:
        """The pose `along` a wall from its left end and `out` into the room; a piece there faces the room."""
        w, d = self.width, self.depth
        x, y = ((along, out), (w - out, along), (w - along, d - out), (out, d - along))[wall]
        return (x, y, z), wall * math.pi / 2

    def footprint(
        self, x: float, y: float, width: float, depth: float, yaw: float
    ) -> tuple[float, float, float, float]:
        cos, sin = abs(math.cos(yaw)), abs(math.sin(yaw))
        w, d = (cos * width + sin * depth) / 2, (sin * width + cos * depth) / 2
        return x - w, x + w, y - d, y + d

    def floor_free(self, area: tuple[float, float, float, float], gap: float = 0.03) -> bool:
        x0, x1, y0, y1 = area
        if x0 < 0 or y0 < 0 or x1 > self.width or y1 > self.depth:
            return False
        return all(x1 + gap < a or b + gap < x0 or y1 + gap < p or q + gap < y0 for a, b, p, q in self.floor)

    def wall_free(self, wall: int, s0: float, s1: float, z0: float, z1: float, gap: float = 0.06) -> bool:
        length = self.length(wall)
        if s0 < 0.02 or s1 > length - 0.02 or z1 > self.height - 0.05:
            return False
        return all(s1 + gap < a or b + gap < s0 or z1 + gap < p or q + gap < z0 for a, b, p, q in self.walls[wall])

    def against_wall(self, piece: Piece, tries: int = 6) -> tuple[int, float] | None:
        """Stand a piece with its back to a wall; returns the wall and the place along it."""
        rng = self.rng
        width, depth, height = piece.size
        for _ in range(tries):
            wall = int(rng.random() * 4)
            length = self.length(wall)
            along = rng.between(width / 2 + 0.03, length - width / 2 - 0.03)
            if rng.chance(0.35):  # into a corner
                along = width / 2 + 0.04 if rng.chance(0.5) else length - width / 2 - 0.04
            (x, y, _), yaw = self.wall_pose(wall, along, depth / 2 + rng.between(0.01, 0.06))
            area = self.footprint(x, y, width, depth, yaw)
            if self.wall_free(wall, along - width / 2, along + width / 2, 0, height) and self.floor_free(area):
                self.place(piece, (x, y, 0.0), yaw + rng.between(-0.02, 0.02))
                self.floor.append(area)
                self.walls[wall].append((along - width / 2, along + width / 2, 0, height))
                return wall, along
        return None

    def standing(self, piece: Piece, tries: int = 5, margin: float = 0.0) -> tuple[float, float, float] | None:
        """Stand a piece anywhere on the floor, turned anyhow; returns x, y, yaw."""
        rng = self.rng
        for _ in range(tries):
            x, y = rng.between(margin, self.width - margin), rng.between(margin, self.depth - margin)
            yaw = rng.between(-math.pi, math.pi)
            area = self.footprint(x, y, piece.size[0], piece.size[1], yaw)
            if self.floor_free(area):
                self.place(piece, (x, y, 0.0), yaw)
                self.floor.append(area)
                return x, y, yaw
        return None

    def beside(self, piece: Piece, x: float, y: float, yaw: float) -> bool:
        """Stand a piece at an exact pose if that is free."""
        area = self.footprint(x, y, piece.size[0] * 0.9, piece.size[1] * 0.9, yaw)
        if not self.floor_free(area, gap=-0.12):
            return False
        self.place(piece, (x, y, 0.0), yaw)
        self.floor.append(area)
        return True

    def in_wall(self, piece: Piece, z: float) -> tuple[int, float] | None:
        """Hang a piece on a wall, its lower edge at height z; returns the wall and the place along it."""
        width, _, height = piece.size
        for _ in range(4):
            wall = int(self.rng.random() * 4)
            along = self.rng.between(width / 2 + 0.1, self.length(wall) - width / 2 - 0.1)
            if self.wall_free(wall, along - width / 2, along + width / 2, z, z + height):
                origin, yaw = self.wall_pose(wall, along, 0.0, z)
                self.place(piece, origin, yaw)
                self.walls[wall].append((along - width / 2, along + width / 2, z, z + height))
                return wall, along
        return None
