"""Rooms of several kinds, furnished as people furnish them."""

from __future__ import annotations

from collections.abc import Callable
from math import atan2, pi

import numpy as np

from training.data.path_traced_rooms.catalogue import Catalogue, Entry
from training.data.path_traced_rooms.models import ModelStore
from training.data.path_traced_rooms.plan import Body, Finish, Footprint, Piece, Pose, Room, Surface
from training.data.path_traced_rooms.shell import add_package, build_shell, bulb_of, front, hang_things, package
from training.data.path_traced_rooms.textures import Cover, Rng, picture
from training.data.synthetic_rooms.classes import OBJECT

Model = tuple[Entry, int]

THINGS_ON_A_TABLE = (5, 40)
LARGEST_THING = 0.45
HEAP = 0.25
"""Metres around its middle over which the things of a heap lie."""
UPPER = 1.45
SEAT = 0.65
"""Metres of a table's edge that a chair takes."""
REACH = 0.2
"""Metres by which the front of a chair may be below a table."""


def furnished_room(rng: Rng, catalogue: Catalogue, store: ModelStore) -> Room:
    """A random room with all that is in it."""
    kind = str(rng.choice(list(KINDS), p=[weight for weight, *_ in KINDS.values()]))
    _, widths, depths, heights, fill = KINDS[kind]
    size = tuple(float(rng.uniform(*span)) for span in (widths, depths, heights))
    room = Room((size[0], size[1], size[2]), kind, rng, catalogue, store)
    night = rng.random() < 0.2
    lit = night or rng.random() < 0.6
    windows = 0 if kind == "store" else int(rng.integers(0 if lit else 1, 4)) * (2 if kind == "hall" else 1)
    build_shell(room, windows, int(rng.integers(1, 3 if kind != "corridor" else 7)), lit, night)
    fill(room)
    hang_things(room)
    _people(room)
    _clutter(room)
    _lay_tables(room)
    return room


def _living(room: Room) -> None:
    rng = room.rng
    if rng.random() < 0.6:
        _rug(room)
    for _ in range(int(rng.integers(1, 3))):
        sofa = room.at_wall("corner_sofa" if rng.random() < 0.15 else "sofa")
        if sofa:
            _before(room, sofa, "coffee_table", float(rng.uniform(0.3, 0.5)))
            room.offers(sofa)
    _television(room)
    for _ in range(int(rng.integers(0, 3))):
        _some(room, "armchair", 1)
    _some(room, "shelf", int(rng.integers(0, 3)), wall=True)
    _some(room, "low_cabinet", int(rng.integers(0, 3)), wall=True)
    _some(room, "floor_lamp", int(rng.integers(0, 2)), wall=True)
    _some(room, "plant", int(rng.integers(0, 3)), wall=True)
    if rng.random() < 0.3:
        _dining(room)
    if rng.random() < 0.15:
        room.at_wall("fireplace")
    if rng.random() < 0.08:
        room.at_wall("piano")


def _kitchen(room: Room) -> None:
    rng = room.rng
    wall = int(rng.integers(4))
    _kitchen_row(room, wall)
    if rng.random() < 0.4:
        _kitchen_row(room, (wall + 1) % 4)
    if rng.random() < 0.25:
        island = room.anywhere("island", margin=0.5)
        if island:
            room.offers(island)
    if min(room.size[:2]) > 2.6:
        _dining(room)
    _some(room, "low_cabinet", int(rng.integers(0, 2)), wall=True)
    _some(room, "high_chair", int(rng.integers(0, 2)))


