"""A random furnished room for each seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.synthetic_rooms import classes as c
from training.data.synthetic_rooms import furniture as f
from training.data.synthetic_rooms.furniture import Part, Piece, Rng, Vector
from training.data.synthetic_rooms.materials import Colour, Material

Array = NDArray[np.float32]
SHELL_FACES = 6  # the first rows of a room's primitives: walls at x = 0, x = w, y = 0, y = d, then floor, ceiling
MAX_PRIMITIVES = 255  # the ray caster keeps a primitive's number in eight bits


@dataclass(frozen=True)
class Room:
    """A room as arrays; world frame z up, metres, the corner of the floor at the origin.

    size: (3,) inner width, depth, height. centre, half: (n, 3); rotation: (n, 3, 3), columns are the primitive's axes.
    kind: furniture.BOX, CYLINDER or SPHERE; class_id, instance: (n,) integers, the room's shell is instance 0.
    texture: (n,) ids; factor: (n, 3) texture coordinates per unit of a primitive's own [-1, 1] coordinates;
    shift: (n, 2) texture origin; first, second: (n, 3) colours; gloss, emission: (n,).
    lights: (2, 7), position, colour, radius of each; the ceiling lamp and the window.
    ambient: (3,) colour of the light from everywhere.
    """

    size: Array
    centre: Array
    half: Array
    rotation: Array
    kind: NDArray[np.int64]
    class_id: NDArray[np.int64]
    instance: NDArray[np.int64]
    texture: NDArray[np.int64]
    factor: Array
    shift: Array
    first: Array
    second: Array
    gloss: Array
    emission: Array
    lights: Array
    ambient: Array


def sample_room(rng: Rng) -> Room:
    """Draw a room: its shell, doors and windows, furniture along the walls and in the middle, small things, light."""
    builder = _Builder(rng)
    builder.openings()
    builder.furnish()
    builder.decorate()
    return builder.finish()


class _Builder:
    """Places pieces where there is room for them, and keeps account of walls and floor taken."""

    def __init__(self, rng: Rng) -> None:
        self.rng = rng
        small = rng.chance(0.3)
        self.width, self.depth = (rng.between(2.6, 3.6), rng.between(2.8, 4.2)) if small else (rng.between(3.5, 7.0), rng.between(3.5, 7.0))
        self.height = rng.between(2.35, 3.1)
        self.rows: list[tuple[float, ...]] = []
        self.instances = 0
        self.floor: list[tuple[float, float, float, float]] = []  # x0, x1, y0, y1 of what stands there
        self.walls: list[list[tuple[float, float, float, float]]] = [[], [], [], []]  # s0, s1, z0, z1 per wall
        self.windows: list[tuple[float, float, float]] = []
        self._shell()

    # ---- the shell ----

    def _shell(self) -> None:
        rng = self.rng
        wall = self._wall_paint()
        accent = self._wall_paint()
        walls = [wall] * 4
        if rng.chance(0.3):
            walls[int(rng.random() * 4)] = accent
        pale = rng.between(0.55, 0.9)
        ceiling = Material(rng.texture("plain"), 2.0, (pale, pale, pale * 0.97), (pale * 0.95, pale * 0.95, pale * 0.93))
        if rng.chance(0.08):
            ceiling = f.wood(rng)
        half = (self.width / 2, self.depth / 2, self.height / 2)
        for material, class_id in zip([*walls, self._floor_cover(), ceiling], (c.WALL,) * 4 + (c.FLOOR, c.CEILING), strict=True):
            self._add(Part(f.BOX, half, half, material), (0.0, 0.0, 0.0), 0.0, class_id)

    def _wall_paint(self) -> Material:
        rng = self.rng
        colour = f.hue(rng, 0.35 * rng.random() if rng.chance(0.7) else 0.7 * rng.random(), rng.between(0.25, 0.85))
        style = rng.random()
        if style < 0.7:
            return Material(rng.texture("plaster"), 1.6, colour, f.darker(colour, 0.92))
        if style < 0.8:
            return Material(rng.texture("stripes"), rng.between(0.6, 1.6), colour, f.darker(colour, rng.between(0.6, 1.3)))
        if style < 0.9:
            return Material(rng.texture("damask"), rng.between(0.8, 1.6), colour, f.darker(colour, rng.between(0.75, 1.2)))
        if style < 0.95:
            brick = rng.between(0.2, 0.6)
            return Material(rng.texture("bricks"), 1.1, (brick, brick * 0.55, brick * 0.4), (0.5, 0.48, 0.45))
        return Material(rng.texture("tiles"), 0.8, colour, f.darker(colour, 0.6), 0.3)

    def _floor_cover(self) -> Material:
        rng = self.rng
        style = rng.random()
        if style < 0.5:
            colour = f.wood_colour(rng)
            return Material(rng.texture("planks"), rng.between(1.0, 1.8), colour, f.darker(colour, 0.7), rng.between(0.05, 0.4))
        colour = f.hue(rng, 0.25 * rng.random(), rng.between(0.15, 0.75))
        if style < 0.72:
            return Material(rng.texture("tiles"), rng.between(1.0, 2.4), colour, f.darker(colour, rng.choice((0.5, 1.2))), rng.between(0.1, 0.5))
        if style < 0.9:
            colour = f.hue(rng, 0.6 * rng.random(), rng.between(0.1, 0.5))
            return Material(rng.texture("carpet"), 1.0, colour, f.darker(colour, 0.8))
        if style < 0.95:
            return Material(rng.texture("checker"), rng.between(1.2, 2.4), (0.7, 0.69, 0.66), colour, 0.3)
        return Material(rng.texture("marble"), 2.0, colour, f.darker(colour, 0.6), 0.5)

    # ---- placing ----

    def _add(self, part: Part, origin: Vector, yaw: float, class_id: int) -> None:
        (x, y, z), m = part.centre, part.material
        cos, sin = math.cos(yaw), math.sin(yaw)
        self.rows.append((
            origin[0] + cos * x - sin * y, origin[1] + sin * x + cos * y, origin[2] + z, *part.half,
            part.yaw + yaw, part.tilt, part.kind, class_id, self.instances,
            m.texture, m.period, *m.first, *m.second, m.gloss, m.emission,
        ))

    def _place(self, piece: Piece, origin: Vector, yaw: float) -> None:
        """Put a piece there, as an instance of its own; a room that is full takes no more."""
        if len(self.rows) + len(piece.parts) > MAX_PRIMITIVES:
            return
        self.instances += 1
        for part in piece.parts:
            self._add(part, origin, yaw, piece.class_id)

    def _wall_pose(self, wall: int, along: float, out: float, z: float = 0.0) -> tuple[Vector, float]:
        """The pose `along` a wall from its left end and `out` into the room; a piece there faces the room."""
        w, d = self.width, self.depth
        x, y = ((along, out), (w - out, along), (w - along, d - out), (out, d - along))[wall]
        return (x, y, z), wall * math.pi / 2

    def _footprint(self, x: float, y: float, width: float, depth: float, yaw: float) -> tuple[float, float, float, float]:
        cos, sin = abs(math.cos(yaw)), abs(math.sin(yaw))
        w, d = (cos * width + sin * depth) / 2, (sin * width + cos * depth) / 2
        return x - w, x + w, y - d, y + d

    def _floor_free(self, area: tuple[float, float, float, float], gap: float = 0.03) -> bool:
        x0, x1, y0, y1 = area
        if x0 < 0 or y0 < 0 or x1 > self.width or y1 > self.depth:
            return False
        return all(x1 + gap < a or b + gap < x0 or y1 + gap < p or q + gap < y0 for a, b, p, q in self.floor)

    def _wall_free(self, wall: int, s0: float, s1: float, z0: float, z1: float, gap: float = 0.06) -> bool:
        length = self.width if wall % 2 == 0 else self.depth
        if s0 < 0.02 or s1 > length - 0.02 or z1 > self.height - 0.05:
            return False
        return all(s1 + gap < a or b + gap < s0 or z1 + gap < p or q + gap < z0 for a, b, p, q in self.walls[wall])

    def _against_wall(self, piece: Piece, tries: int = 6) -> tuple[int, float] | None:
        """Stand a piece with its back to a wall; returns the wall and the place along it."""
        rng = self.rng
        width, depth, height = piece.size
        for _ in range(tries):
            wall = int(rng.random() * 4)
            length = self.width if wall % 2 == 0 else self.depth
            along = rng.between(width / 2 + 0.03, length - width / 2 - 0.03)
            if rng.chance(0.35):  # into a corner
                along = width / 2 + 0.04 if rng.chance(0.5) else length - width / 2 - 0.04
            (x, y, _), yaw = self._wall_pose(wall, along, depth / 2 + rng.between(0.01, 0.06))
            area = self._footprint(x, y, width, depth, yaw)
            if self._wall_free(wall, along - width / 2, along + width / 2, 0, height) and self._floor_free(area):
                self._place(piece, (x, y, 0.0), yaw + rng.between(-0.02, 0.02))
                self.floor.append(area)
                self.walls[wall].append((along - width / 2, along + width / 2, 0, height))
                return wall, along
        return None

    def _standing(self, piece: Piece, tries: int = 5, margin: float = 0.0) -> tuple[float, float, float] | None:
        """Stand a piece anywhere on the floor, turned anyhow; returns x, y, yaw."""
        rng = self.rng
        for _ in range(tries):
            x, y = rng.between(margin, self.width - margin), rng.between(margin, self.depth - margin)
            yaw = rng.between(-math.pi, math.pi)
            area = self._footprint(x, y, piece.size[0], piece.size[1], yaw)
            if self._floor_free(area):
                self._place(piece, (x, y, 0.0), yaw)
                self.floor.append(area)
                return x, y, yaw
        return None

    def _beside(self, piece: Piece, x: float, y: float, yaw: float) -> bool:
        """Stand a piece at an exact pose if that is free."""
        area = self._footprint(x, y, piece.size[0] * 0.9, piece.size[1] * 0.9, yaw)
        if not self._floor_free(area, gap=-0.12):
            return False
        self._place(piece, (x, y, 0.0), yaw)
        self.floor.append(area)
        return True

    # ---- the parts of a room ----

    def openings(self) -> None:
        """Doors and windows."""
        rng = self.rng
        for _ in range(rng.choice((1, 1, 2))):
            self._in_wall(f.door(rng), 0.0, clear=True)
        for _ in range(rng.choice((0, 1, 1, 2))):
            sill = rng.between(0.4, 1.05)
            height = min(rng.between(0.9, 1.5), self.height - sill - 0.25)
            self._in_wall(f.window(rng, rng.between(0.7, 2.2), height), sill, light=True)

    def _in_wall(self, piece: Piece, z: float, clear: bool = False, light: bool = False) -> None:
        rng = self.rng
        width, _, height = piece.size
        for _ in range(4):
            wall = int(rng.random() * 4)
            length = self.width if wall % 2 == 0 else self.depth
            along = rng.between(width / 2 + 0.1, length - width / 2 - 0.1)
            if not self._wall_free(wall, along - width / 2, along + width / 2, z, z + height):
                continue
            origin, yaw = self._wall_pose(wall, along, 0.0, z)
            self._place(piece, origin, yaw)
            self.walls[wall].append((along - width / 2, along + width / 2, z, z + height))
            if clear:
                x, y = self._wall_pose(wall, along, 0.3)[0][:2]
                self.floor.append(self._footprint(x, y, width, 0.6, yaw))
            if light:
                (x, y, _), _ = self._wall_pose(wall, along, 0.35)
                self.windows.append((x, y, z + height / 2))
            return

    def furnish(self) -> None:
        """The furniture of a bedroom, a living room, a dining room or a study, and some more."""
        rng = self.rng
        theme = int(rng.random() * 4)
        (self._bedroom, self._living_room, self._dining_room, self._study)[theme]()
        extras: tuple[Callable[[Rng], Piece], ...] = (f.cabinet, f.bookshelf, f.sofa, f.desk, f.cabinet, f.chair, f.bed)
        for _ in range(rng.choice((1, 2, 2, 3, 4))):
            self._wall_piece_with_things(rng.choice(extras)(rng))
        for _ in range(rng.choice((0, 1, 1, 2))):
            self._standing(f.chair(rng), margin=0.3)

    def _bedroom(self) -> None:
        rng = self.rng
        bed = f.bed(rng)
        spot = self._against_wall(bed, tries=12)
        if spot is not None:
            wall, along = spot
            for side in (-1, 1):
                stand = f.nightstand(rng)
                if rng.chance(0.6):
                    s = along + side * (bed.size[0] / 2 + stand.size[0] / 2 + 0.04)
                    (x, y, _), yaw = self._wall_pose(wall, s, stand.size[1] / 2 + 0.02)
                    if self._beside(stand, x, y, yaw):
                        self._things_on(x, y, stand.size, yaw, f.table_lamp if rng.chance(0.7) else f.clutter)
        self._wall_piece_with_things(f.cabinet(rng))
        self._rug()

    def _living_room(self) -> None:
        rng = self.rng
        sofa = f.sofa(rng)
        spot = self._against_wall(sofa, tries=12)
        if spot is not None and rng.chance(0.8):
            table = f.coffee_table(rng)
            (x, y, _), yaw = self._wall_pose(spot[0], spot[1], sofa.size[1] + 0.45 + table.size[1] / 2)
            if self._beside(table, x, y, yaw):
                self._things_on(x, y, table.size, yaw, f.clutter)
        self._wall_piece_with_things(f.bookshelf(rng))
        self._wall_piece_with_things(f.sofa(rng))
        self._rug()

    def _dining_room(self) -> None:
        rng = self.rng
        self._rug()
        table = f.dining_table(rng)
        for _ in range(6):
            x, y = rng.between(0.9, self.width - 0.9), rng.between(0.9, self.depth - 0.9)
            yaw = rng.choice((0.0, math.pi / 2)) + rng.between(-0.3, 0.3) * rng.random()
            area = self._footprint(x, y, table.size[0], table.size[1], yaw)
            if self._floor_free(area):
                self._place(table, (x, y, 0.0), yaw)
                self.floor.append(area)
                self._chairs_around(x, y, yaw, table.size)
                self._things_on(x, y, table.size, yaw, f.clutter)
                break
        self._wall_piece_with_things(f.cabinet(rng))

    def _chairs_around(self, x: float, y: float, yaw: float, size: Vector) -> None:
        rng = self.rng
        state = rng.getstate()
        for side in range(4):
            if rng.chance(0.2):
                continue
            keep = rng.getstate()
            rng.setstate(state)  # the same chair again
            chair = f.chair(rng)
            rng.setstate(keep)
            reach = (size[1] if side % 2 == 0 else size[0]) / 2 + rng.between(-0.05, 0.3)
            angle = yaw + side * math.pi / 2
            turn = rng.between(-0.3, 0.3) * rng.random()
            self._beside(chair, x + math.sin(angle) * reach, y - math.cos(angle) * reach, angle + turn)

    def _study(self) -> None:
        rng = self.rng
        for _ in range(rng.choice((1, 1, 2))):
            desk = f.desk(rng)
            spot = self._against_wall(desk, tries=10)
            if spot is None:
                continue
            (x, y, _), yaw = self._wall_pose(*spot, desk.size[1] / 2)
            self._things_on(x, y, desk.size, yaw, f.table_lamp if rng.chance(0.5) else f.clutter)
            (x, y, _), yaw = self._wall_pose(*spot, desk.size[1] + rng.between(0.1, 0.45))
            self._beside(f.chair(rng), x, y, yaw + math.pi + rng.between(-0.5, 0.5))
        self._wall_piece_with_things(f.bookshelf(rng))

    def _wall_piece_with_things(self, piece: Piece) -> None:
        spot = self._against_wall(piece)
        low = piece.size[2] < 1.25 and piece.class_id in (c.TABLE, c.CABINET)
        if spot is not None and low:
            (x, y, _), yaw = self._wall_pose(*spot, piece.size[1] / 2)
            self._things_on(x, y, piece.size, yaw, f.clutter if self.rng.chance(0.75) else f.table_lamp)

    def _things_on(self, x: float, y: float, size: Vector, yaw: float, make: Callable[[Rng], Piece]) -> None:
        """Put a few things on top of a piece of this size."""
        rng = self.rng
        for _ in range(rng.choice((0, 1, 1, 2, 2))):
            a, b = rng.between(-0.3, 0.3) * size[0], rng.between(-0.25, 0.25) * size[1]
            cos, sin = math.cos(yaw), math.sin(yaw)
            self._place(make(rng), (x + cos * a - sin * b, y + sin * a + cos * b, size[2]), yaw + rng.between(-0.6, 0.6))
            make = f.clutter

    def _rug(self) -> None:
        rng = self.rng
        if rng.chance(0.45):
            rug = f.rug(rng, rng.between(1.0, 2.0), rng.between(1.2, 2.6))
            x, y = self.width * rng.between(0.4, 0.6), self.depth * rng.between(0.4, 0.6)
            self._place(rug, (x, y, 0.0), rng.between(-0.2, 0.2))

    def decorate(self) -> None:
        """Pictures, lamps, plants and what lies about."""
        rng = self.rng
        for _ in range(rng.choice((1, 2, 3, 4))):
            height = rng.between(0.25, 0.9)
            self._in_wall(f.picture(rng, rng.between(0.25, 1.1), height), rng.between(1.1, 1.8))
        if rng.chance(0.45):
            self._standing(f.floor_lamp(rng))
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            self._standing(f.plant(rng))
        for _ in range(rng.choice((0, 0, 1, 2))):
            self._standing(f.crate(rng) if rng.chance(0.6) else f.clutter(rng))
        if rng.chance(0.25):  # a chimney breast or a column in a corner
            x, y = rng.choice((0.0, self.width)), rng.choice((0.0, self.depth))
            half = (rng.between(0.2, 0.5), rng.between(0.15, 0.4))
            area = (x - half[0], x + half[0], y - half[1], y + half[1])
            if all(area[1] < a or b < area[0] or area[3] < p or q < area[2] for a, b, p, q in self.floor):
                paint = self._wall_paint()
                kept = self.instances
                self.instances = 0  # one surface with the walls
                self._add(Part(f.BOX, (x, y, self.height / 2), (*half, self.height / 2), paint), (0.0, 0.0, 0.0), 0.0, c.WALL)
                self.instances = kept
                self.floor.append(area)

    # ---- light, and into arrays ----

    def _lights(self) -> tuple[Array, Array]:
        rng = self.rng
        x, y = self.width * rng.between(0.3, 0.7), self.depth * rng.between(0.3, 0.7)
        z = self.height - 0.12
        if rng.chance(0.85):
            self._place(f.ceiling_lamp(rng), (x, y, self.height), rng.between(0, 3))
        lamp_on = rng.chance(0.75)
        warm = rng.between(0.5, 0.95)
        colour = _scaled((1.0, 0.5 + 0.5 * warm, warm), rng.between(0.6, 1.3) if lamp_on else 0.15)
        day = rng.between(0.4, 1.6) if self.windows else 0.0
        wx, wy, wz = self.windows[0] if self.windows else (self.width * rng.random(), self.depth * rng.random(), 1.6)
        sky = _scaled((rng.between(0.75, 1.0), 0.92, 1.0), max(day, rng.between(0.05, 0.35)))
        lights = np.array([(x, y, z, *colour, rng.between(0.05, 0.3)), (wx, wy, wz, *sky, rng.between(0.2, 0.5))], np.float32)
        ambient = (lights[0, 3:6] + lights[1, 3:6]) * rng.between(0.15, 0.4)
        return lights, ambient.astype(np.float32)

    def finish(self) -> Room:
        lights, ambient = self._lights()
        table = np.array(self.rows, np.float32)
        shift_rng = self.rng.random()
        period = table[:, 12:13]
        fitted = period <= 0
        half = table[:, 3:6]
        factor = np.where(fitted, np.float32(0.5), half / np.where(fitted, 1, period)).astype(np.float32)
        scatter = (table[:, :2] * np.float32(7.13) + np.float32(shift_rng)) % 1.0
        integer = table[:, [8, 9, 10, 11]].astype(np.int64)
        return Room(
            size=np.array((self.width, self.depth, self.height), np.float32),
            centre=table[:, :3], half=half, rotation=_rotations(table[:, 6], table[:, 7]),
            kind=integer[:, 0], class_id=integer[:, 1], instance=integer[:, 2], texture=integer[:, 3],
            factor=factor, shift=np.where(fitted, np.float32(0.5), scatter).astype(np.float32),
            first=table[:, 13:16], second=table[:, 16:19], gloss=table[:, 19], emission=table[:, 20],
            lights=lights, ambient=ambient,
        )


def _scaled(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def _rotations(yaw: Array, tilt: Array) -> Array:
    """Rz(yaw) Rx(tilt), (n, 3, 3)."""
    cy, sy, ct, st = np.cos(yaw), np.sin(yaw), np.cos(tilt), np.sin(tilt)
    rotation = np.zeros((len(yaw), 3, 3), np.float32)
    rotation[:, 0, 0], rotation[:, 0, 1], rotation[:, 0, 2] = cy, -sy * ct, sy * st
    rotation[:, 1, 0], rotation[:, 1, 1], rotation[:, 1, 2] = sy, cy * ct, -cy * st
    rotation[:, 2, 1], rotation[:, 2, 2] = st, ct
    return rotation
