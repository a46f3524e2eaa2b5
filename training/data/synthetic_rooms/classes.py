"""The thirteen classes of a synthetic room; a class's id is its position."""

from __future__ import annotations

from typing import NamedTuple


class RoomClass(NamedTuple):
    """A class name and the RGB colour it is shown in."""

    name: str
    colour: tuple[int, int, int]


CLASSES: tuple[RoomClass, ...] = (
    RoomClass("wall", (174, 199, 232)),
    RoomClass("floor", (152, 223, 138)),
    RoomClass("ceiling", (120, 120, 145)),
    RoomClass("door", (214, 39, 40)),
    RoomClass("window", (23, 190, 207)),
    RoomClass("bed", (255, 187, 120)),
    RoomClass("sofa", (140, 86, 75)),
    RoomClass("chair", (188, 189, 34)),
    RoomClass("table", (255, 127, 14)),
    RoomClass("cabinet", (31, 119, 180)),
    RoomClass("picture", (197, 86, 214)),
    RoomClass("lamp", (255, 237, 80)),
    RoomClass("object", (44, 140, 44)),
)

(WALL, FLOOR, CEILING, DOOR, WINDOW, BED, SOFA, CHAIR, TABLE, CABINET, PICTURE, LAMP, OBJECT) = range(len(CLASSES))
