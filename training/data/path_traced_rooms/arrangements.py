"""Pieces that belong together: a row of kitchen cabinets, a table with its chairs, a desk with its computer."""

from __future__ import annotations

from math import atan2, pi

from training.data.path_traced_rooms.catalogue import Entry
from training.data.path_traced_rooms.fitted import partition
from training.data.path_traced_rooms.plan import Body, Finish, Footprint, Piece, Pose, Room, Surface
from training.data.path_traced_rooms.shell import bulb_of, front
from training.data.path_traced_rooms.textures import Cover, picture
from training.data.synthetic_rooms.classes import OBJECT

Model = tuple[Entry, int]

UPPER = 1.45
"""Metres above the floor at which upper kitchen cabinets hang."""
SEAT = 0.65
"""Metres of a table's edge that a chair takes."""
REACH = 0.2
"""Metres by which the front of a chair may be below a table."""


def kitchen_row(room: Room, wall: int) -> None:
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


def rug(room: Room) -> None:
    model = room.pick("rug", min(room.size[:2]))
    if model:
        w, d, _ = room.size
        x, y = w * room.rng.uniform(0.35, 0.65), d * room.rng.uniform(0.35, 0.65)
        angle = float(room.rng.choice([0, pi / 2])) + 0.05 * float(room.rng.standard_normal())
        if max(model[0].size[:2]) < 0.95 * min(w, d):
            room.lay("rug", model, Pose(float(x), float(y), 0.001, angle), (*model[0].size[:2], 0.012))


def put_before(room: Room, piece: Piece, role: str, gap: float) -> None:
    """Put something before a piece, in line with it."""
    model = room.pick(role)
    if model:
        x, y, _ = piece.pose.at(0, -(piece.size[1] + model[0].size[1]) / 2 - gap)
        placed = room.put(role, model, Pose(x, y, 0, piece.pose.angle + 0.1 * float(room.rng.standard_normal())))
        if placed:
            room.offers(placed)


def television(room: Room) -> None:
    if room.rng.random() < 0.3:
        room.at_wall("wall_tv", gap=0.005)
        return
    stand, tv = room.at_wall("low_cabinet"), room.pick("tv")
    if stand and tv:
        surface = room.offers(stand)
        pose = room.stand_on(surface, tv[0].size, (0.0, 0.0), angle=0.0, spread=0.1)
        if pose:
            room.lay("tv", tv, pose)


def dining(room: Room, pose: Pose | None = None, model: Model | None = None) -> None:
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


def desk(room: Room, pose: Pose | None, model: Model | None = None) -> None:
    """A desk with a computer on it and a chair before it."""
    rng = room.rng
    model = model or room.pick("desk")
    if model is None:
        return
    piece = room.put("desk", model, pose) if pose else room.at_wall("desk", model)
    if piece is None:
        return
    if rng.random() < 0.25:
        partition(room, piece.pose, piece.size)
    surface = room.offers(piece)
    w, d, _ = piece.size
    for _ in range(int(rng.integers(0, 3))):
        if rng.random() < 0.55:
            _monitor(room, surface, d)
        elif computer := room.pick("computer"):
            place = room.stand_on(surface, computer[0].size, (0.0, 0.02), angle=float(rng.normal(0, 0.2)), spread=w / 5)
            if place:
                room.lay("computer", computer, place)
    if rng.random() < 0.4:
        put_lamp(room, surface)
    chair = room.pick("office_chair" if rng.random() < 0.7 else "chair", 0.75)
    if chair and rng.random() < 0.85:
        x, y, _ = piece.pose.at(float(rng.normal(0, w / 8)), -d / 2 - float(rng.uniform(0.0, 0.5)) - 0.1)
        _chair(room, chair, x, y, piece.pose.angle + pi)


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


def put_lamp(room: Room, surface: Surface) -> None:
    lamp = room.pick("table_lamp")
    if lamp is None:
        return
    pose = room.stand_on(surface, lamp[0].size)
    if pose:
        piece = room.lay("table_lamp", lamp, pose)
        if room.rng.random() < 0.5:
            room.add(bulb_of(room, pose, piece.size[2], piece.instance))
