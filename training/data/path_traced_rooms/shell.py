"""Walls, floor and ceiling, and what is fixed to them: doors, windows, curtains, pictures, radiators, lights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.path_traced_rooms.catalogue import Entry
from training.data.path_traced_rooms.plan import WALLS, Body, Finish, Footprint, Pose, Room, Vector
from training.data.path_traced_rooms.textures import (
    CEILINGS,
    FLOORS,
    Cover,
    Rng,
    hsv,
    outside,
    picture,
    wood_colour,
)
from training.data.path_traced_rooms.textures import WALLS as WALL_COVERS
from training.data.synthetic_rooms.classes import CEILING, DOOR, FLOOR, LAMP, OBJECT, PICTURE, WALL, WINDOW

SHELL = 0
"""The instance of all of the shell."""
OUTWARDS = 0.004
"""Metres by which things on a wall are off it."""


def build_shell(room: Room, windows: int, doors: int, lit: bool, night: bool) -> None:
    """All that is fixed, with the lights on where `lit`, the outside dark at `night`."""
    _surfaces(room)
    for _ in range(doors):
        _door(room)
    for _ in range(windows):
        _window(room, night)
    lit = lit or not any(body.finish.glow for body in room.bodies)  # no window found room
    if room.kind not in ("corridor", "store") and room.rng.random() < 0.6:
        room.at_wall("radiator", z=0.1)
    _ceiling_lights(room, lit)
    if room.rng.random() < 0.25:
        _pillar(room)
    if room.rng.random() < 0.5:
        _skirting(room)


def hang_things(room: Room) -> None:
    """Pictures, clocks, switches, wall lamps: where the furniture leaves room for them."""
    rng = room.rng
    for _ in range(int(rng.integers(0, 6))):
        _picture(room)
    for _ in range(int(rng.integers(0, 3))):
        room.at_wall("on_wall", z=float(rng.uniform(1.2, 1.7)), gap=OUTWARDS)
    for _ in range(int(rng.integers(0, 4))):
        room.at_wall("switch", gap=OUTWARDS)
    if rng.random() < 0.2:
        room.at_wall("wall_lamp", z=float(rng.uniform(1.4, 1.8)), gap=OUTWARDS)


def _surfaces(room: Room) -> None:
    rng = room.rng
    w, d, h = room.size
    wall = _any(rng, WALL_COVERS)
    accent = _any(rng, WALL_COVERS) if rng.random() < 0.35 else wall
    accented = int(rng.integers(WALLS))
    floor, ceiling = _any(rng, FLOORS), _any(rng, CEILINGS)
    planes: list[tuple[Vector, Vector, tuple[float, float], Cover, int]] = [
        ((w / 2, d / 2, 0.0), (0.0, 0.0, 1.0), (w, d), floor, FLOOR),
        ((w / 2, d / 2, h), (0.0, 0.0, -1.0), (w, d), ceiling, CEILING),
    ]
    for side in range(WALLS):
        pose = room.wall_pose(side, room.wall_length(side) / 2, 0.0)
        nx, ny, _ = front(pose)
        cover = accent if side == accented else wall
        planes.append(((pose.x, pose.y, h / 2), (nx, ny, 0.0), (room.wall_length(side), h), cover, WALL))
    for centre, facing, (across, down), cover, class_id in planes:
        finish = Finish(cover, roughness=cover.roughness, repeats=(across / cover.metres, down / cover.metres))
        room.add(Body("plane", Pose(*centre), (across, down, 0.0), class_id, SHELL, finish, facing))


def _any(rng: Rng, covers: Sequence[Callable[[Rng], Cover]]) -> Cover:
    return covers[int(rng.integers(len(covers)))](rng)


def _door(room: Room) -> None:
    rng = room.rng
    model = room.pick("door", room.wall_length(0))
    if model is None or model[0].size[2] > room.size[2] - 0.05:
        return
    w, _, h = model[0].size
    piece = room.at_wall("door", model, z=0.0, gap=OUTWARDS, size=(w, float(rng.uniform(0.05, 0.1)), h), front=0.8)
    if piece:
        x, y, z = piece.pose.at(0, piece.size[1] / 2 + OUTWARDS / 2, h / 2)
        tone = wood_colour(rng) if rng.random() < 0.5 else hsv(rng.random(), 0.3 * rng.random(), rng.uniform(0.3, 0.95))
        finish = Finish(colour=rgb(tone))
        behind = (w * 0.97, h * 0.99, 0.0)
        room.add(Body("plane", Pose(x, y, z), behind, DOOR, piece.instance, finish, front(piece.pose)))


def _window(room: Room, night: bool) -> None:
    rng = room.rng
    model = room.pick("window")
    if model is None:
        return
    w, _, h = model[0].size
    scale = float(rng.uniform(0.8, 1.5)) if w < 1.5 else 1.0
    w = min(w * scale, 0.9 * max(room.size[:2]))
    z = model[0].elevation if model[0].elevation < 0.3 else float(rng.uniform(0.6, 1.1))
    h = min(h, room.size[2] - z - 0.1)
    piece = room.at_wall("window", model, z=z, gap=OUTWARDS, size=(w, float(rng.uniform(0.04, 0.12)), h))
    if piece is None:
        return
    x, y, middle = piece.pose.at(0, piece.size[1] / 2 + OUTWARDS / 2, h / 2)
    strength = 0.05 if night else float(np.exp(rng.normal(1.6, 0.8)))
    finish = Finish(Cover(outside(rng), 1.0), glow=(strength, strength, strength))
    pane = (w * 0.96, h * 0.96, 0.0)
    room.add(Body("plane", Pose(x, y, middle), pane, WINDOW, piece.instance, finish, front(piece.pose)))
    if not night and rng.random() < 0.25:
        source = piece.pose.at(0, -piece.size[1] / 2 - 0.02, h * 0.8)
        target = piece.pose.at(float(rng.uniform(-1.5, 1.5)), -float(rng.uniform(0.8, 2.5)), -z)
        room.sunbeams.append((source, (target[0], target[1], 0.0)))
    if rng.random() < 0.5:
        _curtains(room, piece.pose, w, z, h)


def _curtains(room: Room, pose: Pose, w: float, z: float, h: float) -> None:
    rng = room.rng
    curtain, blind = room.pick("curtain"), room.pick("blind")
    if curtain and (blind is None or rng.random() < 0.8):
        top = min(z + h + 0.1, room.size[2] - 0.02)
        bottom = 0.03 if rng.random() < 0.7 else max(z - 0.15, 0.03)
        width = float(rng.uniform(0.25, 0.55)) * w
        for side in (-1, 1):
            x, y, _ = pose.at(side * (w / 2 - width * 0.3), -0.1)
            if 0.02 < x < room.size[0] - 0.02 and 0.02 < y < room.size[1] - 0.02:
                room.lay("curtain", curtain, Pose(x, y, bottom, pose.angle), (width, 0.08, top - bottom))
    elif blind:
        x, y, _ = pose.at(0, -0.1)
        height = h * float(rng.uniform(0.2, 0.9))
        room.lay("blind", blind, Pose(x, y, z + h - height, pose.angle), (w, 0.05, height))


def _picture(room: Room) -> None:
    rng = room.rng
    w, h = float(rng.uniform(0.2, 1.3)), float(rng.uniform(0.2, 1.0))
    for _ in range(6):
        side = int(rng.integers(WALLS))
        if room.wall_length(side) < w + 0.1:
            continue
        along = float(rng.uniform(w / 2, room.wall_length(side) - w / 2))
        pose = room.wall_pose(side, along, 0.012 + OUTWARDS, float(rng.uniform(1.3, 1.7)) - h / 2)
        footprint = Footprint(pose.x, pose.y, w / 2, 0.01, pose.angle, pose.z, pose.z + h)
        if room.fits(footprint):
            room.taken.append(footprint)
            _framed(room, pose, w, h)
            return


def _framed(room: Room, pose: Pose, w: float, h: float) -> None:
    rng = room.rng
    instance = room.new_instance()
    tone = wood_colour(rng) if rng.random() < 0.5 else np.full(3, rng.choice([0.05, 0.9, 0.5]))
    room.add(Body("box", pose, (w, 0.024, h), PICTURE, instance, Finish(colour=rgb(tone), roughness=0.4)))
    border = float(rng.uniform(0.0, 0.06))
    x, y, z = pose.at(0, -0.014, h / 2)
    canvas = Finish(Cover(picture(rng), 1.0), roughness=float(rng.choice([1.0, 0.15])))
    room.add(Body("plane", Pose(x, y, z), (w - 2 * border, h - 2 * border, 0), PICTURE, instance, canvas, front(pose)))


def _ceiling_lights(room: Room, lit: bool) -> None:
    """A grid of panels in large rooms, one or a few lamps in others."""
    rng = room.rng
    w, d, h = room.size
    warmth = hsv(rng.uniform(0.05, 0.13), rng.uniform(0.0, 0.45), 1.0)
    across, down = (max(1, round(side / rng.uniform(2.4, 4.0))) for side in (w, d))
    if room.kind not in ("hall", "corridor", "office", "store") and rng.random() < 0.7:
        across, down = (int(rng.integers(1, 3)), 1) if rng.random() < 0.7 else (2, 2)
    hanging = room.pick("hanging_lamp") if h > 2.3 and room.kind in ("living", "kitchen", "bedroom") else None
    shape = int(rng.integers(3))
    strength = float(np.exp(rng.normal(2.7, 0.5))) if lit else 0.0
    glow = rgb(warmth * strength) if lit else None
    size = ((0.6, 0.6), (1.2, 0.25), (0.35, 0.35))[shape]
    for i in range(min(across, 4)):
        for j in range(min(down, 5)):
            x, y = w * (i + 0.5) / min(across, 4), d * (j + 0.5) / min(down, 5)
            if hanging and rng.random() < 0.6:
                _hanging(room, hanging, x, y, glow)
                continue
            instance = room.new_instance()
            shines = rgb(warmth * strength / size[0] / size[1] * 0.12) if lit else None
            finish = Finish(colour=(0.9, 0.9, 0.88), glow=shines)
            thick = float(rng.uniform(0.02, 0.1))
            body = Finish(colour=rgb(np.full(3, rng.uniform(0.3, 0.95))))
            room.add(Body("box", Pose(x, y, h - thick), (*size, thick), LAMP, instance, body))
            place = Pose(x, y, h - thick - 0.003)
            room.add(Body("plane", place, (size[0] * 0.95, size[1] * 0.95, 0), LAMP, instance, finish, (0, 0, -1)))


def _hanging(room: Room, model: tuple[Entry, int], x: float, y: float, glow: Vector | None) -> None:
    w, d, h = model[0].size
    drop = min(h, room.size[2] - 1.5)
    piece = room.lay("hanging_lamp", model, Pose(x, y, room.size[2] - drop), (w, d, drop))
    if glow:
        room.add(_bulb(piece.pose, 0.12 * drop, 0.05, piece.instance, glow, 6.0))


def bulb_of(room: Room, pose: Pose, height: float, instance: int) -> Body:
    """The bulb of a standing lamp of this height, near its top."""
    warmth = hsv(room.rng.uniform(0.05, 0.12), room.rng.uniform(0.1, 0.5), 1.0)
    strength = float(np.exp(room.rng.normal(3.0, 0.5)))
    return _bulb(pose, 0.82 * height, 0.035, instance, rgb(warmth), strength)


def _bulb(pose: Pose, up: float, radius: float, instance: int, glow: Vector, strength: float) -> Body:
    finish = Finish(colour=(1, 1, 1), glow=(glow[0] * strength, glow[1] * strength, glow[2] * strength))
    return Body("ball", Pose(pose.x, pose.y, pose.z + up), (2 * radius,) * 3, LAMP, instance, finish)


def _pillar(room: Room) -> None:
    """A pillar, or a stub of a partition wall, of the same paint as some wall."""
    rng = room.rng
    wall = int(rng.integers(WALLS))
    w, d = float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.2, min(1.5, min(room.size[:2]) / 3)))
    along = float(rng.uniform(w / 2, room.wall_length(wall) - w / 2))
    pose = room.wall_pose(wall, along, d / 2)
    footprint = Footprint(pose.x, pose.y, w / 2, d / 2, pose.angle, 0.0, room.size[2])
    if room.fits(footprint):
        room.taken.append(footprint)
        finish = Finish(_any(rng, WALL_COVERS), repeats=(0.5, 1.2))
        room.add(Body("box", pose, (w, d, room.size[2]), WALL, SHELL, finish))


def _skirting(room: Room) -> None:
    rng = room.rng
    tone = wood_colour(rng) if rng.random() < 0.5 else np.full(3, rng.uniform(0.2, 0.95))
    height = float(rng.uniform(0.05, 0.12))
    for side in range(WALLS):
        length = room.wall_length(side)
        pose = room.wall_pose(side, length / 2, 0.007)
        room.add(Body("box", pose, (length, 0.014, height), WALL, SHELL, Finish(colour=rgb(tone), roughness=0.5)))


def package(rng: Rng) -> tuple[str, Vector, Finish]:
    """Something simple of true size for a table: a box, a can or bottle, a ball, a book: kind, size, finish."""
    cover = Cover(picture(rng), 1.0) if rng.random() < 0.75 else None
    tone = rgb(hsv(rng.random(), rng.random(), rng.uniform(0.1, 1.0)))
    metallic = 1.0 if cover is None and rng.random() < 0.25 else 0.0
    finish = Finish(cover, tone, float(rng.choice([1.0, 0.2, 0.35, 0.6])), metallic)
    kind = int(rng.integers(5))
    if kind <= 1:
        size = np.sort(rng.uniform(0.03, 0.25, 3))
        w, d, h = (size[2], size[1], size[0]) if rng.random() < 0.4 else (size[1], size[0], size[2])
        return "box", (float(w), float(d), float(h)), finish
    if kind == 2:
        radius = float(rng.uniform(0.02, 0.055))
        return "cylinder", (2 * radius, 2 * radius, float(rng.uniform(0.04, 0.3))), finish
    if kind == 3:
        return "ball", (float(rng.uniform(0.04, 0.16)),) * 3, finish
    book = float(rng.uniform(0.12, 0.3)), float(rng.uniform(0.1, 0.22)), float(rng.uniform(0.008, 0.05))
    return "box", book, finish


def add_package(room: Room, kind: str, pose: Pose, size: Vector, finish: Finish) -> None:
    room.add(Body(kind, pose, size, OBJECT, room.new_instance(), finish))


def front(pose: Pose) -> Vector:
    return float(np.sin(pose.angle)), float(-np.cos(pose.angle)), 0.0


def rgb(colour: NDArray[np.float64]) -> Vector:
    """A colour (3,) as finishes have it."""
    return float(colour[0]), float(colour[1]), float(colour[2])
