"""Rooms of several kinds, furnished as people furnish them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi

import numpy as np

from training.data.path_traced_rooms.arrangements import (
    desk,
    dining,
    kitchen_row,
    put_before,
    put_lamp,
    rug,
    television,
)
from training.data.path_traced_rooms.catalogue import Catalogue, Entry
from training.data.path_traced_rooms.fitted import cupboard_wall, fitted_kitchen
from training.data.path_traced_rooms.models import ModelStore
from training.data.path_traced_rooms.plan import Footprint, Pose, Room, Surface
from training.data.path_traced_rooms.shell import add_package, build_shell, bulb_of, hang_things, package
from training.data.path_traced_rooms.textures import Rng

Model = tuple[Entry, int]

THINGS_ON_A_TABLE = (5, 40)
LARGEST_THING = 0.45
CUPBOARDS = 0.2
"""The share of rooms, beside kitchens, with a wall of cupboards."""
HEAP = 0.25
"""Metres around its middle over which the things of a heap lie."""


def furnished_room(rng: Rng, catalogue: Catalogue, store: ModelStore, kinds: Sequence[str] = ()) -> Room:
    """A random room with all that is in it: of one of these kinds, or of any."""
    among = list(kinds or KINDS)
    weights = np.array([KINDS[kind][0] for kind in among])
    kind = str(rng.choice(among, p=weights / weights.sum()))
    _, widths, depths, heights, fill = KINDS[kind]
    size = tuple(float(rng.uniform(*span)) for span in (widths, depths, heights))
    room = Room((size[0], size[1], size[2]), kind, rng, catalogue, store)
    night = rng.random() < 0.2
    lit = night or rng.random() < 0.6
    windows = 0 if kind == "store" else int(rng.integers(0 if lit else 1, 4)) * (2 if kind == "hall" else 1)
    _fit(room)  # before doors and windows, which would leave no wall for a row
    build_shell(room, windows, int(rng.integers(1, 3 if kind != "corridor" else 7)), lit, night)
    fill(room)
    hang_things(room)
    _people(room)
    _clutter(room)
    _lay_tables(room)
    return room


def _fit(room: Room) -> None:
    """What is made to measure for a wall."""
    rng = room.rng
    if room.kind != "kitchen":
        if rng.random() < CUPBOARDS:
            cupboard_wall(room)
        return
    wall = int(rng.integers(4))
    if rng.random() < 0.6:
        fitted_kitchen(room, wall, corner=bool(rng.random() < 0.45))
        return
    kitchen_row(room, wall)
    if rng.random() < 0.4:
        kitchen_row(room, (wall + 1) % 4)


def _living(room: Room) -> None:
    rng = room.rng
    if rng.random() < 0.6:
        rug(room)
    for _ in range(int(rng.integers(1, 3))):
        sofa = room.at_wall("corner_sofa" if rng.random() < 0.15 else "sofa")
        if sofa:
            put_before(room, sofa, "coffee_table", float(rng.uniform(0.3, 0.5)))
            room.offers(sofa)
    television(room)
    for _ in range(int(rng.integers(0, 3))):
        _some(room, "armchair", 1)
    _some(room, "shelf", int(rng.integers(0, 3)), wall=True)
    _some(room, "low_cabinet", int(rng.integers(0, 3)), wall=True)
    _some(room, "floor_lamp", int(rng.integers(0, 2)), wall=True)
    _some(room, "plant", int(rng.integers(0, 3)), wall=True)
    if rng.random() < 0.3:
        dining(room)
    if rng.random() < 0.15:
        room.at_wall("fireplace")
    if rng.random() < 0.08:
        room.at_wall("piano")


def _kitchen(room: Room) -> None:
    rng = room.rng
    if rng.random() < 0.25:
        island = room.anywhere("island", margin=0.5)
        if island:
            room.offers(island)
    if min(room.size[:2]) > 2.6:
        dining(room)
    _some(room, "low_cabinet", int(rng.integers(0, 2)), wall=True)
    _some(room, "high_chair", int(rng.integers(0, 2)))


def _bedroom(room: Room) -> None:
    rng = room.rng
    if rng.random() < 0.5:
        rug(room)
    bed = room.at_wall("bed")
    if bed:
        room.offers(bed)
        for side in (-1, 1):
            table = room.pick("bedside_table") if rng.random() < 0.7 else None
            if table:
                out = bed.size[0] / 2 + table[0].size[0] / 2 + 0.03
                x, y, _ = bed.pose.at(side * out, bed.size[1] / 2 - table[0].size[1] / 2)
                piece = room.put("bedside_table", table, Pose(x, y, 0, bed.pose.angle))
                if piece:
                    put_lamp(room, room.offers(piece))
    if rng.random() < 0.15:
        room.at_wall("baby_bed")
    _some(room, "wardrobe", int(rng.integers(0, 3)), wall=True)
    _some(room, "low_cabinet", int(rng.integers(0, 2)), wall=True)
    _some(room, "shelf", int(rng.integers(0, 2)), wall=True)
    if rng.random() < 0.5:
        desk(room, None)
    _some(room, "chair", int(rng.integers(0, 2)))


def _office(room: Room) -> None:
    rng = room.rng
    for _ in range(int(rng.integers(1, 4))):
        desk(room, None)
    _some(room, "shelf", int(rng.integers(1, 4)), wall=True)
    _some(room, "low_cabinet", int(rng.integers(0, 3)), wall=True)
    _some(room, "plant", int(rng.integers(0, 2)), wall=True)
    _some(room, "screen", int(rng.integers(0, 2)), wall=True)
    if rng.random() < 0.2:
        _some(room, "sofa", 1, wall=True)


def _hall(room: Room) -> None:
    """An open office, a canteen, or a hall with things in it."""
    rng = room.rng
    w, d, _ = room.size
    what = rng.random()
    step_x, step_y = float(rng.uniform(2.2, 3.2)), float(rng.uniform(2.2, 3.4))
    model = room.pick("desk" if what < 0.6 else "dining_table")
    for x in np.arange(step_x * 0.7, w - 1, step_x):
        for y in np.arange(step_y * 0.7, d - 1, step_y):
            if rng.random() < 0.25 or model is None:
                continue
            pose = Pose(float(x), float(y), 0.0, float(rng.choice([0, pi])) if what < 0.6 else 0.0)
            if what < 0.6:
                desk(room, pose, model)
            elif what < 0.85:
                dining(room, pose, model)
    _some(room, "shelf", int(rng.integers(0, 5)), wall=True)
    _some(room, "plant", int(rng.integers(0, 4)), wall=True)
    _some(room, "sofa", int(rng.integers(0, 3)), wall=True)
    _some(room, "big_thing", int(rng.integers(0, 3)))


def _corridor(room: Room) -> None:
    rng = room.rng
    for role, most in (("radiator", 2), ("low_cabinet", 2), ("shelf", 1), ("plant", 2), ("chair", 2), ("low_seat", 1)):
        _some(room, role, int(rng.integers(0, most + 1)), wall=True)


def _bathroom(room: Room) -> None:
    for role in ("bath", "washbasin", "toilet", "stove", "low_cabinet"):
        if room.rng.random() < 0.75:
            piece = room.at_wall(role)
            if piece and role in ("washbasin", "low_cabinet", "stove"):
                room.offers(piece)
    if room.rng.random() < 0.6:
        rug(room)


def _store(room: Room) -> None:
    rng = room.rng
    _some(room, "shelf", int(rng.integers(1, 5)), wall=True)
    _some(room, "big_thing", int(rng.integers(1, 4)))
    _some(room, "high_table", int(rng.integers(0, 2)), wall=True)
    _some(room, "freezer", int(rng.integers(0, 2)), wall=True)
    _some(room, "floor_thing", int(rng.integers(3, 12)))


Span = tuple[float, float]
KINDS: dict[str, tuple[float, Span, Span, Span, Callable[[Room], None]]] = {
    "living": (0.2, (3.3, 8.0), (3.0, 6.5), (2.3, 3.2), _living),
    "kitchen": (0.28, (2.4, 6.5), (2.2, 5.0), (2.3, 3.0), _kitchen),
    "bedroom": (0.12, (2.8, 5.5), (2.6, 5.0), (2.3, 2.9), _bedroom),
    "office": (0.14, (2.6, 6.0), (2.6, 6.0), (2.4, 3.2), _office),
    "hall": (0.11, (6.0, 15.0), (5.0, 15.0), (2.6, 4.5), _hall),
    "corridor": (0.08, (1.2, 2.6), (5.0, 15.0), (2.3, 3.2), _corridor),
    "bathroom": (0.03, (1.7, 3.6), (1.7, 3.6), (2.2, 2.7), _bathroom),
    "store": (0.04, (2.5, 7.0), (2.5, 6.0), (2.3, 4.0), _store),
}
"""kind -> how often, width, depth, height in metres, and what furnishes it."""


def _some(room: Room, role: str, count: int, wall: bool = False) -> None:
    for _ in range(count):
        piece = room.at_wall(role) if wall else room.anywhere(role)
        if piece and role in ("shelf", "low_cabinet", "high_table", "freezer", "wardrobe"):
            room.offers(piece)
        if piece and role == "floor_lamp" and room.rng.random() < 0.6:
            room.add(bulb_of(room, piece.pose, piece.size[2], piece.instance))


def _people(room: Room) -> None:
    rng = room.rng
    if rng.random() < (0.4 if room.kind in ("hall", "corridor") else 0.2):
        _some(room, "person", int(rng.integers(1, 4)))
    if rng.random() < 0.05:
        _some(room, "pet", 1)


def _clutter(room: Room) -> None:
    """Things on the floor, of people who do not tidy."""
    rng = room.rng
    most = int(rng.choice([0, 2, 5, 12], p=[0.25, 0.4, 0.25, 0.1]))
    _some(room, "floor_thing", int(rng.integers(0, most + 1)))
    _some(room, "low_seat", int(rng.integers(0, 2)))
    for _ in range(int(rng.integers(0, most + 1))):
        kind, size, finish = package(rng)
        factor = float(rng.uniform(1.0, 3.0)) if kind == "box" else 1.0
        size = (size[0] * factor, size[1] * factor, size[2] * factor)
        w, d, _ = room.size
        pose = Pose(float(rng.uniform(0.2, w - 0.2)), float(rng.uniform(0.2, d - 0.2)), 0, float(rng.uniform(-pi, pi)))
        footprint = Footprint(pose.x, pose.y, size[0] / 2, size[1] / 2, pose.angle, 0.0, size[2])
        if room.fits(footprint):
            room.taken.append(footprint)
            add_package(room, kind, pose, size, finish)


def _lay_tables(room: Room) -> None:
    """Things on all surfaces: many on one or two of them, a few on the others, shelves filled."""
    rng = room.rng
    for number in rng.permutation(len(room.surfaces)):
        surface = room.surfaces[number]
        role = surface.piece.role
        if role in ("sofa", "corner_sofa", "bed"):
            count, layers = int(rng.integers(0, 4)), 1
        elif role == "shelf":
            count, layers = int(rng.integers(0, 40)), 10
        elif rng.random() < 0.4:
            low, high = THINGS_ON_A_TABLE
            count, layers = round(np.exp(rng.uniform(np.log(low), np.log(high)))), 1
        else:
            count, layers = int(rng.integers(0, 6)), 1
        w, d, _ = surface.piece.size
        heap = (0.25 * w * float(rng.uniform(-1, 1)), 0.25 * d * float(rng.uniform(-1, 1)))
        for _ in range(count):
            _thing(room, surface, layers, heap if rng.random() < 0.4 else None)


def _thing(room: Room, surface: Surface, layers: int, near: tuple[float, float] | None) -> None:
    rng = room.rng
    if rng.random() < 0.35:
        kind, size, finish = package(rng)
        pose = room.stand_on(surface, size, near, layers=layers, spread=HEAP)
        if pose:
            add_package(room, kind, pose, size, finish)
        return
    model = room.pick("thing", LARGEST_THING)
    if model:
        pose = room.stand_on(surface, model[0].size, near, layers=layers, spread=HEAP)
        if pose:
            room.lay("thing", model, pose)