def _kitchen_row(room: Room, wall: int) -> None:
    """Lower cabinets side by side with upper ones over them, a stove with its hood, and something high at one end."""
    rng = room.rng
    library = str(rng.choice(["BlendSwap-CC-0", "BlendSwap-CC-BY"]))

    def of(role: str) -> list[Model]:
        models = room.catalogue.by_role.get(role, [])
        return [m for m in models if m[0].library.stem == library] or models

    length = room.wall_length(wall)
    along = float(rng.uniform(0.05, max(0.06, length / 4)))
    end = length - float(rng.uniform(0.0, length / 4))
    if rng.random() < 0.6:
        high = room.catalogue.by_role["high_kitchen"]
        along = _next_in_row(room, wall, along, high[int(rng.integers(len(high)))], "high_kitchen", 0.0)
    lower, upper, stoves = of("lower_cabinet"), of("upper_cabinet"), room.catalogue.by_role["stove"]
    hood_at, start = None, along
    while along < end - 0.3:
        if hood_at is None and rng.random() < 0.3 and along > start:
            model, role = stoves[int(rng.integers(len(stoves)))], "stove"
            hood_at = along + model[0].size[0] / 2
        else:
            model, role = lower[int(rng.integers(len(lower)))], "lower_cabinet"
        after = _next_in_row(room, wall, along, model, role, 0.0)
        along = after if after > along else along + 0.2
    if rng.random() < 0.15:
        return
    along = start
    while along < end - 0.3:
        model = upper[int(rng.integers(len(upper)))]
        if hood_at is not None and along < hood_at + 0.5 and along + model[0].size[0] > hood_at - 0.4:
            if along < hood_at - 0.2:
                room.at_wall("hood", wall=wall, along=hood_at, z=1.55, gap=0.0)
            along = max(along + 0.1, hood_at + 0.5)
            continue
        after = _next_in_row(room, wall, along, model, "upper_cabinet", UPPER)
        along = after if after > along else along + 0.2


def _next_in_row(room: Room, wall: int, along: float, model: Model, role: str, z: float) -> float:
    """Where the row ends after this piece; unchanged where there was no room for it."""
    width = model[0].size[0]
    if along + width > room.wall_length(wall):
        return along
    piece = room.at_wall(role, model, wall, along + width / 2 + 0.001, z, gap=0.004)
    if piece is None:
        return along
    if role in ("lower_cabinet", "stove"):
        room.offers(piece)
    return along + width + 0.002


def _bedroom(room: Room) -> None:
    rng = room.rng
    if rng.random() < 0.5:
        _rug(room)
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
                    _put_lamp(room, room.offers(piece))
    if rng.random() < 0.15:
        room.at_wall("baby_bed")
    _some(room, "wardrobe", int(rng.integers(0, 3)), wall=True)
    _some(room, "low_cabinet", int(rng.integers(0, 2)), wall=True)
    _some(room, "shelf", int(rng.integers(0, 2)), wall=True)
    if rng.random() < 0.5:
        _desk(room, None)
    _some(room, "chair", int(rng.integers(0, 2)))


def _office(room: Room) -> None:
    rng = room.rng
    for _ in range(int(rng.integers(1, 4))):
        _desk(room, None)
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
                _desk(room, pose, model)
            elif what < 0.85:
                _dining(room, pose, model)
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
        _rug(room)


def _store(room: Room) -> None:
    rng = room.rng
    _some(room, "shelf", int(rng.integers(1, 5)), wall=True)
    _some(room, "big_thing", int(rng.integers(1, 4)))
    _some(room, "high_table", int(rng.integers(0, 2)), wall=True)
    _some(room, "freezer", int(rng.integers(0, 2)), wall=True)
    _some(room, "floor_thing", int(rng.integers(3, 12)))


Span = tuple[float, float]
KINDS: dict[str, tuple[float, Span, Span, Span, Callable[[Room], None]]] = {
    "living": (0.22, (3.3, 8.0), (3.0, 6.5), (2.3, 3.2), _living),
    "kitchen": (0.22, (2.4, 6.5), (2.2, 5.0), (2.3, 3.0), _kitchen),
    "bedroom": (0.13, (2.8, 5.5), (2.6, 5.0), (2.3, 2.9), _bedroom),
    "office": (0.14, (2.6, 6.0), (2.6, 6.0), (2.4, 3.2), _office),
    "hall": (0.12, (6.0, 15.0), (5.0, 15.0), (2.6, 4.5), _hall),
    "corridor": (0.08, (1.2, 2.6), (5.0, 15.0), (2.3, 3.2), _corridor),
    "bathroom": (0.04, (1.7, 3.6), (1.7, 3.6), (2.2, 2.7), _bathroom),
    "store": (0.05, (2.5, 7.0), (2.5, 6.0), (2.3, 4.0), _store),
}
"""kind -> how often, width, depth, height in metres, and what furnishes it."""


