"""Fitted furniture: rows of flat fronts along a wall, as of kitchens and of walls of cupboards, made to measure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from training.data.path_traced_rooms.models import CELL, Support
from training.data.path_traced_rooms.plan import Body, Counter, Finish, Footprint, Pose, Room, Surface, Vector
from training.data.path_traced_rooms.shell import front, rgb
from training.data.path_traced_rooms.textures import Rng, colour, hsv, panels, terrazzo, tiles, wood_colour
from training.data.synthetic_rooms.classes import CABINET, OBJECT, WALL

WIDTHS = (0.3, 0.4, 0.45, 0.5, 0.6, 0.6, 0.8, 0.9)
"""Metres that a cupboard of a row is wide."""
FRONT = 0.018
"""Metres that a door is thick."""
DEPTH = 0.6
"""Metres that lower and high cupboards are deep, doors included."""
WORKTOP = 0.03
"""Metres by which a worktop stands out before the doors."""


@dataclass(frozen=True)
class Style:
    """What all cupboards of a room have in common. gap: metres between doors; grip: bar, knob or none."""

    door: Finish
    body: Finish
    plinth: Finish
    plinth_height: float
    worktop: Finish
    handle: Finish
    grip: str
    gap: float


def fitted_kitchen(room: Room, wall: int, corner: bool) -> None:
    """Lower cupboards under a worktop, upper ones, high ones at an end; with `corner` along the next wall as well."""
    style = _style(room.rng)
    top = float(room.rng.uniform(0.84, 0.96))
    uppers = room.rng.random() < 0.65
    length = room.wall_length(wall)
    begin = 0.0 if corner or room.rng.random() < 0.5 else float(room.rng.uniform(0.0, length / 4))
    end = length if corner else length - float(room.rng.uniform(0.0, length / 4))
    high = room.rng.random() < 0.5
    if high:
        begin = _high_cupboards(room, style, wall, begin, begin + float(room.rng.uniform(0.4, 1.4)))
    _kitchen_row(room, style, wall, (begin, end), top, uppers)
    if corner:
        following = (wall + 1) % 4
        end = room.wall_length(following) - float(room.rng.uniform(0.0, room.wall_length(following) / 2))
        _kitchen_row(room, style, following, (DEPTH + WORKTOP, end), top, uppers)


def cupboard_wall(room: Room) -> None:
    """A wall of high cupboards, or a part of one."""
    wall = int(room.rng.integers(4))
    length = room.wall_length(wall)
    begin = float(room.rng.uniform(0.0, length / 2))
    _high_cupboards(room, _style(room.rng), wall, begin, begin + float(room.rng.uniform(0.8, length)))


def partition(room: Room, desk: Pose, size: Vector) -> None:
    """A screen behind a desk, as of open offices."""
    rng = room.rng
    x, y, _ = desk.at(0, size[1] / 2 + 0.04)
    high = float(rng.uniform(1.1, 1.7))
    across = size[0] + float(rng.uniform(0.0, 0.6))
    place = Pose(x, y, 0.0, desk.angle)
    footprint = Footprint(x, y, across / 2, 0.03, desk.angle, 0.0, high)
    if room.fits(footprint):
        room.taken.append(footprint)
        cloth = Finish(colour=rgb(colour(rng, 0.4, 0.25, 0.8)))
        instance = room.new_instance()
        room.add(Body("box", place, (across, 0.05, high), WALL, instance, cloth))
        rail = Finish(colour=(0.7, 0.7, 0.72), roughness=0.3, metallic=0.8)
        room.add(Body("box", Pose(x, y, high, desk.angle), (across, 0.06, 0.03), WALL, instance, rail))


def _style(rng: Rng) -> Style:
    tone = rng.random()
    if tone < 0.35:
        door = Finish(colour=rgb(np.full(3, rng.uniform(0.55, 0.95)) * (1 - 0.06 * rng.random(3))))
    elif tone < 0.6:
        door = Finish(colour=rgb(hsv(rng.random(), rng.uniform(0.3, 1.0), rng.uniform(0.2, 0.85))))
    elif tone < 0.7:
        door = Finish(colour=rgb(np.full(3, rng.uniform(0.05, 0.4))))
    elif tone < 0.85:
        door = Finish(colour=rgb(wood_colour(rng)))
    else:
        door = Finish(panels(rng))
    door = replace(door, roughness=float(rng.choice([0.12, 0.2, 0.4, 1.0])))
    stone = terrazzo(rng) if rng.random() < 0.3 else None
    top = wood_colour(rng) if rng.random() < 0.4 else np.full(3, rng.choice([0.04, 0.15, 0.5, 0.85]))
    metal = Finish(colour=(0.75, 0.75, 0.76), roughness=0.25, metallic=0.9)
    black = Finish(colour=(0.06, 0.06, 0.06), roughness=0.25)
    plain = Finish(colour=rgb(np.full(3, rng.choice([0.03, 0.3, 0.6, 0.9]))), roughness=0.3)
    return Style(
        door,
        Finish(colour=rgb(np.full(3, rng.uniform(0.03, 0.5)))),
        metal if rng.random() < 0.3 else plain,
        float(rng.uniform(0.06, 0.16)),
        Finish(stone, rgb(top), float(rng.choice([0.12, 0.3, 1.0]))),
        metal if rng.random() < 0.6 else black,
        str(rng.choice(["bar", "bar", "knob", "none"])),
        float(rng.uniform(0.003, 0.007)),
    )


def _kitchen_row(
    room: Room, style: Style, wall: int, span: tuple[float, float], top: float, uppers: bool
) -> None:
    rng = room.rng
    columns = _columns(rng, *span)
    if not columns or not _take(room, wall, columns, DEPTH + WORKTOP, 0.0, top):
        return
    begin, end = columns[0][0], columns[-1][1]
    _bodies(room, style, wall, columns, DEPTH, style.plinth_height, top - 0.035, drawers=0.35)
    instance = room.new_instance()
    middle, length = (begin + end) / 2, end - begin
    _plinth(room, style, wall, middle, length, instance)
    slab = room.wall_pose(wall, middle, (DEPTH + WORKTOP) / 2, top - 0.035)
    room.add(Body("box", slab, (length, DEPTH + WORKTOP, 0.035), CABINET, instance, style.worktop))
    _built_in(room, wall, columns, top)
    bottom = float(rng.uniform(1.32, 1.5))
    _splashback(room, wall, middle, length, top, bottom)
    hung = False
    if uppers:
        ceiling = min(bottom + float(rng.uniform(0.45, 0.95)), room.size[2] - 0.02)
        over = [column for column in columns if rng.random() < 0.9]
        depth = float(rng.uniform(0.3, 0.38))
        for column in over:
            if _take(room, wall, [column], depth, bottom, ceiling):
                hung = True
                _bodies(room, style, wall, [column], depth, bottom, ceiling, drawers=0.0)
    place = room.wall_pose(wall, middle, (DEPTH + WORKTOP) / 2)
    counter = Counter(place, (length, DEPTH + WORKTOP, top))
    room.surfaces.append(Surface(counter, _flat(counter.size, bottom - top if hung else 1.0)))


def _high_cupboards(room: Room, style: Style, wall: int, begin: float, end: float) -> float:
    """Where they end; `begin` where there was no room for any."""
    columns = _columns(room.rng, begin, min(end, room.wall_length(wall)))
    high = min(float(room.rng.uniform(1.9, 2.6)), room.size[2] - 0.01)
    if not columns or not _take(room, wall, columns, DEPTH, 0.0, high):
        return begin
    _bodies(room, style, wall, columns, DEPTH, style.plinth_height, high, drawers=0.15)
    middle, length = (columns[0][0] + columns[-1][1]) / 2, columns[-1][1] - columns[0][0]
    _plinth(room, style, wall, middle, length, room.new_instance())
    return columns[-1][1]


def _plinth(room: Room, style: Style, wall: int, middle: float, length: float, instance: int) -> None:
    """Below cupboards, set back behind their doors."""
    depth = DEPTH - 0.06
    pose = room.wall_pose(wall, middle, depth / 2)
    room.add(Body("box", pose, (length, depth, style.plinth_height), CABINET, instance, style.plinth))


def _columns(rng: Rng, begin: float, end: float) -> list[tuple[float, float]]:
    """Where cupboards begin and end along a wall, side by side."""
    common = float(rng.choice(WIDTHS[2:])) if rng.random() < 0.5 else None
    columns, at = [], begin
    while (width := common or float(rng.choice(WIDTHS))) and at + width <= end:
        columns.append((at, at + width))
        at += width
    return columns


def _take(
    room: Room, wall: int, columns: list[tuple[float, float]], depth: float, low: float, high: float
) -> bool:
    begin, end = columns[0][0], columns[-1][1]
    pose = room.wall_pose(wall, (begin + end) / 2, depth / 2)
    footprint = Footprint(pose.x, pose.y, (end - begin) / 2 - 1e-4, depth / 2 - 1e-4, pose.angle, low, high)
    if not room.fits(footprint):
        return False
    room.taken.append(footprint)
    return True


def _bodies(
    room: Room, style: Style, wall: int, columns: list[tuple[float, float]], depth: float, low: float, high: float,
    drawers: float,
) -> None:
    """Cupboards from `low` to `high`: each a body with its doors, or with drawers as often as `drawers` says."""
    rng = room.rng
    for begin, end in columns:
        instance, width = room.new_instance(), end - begin
        pose = room.wall_pose(wall, (begin + end) / 2, (depth - FRONT) / 2, low)
        room.add(Body("box", pose, (width, depth - FRONT, high - low), CABINET, instance, style.body))
        door = Finish(colour=(0.03, 0.03, 0.03), roughness=0.12) if rng.random() < 0.08 else style.door  # an oven's
        cuts = _cuts(rng, low, high, drawers)
        leaves = 2 if width >= 0.6 and rng.random() < 0.5 else 1
        for bottom, top in pairwise(cuts):
            for leaf in range(leaves):
                across = width / leaves
                along = begin + across * (leaf + 0.5)
                size = (across - style.gap, FRONT, float(top - bottom) - style.gap)
                place = room.wall_pose(wall, along, depth - FRONT / 2, float(bottom) + style.gap / 2)
                room.add(Body("box", place, size, CABINET, instance, door))
                _handle(room, style, place, size, instance, near_top=low < 1.0, leaf=leaf)


def _cuts(rng: Rng, low: float, high: float, drawers: float) -> list[float]:
    """Where the doors of a cupboard begin and end, from below: drawers, one door, or two where it is high."""
    if rng.random() < drawers:
        return [float(cut) for cut in np.linspace(low, high, int(rng.integers(3, 6)))]
    if high - low > 1.5 and rng.random() < 0.7:
        return [low, low + float(rng.uniform(0.35, 0.8)) * (high - low), high]
    return [low, high]


def _handle(room: Room, style: Style, door: Pose, size: Vector, instance: int, near_top: bool, leaf: int) -> None:
    if style.grip == "none":
        return
    w, d, h = size
    up = h - 0.05 if near_top else 0.05
    if style.grip == "knob":
        x, y, z = door.at((0.5 - leaf) * (w - 0.1), -d / 2 - 0.012, up)
        room.add(Body("box", Pose(x, y, z, door.angle), (0.025, 0.024, 0.025), CABINET, instance, style.handle))
    else:
        x, y, z = door.at(0.0, -d / 2 - 0.015, up)
        bar = (min(0.5, 0.6 * w), 0.012, 0.014)
        room.add(Body("box", Pose(x, y, z, door.angle), bar, CABINET, instance, style.handle))


def _built_in(room: Room, wall: int, columns: list[tuple[float, float]], top: float) -> None:
    """A sink with its tap, and a hob."""
    rng = room.rng
    wide = [column for column in columns if column[1] - column[0] >= 0.5]
    for kind in ("sink", "hob"):
        if not wide or rng.random() < 0.3:
            continue
        begin, end = wide.pop(int(rng.integers(len(wide))))
        pose = room.wall_pose(wall, (begin + end) / 2, DEPTH / 2, top)
        steel = Finish(colour=(0.7, 0.7, 0.7), roughness=0.25, metallic=0.9)
        glass = Finish(colour=(0.03, 0.03, 0.03), roughness=0.12)
        size = (min(0.56, end - begin - 0.04), 0.45, 0.004)
        room.add(Body("box", pose, size, CABINET, room.new_instance(), steel if kind == "sink" else glass))
        if kind == "sink":
            x, y, z = pose.at(0.0, 0.22)
            room.add(Body("cylinder", Pose(x, y, z), (0.03, 0.03, 0.28), OBJECT, room.new_instance(), steel))


def _splashback(room: Room, wall: int, middle: float, length: float, top: float, bottom: float) -> None:
    if room.rng.random() < 0.3:
        return
    cover = tiles(room.rng)
    pose = room.wall_pose(wall, middle, 0.002, (top + bottom) / 2)
    high = bottom - top
    finish = Finish(cover, roughness=cover.roughness, repeats=(length / cover.metres, high / cover.metres))
    room.add(Body("plane", pose, (length, high, 0.0), WALL, 0, finish, front(pose)))


def _flat(size: Vector, headroom: float) -> Support:
    columns, rows = (max(1, int(side / CELL)) for side in size[:2])
    height = np.full((1, rows, columns), size[2], np.float32)
    return Support(height, np.full_like(height, headroom))
