"""A random furnished room: what goes where, and how it is lit."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from training.data.synthetic_rooms import classes as c
from training.data.synthetic_rooms import finishes, fixtures, furniture, things
from training.data.synthetic_rooms.floorplan import FloorPlan
from training.data.synthetic_rooms.materials import Colour
from training.data.synthetic_rooms.parts import Part, Piece, Vector
from training.data.synthetic_rooms.primitives import BOX
from training.data.synthetic_rooms.rng import Rng
from training.data.synthetic_rooms.room import Array, Room, from_rows

Make = Callable[[Rng], Piece]
EXTRAS: tuple[Make, ...] = (
    furniture.cabinet,
    furniture.bookshelf,
    furniture.sofa,
    furniture.desk,
    furniture.cabinet,
    furniture.chair,
    furniture.bed,
)


def sample_room(rng: Rng) -> Room:
    """Draw a room: its shell, doors and windows, furniture along the walls and in the middle, small things, light."""
    small = rng.chance(0.3)
    width, depth = (
        (rng.between(2.6, 3.6), rng.between(2.8, 4.2)) if small else (rng.between(3.5, 7.0), rng.between(3.5, 7.0))
    )
    plan = FloorPlan(rng, (width, depth, rng.between(2.35, 3.1)))
    _shell(plan)
    windows = _openings(plan)
    _furnish(plan)
    _decorate(plan)
    lights, ambient = _lights(plan, windows)
    return from_rows(plan.rows, (plan.width, plan.depth, plan.height), lights, ambient, rng.random())


def _shell(plan: FloorPlan) -> None:
    rng = plan.rng
    walls = [finishes.wall_paint(rng)] * 4
    accent = finishes.wall_paint(rng)
    if rng.chance(0.3):
        walls[int(rng.random() * 4)] = accent
    ceiling = finishes.ceiling_paint(rng)
    if rng.chance(0.08):
        ceiling = finishes.wood(rng)
    half = (plan.width / 2, plan.depth / 2, plan.height / 2)
    faces = zip([*walls, finishes.floor_cover(rng), ceiling], (*[c.WALL] * 4, c.FLOOR, c.CEILING), strict=True)
    for material, class_id in faces:
        plan.surface(Part(BOX, half, half, material), class_id)


def _openings(plan: FloorPlan) -> list[Vector]:
    """Doors and windows; returns where light comes in."""
    rng = plan.rng
    for _ in range(rng.choice((1, 1, 2))):
        door = fixtures.door(rng)
        spot = plan.in_wall(door, 0.0)
        if spot is not None:
            (x, y, _), yaw = plan.wall_pose(*spot, 0.3)
            plan.floor.append(plan.footprint(x, y, door.size[0], 0.6, yaw))
    windows = []
    for _ in range(rng.choice((0, 1, 1, 2))):
        sill = rng.between(0.4, 1.05)
        height = min(rng.between(0.9, 1.5), plan.height - sill - 0.25)
        spot = plan.in_wall(fixtures.window(rng, rng.between(0.7, 2.2), height), sill)
        if spot is not None:
            (x, y, _), _ = plan.wall_pose(*spot, 0.35)
            windows.append((x, y, sill + height / 2))
    return windows


# ---- furniture ----


def _furnish(plan: FloorPlan) -> None:
    """The furniture of a bedroom, a living room, a dining room or a study, and some more."""
    rng = plan.rng
    theme = int(rng.random() * 4)
    (_bedroom, _living_room, _dining_room, _study)[theme](plan)
    for _ in range(rng.choice((1, 2, 2, 3, 4))):
        _against_wall(plan, rng.choice(EXTRAS)(rng))
    for _ in range(rng.choice((0, 1, 1, 2))):
        plan.standing(furniture.chair(rng), margin=0.3)


def _bedroom(plan: FloorPlan) -> None:
    rng = plan.rng
    bed = furniture.bed(rng)
    spot = plan.against_wall(bed, tries=12)
    if spot is not None:
        wall, along = spot
        for side in (-1, 1):
            stand = furniture.nightstand(rng)
            if rng.chance(0.6):
                s = along + side * (bed.size[0] / 2 + stand.size[0] / 2 + 0.04)
                (x, y, _), yaw = plan.wall_pose(wall, s, stand.size[1] / 2 + 0.02)
                if plan.beside(stand, x, y, yaw):
                    make = things.table_lamp if rng.chance(0.7) else things.clutter
                    _things_on(plan, x, y, stand.size, yaw, make)
    _against_wall(plan, furniture.cabinet(rng))
    _rug(plan)


def _living_room(plan: FloorPlan) -> None:
    rng = plan.rng
    sofa = furniture.sofa(rng)
    spot = plan.against_wall(sofa, tries=12)
    if spot is not None and rng.chance(0.8):
        table = furniture.coffee_table(rng)
        (x, y, _), yaw = plan.wall_pose(*spot, sofa.size[1] + 0.45 + table.size[1] / 2)
        if plan.beside(table, x, y, yaw):
            _things_on(plan, x, y, table.size, yaw, things.clutter)
    _against_wall(plan, furniture.bookshelf(rng))
    _against_wall(plan, furniture.sofa(rng))
    _rug(plan)


def _dining_room(plan: FloorPlan) -> None:
    rng = plan.rng
    _rug(plan)
    table = furniture.dining_table(rng)
    for _ in range(6):
        x, y = rng.between(0.9, plan.width - 0.9), rng.between(0.9, plan.depth - 0.9)
        yaw = rng.choice((0.0, math.pi / 2)) + rng.between(-0.3, 0.3) * rng.random()
        area = plan.footprint(x, y, table.size[0], table.size[1], yaw)
        if plan.floor_free(area):
            plan.place(table, (x, y, 0.0), yaw)
            plan.floor.append(area)
            _chairs_around(plan, x, y, yaw, table.size)
            _things_on(plan, x, y, table.size, yaw, things.clutter)
            break
    _against_wall(plan, furniture.cabinet(rng))


def _chairs_around(plan: FloorPlan, x: float, y: float, yaw: float, size: Vector) -> None:
    """Four chairs of one kind, of which some are missing."""
    rng = plan.rng
    state = rng.getstate()
    for side in range(4):
        if rng.chance(0.2):
            continue
        keep = rng.getstate()
        rng.setstate(state)  # the same chair again
        chair = furniture.chair(rng)
        rng.setstate(keep)
        reach = (size[1] if side % 2 == 0 else size[0]) / 2 + rng.between(-0.05, 0.3)
        angle = yaw + side * math.pi / 2
        turn = rng.between(-0.3, 0.3) * rng.random()
        plan.beside(chair, x + math.sin(angle) * reach, y - math.cos(angle) * reach, angle + turn)


def _study(plan: FloorPlan) -> None:
    rng = plan.rng
    for _ in range(rng.choice((1, 1, 2))):
        desk = furniture.desk(rng)
        spot = plan.against_wall(desk, tries=10)
        if spot is None:
            continue
        (x, y, _), yaw = plan.wall_pose(*spot, desk.size[1] / 2)
        _things_on(plan, x, y, desk.size, yaw, things.table_lamp if rng.chance(0.5) else things.clutter)
        (x, y, _), yaw = plan.wall_pose(*spot, desk.size[1] + rng.between(0.1, 0.45))
        plan.beside(furniture.chair(rng), x, y, yaw + math.pi + rng.between(-0.5, 0.5))
    _against_wall(plan, furniture.bookshelf(rng))


def _against_wall(plan: FloorPlan, piece: Piece) -> None:
    """Stand a piece against a wall, with things on it if it is low."""
    spot = plan.against_wall(piece)
    low = piece.size[2] < 1.25 and piece.class_id in (c.TABLE, c.CABINET)
    if spot is not None and low:
        (x, y, _), yaw = plan.wall_pose(*spot, piece.size[1] / 2)
        make = things.clutter if plan.rng.chance(0.75) else things.table_lamp
        _things_on(plan, x, y, piece.size, yaw, make)


def _things_on(plan: FloorPlan, x: float, y: float, size: Vector, yaw: float, make: Make) -> None:
    """Put a few things on top of a piece of this size: the first as `make` has it, the others clutter."""
    rng = plan.rng
    for _ in range(rng.choice((0, 1, 1, 2, 2))):
        a, b = rng.between(-0.3, 0.3) * size[0], rng.between(-0.25, 0.25) * size[1]
        cos, sin = math.cos(yaw), math.sin(yaw)
        where = (x + cos * a - sin * b, y + sin * a + cos * b, size[2])
        plan.place(make(rng), where, yaw + rng.between(-0.6, 0.6))
        make = things.clutter


def _rug(plan: FloorPlan) -> None:
    rng = plan.rng
    if rng.chance(0.45):
        rug = fixtures.rug(rng, rng.between(1.0, 2.0), rng.between(1.2, 2.6))
        x, y = plan.width * rng.between(0.4, 0.6), plan.depth * rng.between(0.4, 0.6)
        plan.place(rug, (x, y, 0.0), rng.between(-0.2, 0.2))


def _decorate(plan: FloorPlan) -> None:
    """Pictures, lamps, plants, what lies about, and sometimes a chimney breast."""
    rng = plan.rng
    for _ in range(rng.choice((1, 2, 3, 4))):
        height = rng.between(0.25, 0.9)
        plan.in_wall(fixtures.picture(rng, rng.between(0.25, 1.1), height), rng.between(1.1, 1.8))
    if rng.chance(0.45):
        plan.standing(things.floor_lamp(rng))
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        plan.standing(things.plant(rng))
    for _ in range(rng.choice((0, 0, 1, 2))):
        plan.standing(things.crate(rng) if rng.chance(0.6) else things.clutter(rng))
    if rng.chance(0.25):
        x, y = rng.choice((0.0, plan.width)), rng.choice((0.0, plan.depth))
        half = (rng.between(0.2, 0.5), rng.between(0.15, 0.4), plan.height / 2)
        area = (x - half[0], x + half[0], y - half[1], y + half[1])
        if all(area[1] < a or b < area[0] or area[3] < p or q < area[2] for a, b, p, q in plan.floor):
            plan.surface(Part(BOX, (x, y, half[2]), half, finishes.wall_paint(rng)), c.WALL)
            plan.floor.append(area)


# ---- light ----


def _lights(plan: FloorPlan, windows: list[Vector]) -> tuple[Array, Array]:
    """A lamp under the ceiling, on or off, and the first window; in a room without one some other weak light."""
    rng = plan.rng
    x, y = plan.width * rng.between(0.3, 0.7), plan.depth * rng.between(0.3, 0.7)
    if rng.chance(0.85):
        plan.place(things.ceiling_lamp(rng), (x, y, plan.height), rng.between(0, 3))
    lamp_on = rng.chance(0.75)
    warm = rng.between(0.5, 0.95)
    lamp = _scaled((1.0, 0.5 + 0.5 * warm, warm), rng.between(0.6, 1.3) if lamp_on else 0.15)
    day = rng.between(0.4, 1.6) if windows else 0.0
    window = windows[0] if windows else (plan.width * rng.random(), plan.depth * rng.random(), 1.6)
    sky = _scaled((rng.between(0.75, 1.0), 0.92, 1.0), max(day, rng.between(0.05, 0.35)))
    under_ceiling = (x, y, plan.height - 0.12)
    lights = np.array(
        [(*under_ceiling, *lamp, rng.between(0.05, 0.3)), (*window, *sky, rng.between(0.2, 0.5))], np.float32
    )
    ambient: Array = (lights[0, 3:6] + lights[1, 3:6]) * np.float32(rng.between(0.15, 0.4))
    return lights, ambient


def _scaled(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)