def _some(room: Room, role: str, count: int, wall: bool = False) -> None:
    for _ in range(count):
        piece = room.at_wall(role) if wall else room.anywhere(role)
        if piece and role in ("shelf", "low_cabinet", "high_table", "freezer", "wardrobe"):
            room.offers(piece)
        if piece and role == "floor_lamp" and room.rng.random() < 0.6:
            room.add(bulb_of(room, piece.pose, piece.size[2], piece.instance))


def _rug(room: Room) -> None:
    model = room.pick("rug", min(room.size[:2]))
    if model:
        w, d, _ = room.size
        x, y = w * room.rng.uniform(0.35, 0.65), d * room.rng.uniform(0.35, 0.65)
        angle = float(room.rng.choice([0, pi / 2])) + 0.05 * float(room.rng.standard_normal())
        if max(model[0].size[:2]) < 0.95 * min(w, d):
            room.lay("rug", model, Pose(float(x), float(y), 0.001, angle), (*model[0].size[:2], 0.012))


def _before(room: Room, piece: Piece, role: str, gap: float) -> None:
    """Put something before a piece, in line with it."""
    model = room.pick(role)
    if model:
        x, y, _ = piece.pose.at(0, -(piece.size[1] + model[0].size[1]) / 2 - gap)
        placed = room.put(role, model, Pose(x, y, 0, piece.pose.angle + 0.1 * float(room.rng.standard_normal())))
        if placed:
            room.offers(placed)


def _television(room: Room) -> None:
    if room.rng.random() < 0.3:
        room.at_wall("wall_tv", gap=0.005)
        return
    stand, tv = room.at_wall("low_cabinet"), room.pick("tv")
    if stand and tv:
        surface = room.offers(stand)
        pose = room.stand_on(surface, tv[0].size, (0.0, 0.0), angle=0.0, spread=0.1)
        if pose:
            room.lay("tv", tv, pose)


def _dining(room: Room, pose: Pose | None = None, model: Model | None = None) -> None:
    """A table with chairs of one kind around it."""
    rng = room.rng
    model = model or room.pick("dining_table")
    chair = room.pick("chair", 0.7)
    if model is None or chair is None:
        return
    table = room.put("dining_table", model, pose) if pose else _table_somewhere(room, model)
    if table is None:
        return
    room.offers(table)
    w, d, _ = table.size
    seats = max(1, int(w / SEAT))
    for side in (-1, 1):
        for number in range(seats):
            if rng.random() < 0.85:
                across, out = (number + 0.5 - seats / 2) * SEAT, d / 2 + float(rng.uniform(-0.12, 0.4))
                _chair_at(room, table.pose, chair, across, side * out, side)
    for side in (-1, 1):
        if w > 1.2 and rng.random() < 0.5:
            out = w / 2 + float(rng.uniform(0.0, 0.4))
            x, y, _ = table.pose.at(side * out, 0)
            _chair(room, chair, x, y, atan2(table.pose.y - y, table.pose.x - x) + pi / 2)


def _table_somewhere(room: Room, model: Model) -> Piece | None:
    rng = room.rng
    if rng.random() < 0.25:
        return room.at_wall("dining_table", model, gap=float(rng.uniform(0.0, 0.1)))
    for _ in range(10):
        x, y = (float(rng.uniform(0.25, 0.75)) * side for side in room.size[:2])
        angle = float(rng.choice([0, pi / 2])) + 0.06 * float(rng.standard_normal())
        piece = room.put("dining_table", model, Pose(x, y, 0, angle), margin=0.3)
        if piece:
            w, d, h = piece.size
            room.taken[-1] = Footprint(x, y, w / 2, d / 2, angle, 0.0, h)  # without the margin
            return piece
    return None


