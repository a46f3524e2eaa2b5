"""What stands where in a room, before it becomes a scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import atan2, cos, sin

import numpy as np
from numpy.typing import NDArray

from training.data.path_traced_rooms.catalogue import Catalogue, Entry
from training.data.path_traced_rooms.models import CELL, ModelStore, Support
from training.data.path_traced_rooms.textures import Cover, Rng

WALLS = 4
TRIES = 12

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """Where a piece's middle stands, metres, and how it is turned: at angle 0 it faces -y."""

    x: float
    y: float
    z: float = 0.0
    angle: float = 0.0

    def at(self, right: float, back: float, up: float = 0.0) -> Vector:
        """A point of the piece's own frame, in the room."""
        c, s = cos(self.angle), sin(self.angle)
        return self.x + c * right - s * back, self.y + s * right + c * back, self.z + up


@dataclass(frozen=True)
class Finish:
    """The surface of a simple body: a cover, or a plain sRGB colour; `glow`, the radiance it gives off itself.

    repeats: how often the cover's texture goes across and down a side.
    """

    cover: Cover | None = None
    colour: Vector = (0.5, 0.5, 0.5)
    roughness: float = 1.0
    metallic: float = 0.0
    glow: Vector | None = None
    repeats: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class Body:
    """A box, cylinder, ball or plane (facing up) of a size in metres, standing at a pose. A plane may be tilted so that
    it faces another way: `facing`, a unit vector, with its second side along `up`."""

    kind: str
    pose: Pose
    size: Vector
    class_id: int
    instance: int
    finish: Finish
    facing: Vector | None = None


@dataclass(frozen=True)
class Piece:
    """A piece of furniture; recolour: whether its main surface is painted anew."""

    entry: Entry
    pose: Pose
    size: Vector
    class_id: int
    instance: int
    role: str
    recolour: bool = False


@dataclass(frozen=True)
class Counter:
    """A flat top of fitted furniture: where its middle is above, and how large and high it is."""

    pose: Pose
    size: Vector
    role: str = "counter"


@dataclass(frozen=True)
class Footprint:
    """What a piece takes up: a rectangle on the floor, from `low` to `high` metres above it."""

    x: float
    y: float
    half_width: float
    half_depth: float
    angle: float
    low: float
    high: float

    def corners(self) -> NDArray[np.float64]:
        c, s = cos(self.angle), sin(self.angle)
        w, d = self.half_width, self.half_depth
        ends = ((w, d), (-w, d), (-w, -d), (w, -d))
        return np.array([(self.x + c * a - s * b, self.y + s * a + c * b) for a, b in ends])

    def meets(self, other: Footprint) -> bool:
        """Whether the two take up the same space (separating axes)."""
        if self.low >= other.high or other.low >= self.high:
            return False
        mine, theirs = self.corners(), other.corners()
        for angle in (self.angle, other.angle):
            for axis in ((cos(angle), sin(angle)), (-sin(angle), cos(angle))):
                a, b = mine @ axis, theirs @ axis
                if a.max() <= b.min() or b.max() <= a.min():
                    return False
        return True


@dataclass
class Surface:
    """A piece on which things can stand, and what of it is still free."""

    piece: Piece | Counter
    support: Support
    free: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.free = np.isfinite(self.support.height)


@dataclass
class Room:
    """A room from (0, 0, 0) to `size`, with what is in it."""

    size: Vector
    kind: str
    rng: Rng
    catalogue: Catalogue
    store: ModelStore
    pieces: list[Piece] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    taken: list[Footprint] = field(default_factory=list)
    surfaces: list[Surface] = field(default_factory=list)
    sunbeams: list[tuple[Vector, Vector]] = field(default_factory=list)
    instances: int = 0

    def new_instance(self) -> int:
        self.instances += 1
        return self.instances

    def pick(self, role: str, largest: float = 10.0) -> tuple[Entry, int] | None:
        """A random model of a role that is no wider or deeper than `largest` metres."""
        models = [m for m in self.catalogue.by_role.get(role, []) if max(m[0].size[:2]) <= largest]
        return models[int(self.rng.integers(len(models)))] if models else None

    def fits(self, footprint: Footprint, inside: bool = True) -> bool:
        """Whether nothing is there yet, and no part of it would be in a wall."""
        corners = footprint.corners()
        if inside and (corners.min() < -1e-6 or (corners.max(axis=0) > np.array(self.size[:2]) + 1e-6).any()):
            return False
        return footprint.high <= self.size[2] + 1e-6 and not any(footprint.meets(other) for other in self.taken)

    def put(
        self, role: str, model: tuple[Entry, int], pose: Pose, size: Vector | None = None, margin: float = 0.0
    ) -> Piece | None:
        """Put a model there if there is room for it; `margin` is kept free around it."""
        entry, class_id = model
        w, d, h = size or entry.size
        footprint = Footprint(pose.x, pose.y, w / 2 + margin, d / 2 + margin, pose.angle, pose.z, pose.z + h)
        return self._added(role, entry, class_id, pose, (w, d, h)) if self._take(footprint) else None

    def lay(self, role: str, model: tuple[Entry, int], pose: Pose, size: Vector | None = None) -> Piece:
        """Put a model there whatever else is there."""
        return self._added(role, model[0], model[1], pose, size or model[0].size)

    def _added(self, role: str, entry: Entry, class_id: int, pose: Pose, size: Vector) -> Piece:
        piece = Piece(entry, pose, size, class_id, self.new_instance(), role, bool(self.rng.random() < 0.5))
        self.pieces.append(piece)
        return piece

    def _take(self, footprint: Footprint) -> bool:
        if not self.fits(footprint):
            return False
        self.taken.append(footprint)
        return True

    def at_wall(
        self, role: str, model: tuple[Entry, int] | None = None, wall: int | None = None, along: float | None = None,
        z: float | None = None, gap: float | None = None, size: Vector | None = None, front: float = 0.0,
    ) -> Piece | None:
        """Put a piece with its back to a wall, at random where the wall or the place along it is not given.

        front: metres before it that other pieces leave free. None where no try found room.
        """
        model = model or self.pick(role)
        if model is None:
            return None
        w, d, h = size or model[0].size
        height = model[0].elevation if z is None else z
        for _ in range(TRIES if along is None or wall is None else 1):
            side = int(self.rng.integers(WALLS)) if wall is None else wall
            length = self.wall_length(side)
            if length < w:
                continue
            space = 0.03 * self.rng.random() if gap is None else gap
            place = self.rng.uniform(w / 2, length - w / 2) if along is None else along
            pose = self.wall_pose(side, float(place), d / 2 + space, height)
            piece = self.put(role, model, pose, (w, d, h))
            if piece:
                if front:
                    x, y, _ = pose.at(0, -(d + front) / 2)
                    self.taken.append(Footprint(x, y, w / 2, front / 2, pose.angle, 0.05, 2.0))
                return piece
        return None

    def wall_length(self, wall: int) -> float:
        return self.size[wall % 2]

    def wall_pose(self, wall: int, along: float, out: float, z: float = 0.0) -> Pose:
        """A place `along` a wall and `out` from it, facing the room."""
        w, d, _ = self.size
        walls = ((along, out, 0, 1), (w - out, along, -1, 0), (w - along, d - out, 0, -1), (out, d - along, 1, 0))
        x, y, nx, ny = walls[wall]
        return Pose(x, y, z, atan2(nx, -ny))

    def anywhere(self, role: str, margin: float = 0.0) -> Piece | None:
        """Put a piece somewhere on the floor, turned at random."""
        model = self.pick(role)
        if model is None:
            return None
        for _ in range(TRIES):
            x, y = (float(self.rng.uniform(0, side)) for side in self.size[:2])
            pose = Pose(x, y, 0.0, float(self.rng.uniform(-np.pi, np.pi)))
            piece = self.put(role, model, pose, margin=margin)
            if piece:
                return piece
        return None

    def add(self, body: Body) -> None:
        self.bodies.append(body)

    def offers(self, piece: Piece) -> Surface:
        """Let things stand on a piece."""
        surface = Surface(piece, self.store.support(piece.entry))
        self.surfaces.append(surface)
        return surface

    def stand_on(
        self, surface: Surface, size: Vector, near: tuple[float, float] | None = None, lowest: float = 0.15,
        layers: int = 1, angle: float | None = None, spread: float = 0.15,
    ) -> Pose | None:
        """Find, and take, a level free place for something of this size on a surface: its pose, or None.

        near: where in the piece's frame to look, give or take `spread` metres; else anywhere.
        """
        rng, grid = self.rng, surface.support
        half_x, half_y = grid.extent
        for _ in range(TRIES):
            turn = float(rng.uniform(-np.pi, np.pi)) if angle is None else angle
            reach_x = (abs(cos(turn)) * size[0] + abs(sin(turn)) * size[1]) / 2
            reach_y = (abs(sin(turn)) * size[0] + abs(cos(turn)) * size[1]) / 2
            if near:
                x, y = near[0] + spread * rng.standard_normal(), near[1] + spread * rng.standard_normal()
            elif reach_x > half_x or reach_y > half_y:
                return None
            else:
                x, y = rng.uniform(reach_x - half_x, half_x - reach_x), rng.uniform(reach_y - half_y, half_y - reach_y)
            layer = int(rng.integers(min(layers, len(grid.height))))
            rows = slice(round((y - reach_y + half_y) / CELL), round((y + reach_y + half_y) / CELL) + 1)
            columns = slice(round((x - reach_x + half_x) / CELL), round((x + reach_x + half_x) / CELL) + 1)
            inside = rows.start >= 0 and columns.start >= 0
            if not inside or rows.stop > grid.height.shape[1] or columns.stop > grid.height.shape[2]:
                continue
            place = (layer, rows, columns)
            if not surface.free[place].all() or (grid.headroom[place] < size[2] + 0.01).any():
                continue
            heights = grid.height[place]
            if np.ptp(heights) > 0.006 or heights.min() < lowest:
                continue
            surface.free[place] = False
            pose = surface.piece.pose
            px, py, pz = pose.at(float(x), float(y), float(heights.max()))
            return Pose(px, py, pz, pose.angle + turn)
        return None