def _chair_at(room: Room, table: Pose, chair: Model, across: float, back: float, side: int) -> None:
    x, y, _ = table.at(across + 0.05 * float(room.rng.standard_normal()), back)
    _chair(room, chair, x, y, table.angle + (0 if side > 0 else pi))


def _chair(room: Room, chair: Model, x: float, y: float, angle: float) -> None:
    """A chair whose seat is at a place, facing -y at angle 0; its front may reach below the table."""
    angle += float(room.rng.normal(0, 0.15 if room.rng.random() < 0.8 else 0.8))
    w, d, h = chair[0].size
    place = Pose(*Pose(x, y, 0, angle).at(0, d / 2 - 0.05), angle)
    behind = place.at(0, REACH / 2)
    footprint = Footprint(behind[0], behind[1], w / 2, (d - REACH) / 2, angle, 0.0, h)
    if room.fits(footprint):
        room.taken.append(footprint)
        room.lay("chair", chair, place)


def _desk(room: Room, pose: Pose | None, model: Model | None = None) -> None:
    """A desk with a computer on it and a chair before it."""
    rng = room.rng
    model = model or room.pick("desk")
    if model is None:
        return
    desk = room.put("desk", model, pose) if pose else room.at_wall("desk", model)
    if desk is None:
        return
    surface = room.offers(desk)
    w, d, _ = desk.size
    for _ in range(int(rng.integers(0, 3))):
        if rng.random() < 0.55:
            _monitor(room, surface, d)
        elif computer := room.pick("computer"):
            place = room.stand_on(surface, computer[0].size, (0.0, 0.02), angle=float(rng.normal(0, 0.2)), spread=w / 5)
            if place:
                room.lay("computer", computer, place)
    if rng.random() < 0.4:
        _put_lamp(room, surface)
    chair = room.pick("office_chair" if rng.random() < 0.7 else "chair", 0.75)
    if chair and rng.random() < 0.85:
        x, y, _ = desk.pose.at(float(rng.normal(0, w / 8)), -d / 2 - float(rng.uniform(0.0, 0.5)) - 0.1)
        _chair(room, chair, x, y, desk.pose.angle + pi)


def _monitor(room: Room, surface: Surface, depth: float) -> None:
    """A flat screen on its foot, of 19 to 32 inches."""
    rng = room.rng
    w = float(rng.uniform(0.42, 0.72))
    h, lift = w * float(rng.uniform(0.55, 0.65)), float(rng.uniform(0.06, 0.15))
    turn = float(rng.normal(0, 0.15))
    pose = room.stand_on(surface, (0.24, 0.18, h + lift), (0, depth * 0.2), angle=turn, spread=0.25)
    if pose is None:
        return
    instance = room.new_instance()
    dark = Finish(colour=(0.05, 0.05, 0.06), roughness=0.3)
    room.add(Body("box", pose, (0.24, 0.18, 0.012), OBJECT, instance, dark))
    x, y, z = pose.at(0, 0.03)
    room.add(Body("box", Pose(x, y, z, pose.angle), (0.05, 0.03, lift + h / 3), OBJECT, instance, dark))
    room.add(Body("box", Pose(pose.x, pose.y, pose.z + lift, pose.angle), (w, 0.03, h), OBJECT, instance, dark))
    shows = rng.random() < 0.6
    strength = float(rng.uniform(0.5, 2.0))
    off = Finish(colour=(0.02, 0.02, 0.02), roughness=0.1)
    screen = Finish(Cover(picture(rng), 1.0), glow=(strength,) * 3) if shows else off
    x, y, z = pose.at(0, -0.016, lift + h / 2)
    room.add(Body("plane", Pose(x, y, z), (w * 0.96, h * 0.94, 0), OBJECT, instance, screen, front(pose)))


def _put_lamp(room: Room, surface: Surface) -> None:
    lamp = room.pick("table_lamp")
    if lamp is None:
        return
    pose = room.stand_on(surface, lamp[0].size)
    if pose:
        piece = room.lay("table_lamp", lamp, pose)
        if room.rng.random() < 0.5:
            room.add(bulb_of(room, pose, piece.size[2], piece.instance))


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
