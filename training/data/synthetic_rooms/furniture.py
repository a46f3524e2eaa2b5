"""Furniture and things, each put together from a few boxes, cylinders and spheres.

A piece stands in its own frame: origin on the floor at the middle of its footprint, x to its right as it is seen
from behind, y out of its front, z up, metres. What a thing is made of and how big it is are drawn from `Rng`.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from training.data.synthetic_rooms import classes as c
from training.data.synthetic_rooms.materials import TEXTURES, Colour, Material

BOX, CYLINDER, SPHERE = range(3)
Vector = tuple[float, float, float]


class Part(NamedTuple):
    """A primitive of a piece: half extents along its own axes, turned by yaw about z, then tilted about its x."""

    kind: int
    centre: Vector
    half: Vector
    material: Material
    yaw: float = 0.0
    tilt: float = 0.0


class Piece(NamedTuple):
    """A thing of one class; size is its bounding box (width, depth, height) in metres."""

    class_id: int
    size: Vector
    parts: list[Part]


def box(material: Material, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float],
        yaw: float = 0.0, tilt: float = 0.0) -> Part:
    """A box from its extents along x, y and z."""
    centre = ((x[0] + x[1]) / 2, (y[0] + y[1]) / 2, (z[0] + z[1]) / 2)
    return Part(BOX, centre, ((x[1] - x[0]) / 2, (y[1] - y[0]) / 2, (z[1] - z[0]) / 2), material, yaw, tilt)


def column(material: Material, x: float, y: float, z: tuple[float, float], radius: float) -> Part:
    """An upright cylinder."""
    return Part(CYLINDER, (x, y, (z[0] + z[1]) / 2), (radius, radius, (z[1] - z[0]) / 2), material)


def ball(material: Material, centre: Vector, half: Vector) -> Part:
    """An ellipsoid."""
    return Part(SPHERE, centre, half, material)


class Rng(Random):
    """The random choices of one room. `random.Random` draws single numbers several times faster than NumPy."""

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def texture(self, name: str) -> int:
        variants = TEXTURES[name]
        return variants[int(self.random() * len(variants))]


# ---- colours and surfaces ----


def hue(rng: Rng, saturation: float, value: float) -> Colour:
    """A colour of any hue: reflectances around `value`, spread by `saturation`."""
    low = value * (1 - saturation)
    middle = low + (value - low) * rng.random()
    order = int(rng.random() * 6)
    return ((value, middle, low), (value, low, middle), (middle, value, low),
            (low, value, middle), (middle, low, value), (low, middle, value))[order]


def darker(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def wood_colour(rng: Rng) -> Colour:
    value = rng.between(0.06, 0.62)
    return (value, value * rng.between(0.55, 0.85), value * rng.between(0.2, 0.6))


def wood(rng: Rng) -> Material:
    """Wood, sometimes painted."""
    colour = wood_colour(rng)
    if rng.chance(0.3):
        grey = rng.between(0.04, 0.85)
        colour = (grey, grey * 0.98, grey * 0.95) if rng.chance(0.7) else hue(rng, 0.5, rng.between(0.2, 0.7))
        return Material(rng.texture("plain"), 1.0, colour, darker(colour, 0.9), rng.between(0, 0.3))
    return Material(rng.texture("wood"), rng.between(0.6, 1.4), colour, darker(colour, 0.65), rng.between(0, 0.25))


def cloth(rng: Rng) -> Material:
    """Upholstery and bedding."""
    colour = hue(rng, rng.random() ** 2, rng.between(0.06, 0.8))
    if rng.chance(0.2):
        return Material(rng.texture("plaid"), rng.between(0.3, 0.8), colour, hue(rng, 0.6, rng.between(0.1, 0.7)))
    if rng.chance(0.15):
        return Material(rng.texture("stripes"), rng.between(0.4, 1.2), colour, hue(rng, 0.5, rng.between(0.1, 0.7)))
    return Material(rng.texture("fabric"), rng.between(0.5, 1.0), colour, darker(colour, 0.75))


def metal(rng: Rng) -> Material:
    grey = rng.between(0.03, 0.6)
    return Material(rng.texture("plain"), 1.0, (grey, grey, grey), (grey, grey, grey), 0.5)


def paint(rng: Rng) -> Material:
    """Plastic, china, paper: any colour."""
    colour = hue(rng, rng.random(), rng.between(0.05, 0.85))
    return Material(rng.texture("plain"), 0.5, colour, darker(colour, 0.85), rng.between(0, 0.5))


def _legs(rng: Rng, material: Material, x: float, y: float, height: float, thickness: float) -> list[Part]:
    """Four legs with their outer corners at (+-x, +-y)."""
    round_legs = rng.chance(0.5)
    x, y = x - thickness, y - thickness
    corners = ((-x, -y), (x, -y), (-x, y), (x, y))
    if round_legs:
        return [column(material, px, py, (0, height), thickness) for px, py in corners]
    return [Part(BOX, (px, py, height / 2), (thickness, thickness, height / 2), material) for px, py in corners]


# ---- furniture ----


def bed(rng: Rng) -> Piece:
    width, length = rng.choice((0.95, 1.2, 1.45, 1.7)), rng.between(1.95, 2.15)
    base, mattress, board = rng.between(0.15, 0.35), rng.between(0.15, 0.28), rng.between(0.7, 1.25)
    w, d, top = width / 2, length / 2, base + mattress
    frame, sheet, cover = wood(rng), cloth(rng), cloth(rng)
    pale = rng.between(0.55, 0.85)
    white = Material(rng.texture("fabric"), 0.8, (pale, pale, pale * 0.97), (pale, pale, pale * 0.9))
    linen = white if rng.chance(0.6) else sheet
    foot = rng.between(0.25, 0.62) * length
    parts = [
        box(frame, (-w, w), (-d + 0.06, d), (0.04, base)),
        box(frame, (-w, w), (-d, -d + 0.06), (0, board)),
        box(linen, (-w + 0.02, w - 0.02), (-d + 0.06, d - 0.02), (base, top)),
        box(cover, (-w - 0.02, w + 0.02), (d - foot - 0.6, d + 0.01), (base - 0.08, top + rng.between(0.03, 0.07))),
    ]
    pillows = 2 if width > 1.3 else 1
    for i in range(pillows):
        x = (i - (pillows - 1) / 2) * width / 2
        half = (min(0.34, width / pillows / 2 - 0.06), rng.between(0.18, 0.24), rng.between(0.07, 0.1))
        parts.append(ball(linen if rng.chance(0.6) else cover, (x, -d + 0.34, top + half[2] * 0.6), half))
    return Piece(c.BED, (width + 0.05, length, board), parts)


def sofa(rng: Rng) -> Piece:
    width, depth = rng.choice((0.85, 1.5, 1.8, 2.2)) + rng.between(-0.1, 0.1), rng.between(0.8, 0.98)
    seat, arm, back = rng.between(0.36, 0.46), rng.between(0.55, 0.68), rng.between(0.72, 0.95)
    w, d, side, rear = width / 2, depth / 2, rng.between(0.1, 0.22), rng.between(0.16, 0.26)
    cover = cloth(rng)
    foot = rng.between(0.03, 0.14)
    parts = [
        box(cover, (-w, w), (-d, d - 0.02), (foot, seat - 0.12)),
        box(cover, (-w, w), (-d, -d + rear), (foot, back)),
        box(cover, (-w, -w + side), (-d, d), (foot, arm)),
        box(cover, (w - side, w), (-d, d), (foot, arm)),
        *_legs(rng, metal(rng), w - 0.03, d - 0.05, foot, 0.025),
    ]
    seats = max(1, round((width - 2 * side) / 0.68))
    pitch = (width - 2 * side) / seats
    for i in range(seats):
        left = -w + side + i * pitch
        parts.append(box(cover, (left + 0.008, left + pitch - 0.008), (-d + rear, d), (seat - 0.12, seat)))
    for _ in range(rng.choice((0, 0, 1, 2))):
        x = rng.between(-w + side + 0.2, w - side - 0.2) if width > 1 else 0.0
        parts.append(Part(BOX, (x, -d + rear + 0.13, seat + 0.19), (0.2, 0.06, 0.19), cloth(rng), rng.between(-0.3, 0.3), 0.3))
    return Piece(c.SOFA, (width, depth, back), parts)


def chair(rng: Rng) -> Piece:
    width, depth = rng.between(0.4, 0.5), rng.between(0.4, 0.5)
    seat, back = rng.between(0.43, 0.48), rng.between(0.78, 1.02)
    w, d = width / 2, depth / 2
    frame = wood(rng) if rng.chance(0.7) else metal(rng)
    cover = frame if rng.chance(0.5) else cloth(rng) if rng.chance(0.6) else paint(rng)
    parts = [box(cover, (-w, w), (-d, d), (seat - rng.between(0.025, 0.07), seat))]
    if rng.chance(0.2):  # an office chair: one column on a round foot
        parts += [column(metal(rng), 0, 0, (0.05, seat - 0.03), 0.03), column(frame, 0, 0, (0, 0.06), 0.24)]
    else:
        parts += _legs(rng, frame, w, d, seat - 0.03, rng.between(0.014, 0.024))
    low = seat + rng.between(0.03, 0.2)
    lean = rng.between(0.05, 0.2)
    if rng.chance(0.35):  # slats between two posts
        parts += [box(frame, (s * w - 0.02, s * w + 0.02), (-d - 0.01, -d + 0.03), (seat - 0.02, back)) for s in (-0.9, 0.9)]
        slats = rng.choice((2, 3))
        pitch = (back - low) / slats
        parts += [box(frame, (-w, w), (-d, -d + 0.02), (low + (i + 0.3) * pitch, low + (i + 0.85) * pitch)) for i in range(slats)]
    else:
        parts.append(box(cover, (-w, w), (-d - 0.01, -d + 0.03), (low if rng.chance(0.5) else seat, back), tilt=lean))
    if rng.chance(0.2):
        for side in (-1, 1):
            parts.append(box(frame, (side * w - 0.02, side * w + 0.02), (-d, d - 0.05), (seat + 0.18, seat + 0.21)))
            parts.append(box(frame, (side * w - 0.015, side * w + 0.015), (d - 0.09, d - 0.06), (seat - 0.02, seat + 0.19)))
    return Piece(c.CHAIR, (width, depth + 0.1, back), parts)


def table(rng: Rng, width: float, depth: float, height: float) -> Piece:
    w, d, thickness = width / 2, depth / 2, rng.between(0.02, 0.06)
    top = wood(rng)
    frame = top if rng.chance(0.6) else metal(rng)
    if rng.chance(0.22):  # round, on one column
        radius = min(w, d)
        parts = [column(top, 0, 0, (height - thickness, height), radius),
                 column(frame, 0, 0, (0.03, height - thickness), rng.between(0.03, 0.08)),
                 column(frame, 0, 0, (0, 0.03), radius * 0.6)]
        return Piece(c.TABLE, (2 * radius, 2 * radius, height), parts)
    parts = [box(top, (-w, w), (-d, d), (height - thickness, height)),
             *_legs(rng, frame, w * 0.97, d * 0.97, height - thickness, rng.between(0.018, 0.04))]
    if rng.chance(0.4):
        parts.append(box(frame, (-w * 0.9, w * 0.9), (-d * 0.9, -d * 0.9 + 0.02), (height * 0.45, height - thickness)))
    if rng.chance(0.3):
        parts.append(box(frame, (w * 0.35, w * 0.92), (-d * 0.85, d * 0.9), (height * 0.3, height - thickness)))
    return Piece(c.TABLE, (width, depth, height), parts)


def dining_table(rng: Rng) -> Piece:
    return table(rng, rng.between(0.9, 1.9), rng.between(0.75, 1.0), rng.between(0.7, 0.78))


def coffee_table(rng: Rng) -> Piece:
    return table(rng, rng.between(0.6, 1.2), rng.between(0.45, 0.65), rng.between(0.32, 0.48))


def desk(rng: Rng) -> Piece:
    return table(rng, rng.between(0.95, 1.6), rng.between(0.55, 0.8), rng.between(0.7, 0.76))


def nightstand(rng: Rng) -> Piece:
    return table(rng, rng.between(0.35, 0.5), rng.between(0.35, 0.45), rng.between(0.4, 0.6))


def cabinet(rng: Rng) -> Piece:
    """From a low sideboard to a wardrobe: body, fronts a little proud of it, sometimes feet and a plinth."""
    low = rng.chance(0.55)
    width = rng.between(0.45, 1.7) if low else rng.between(0.6, 1.5)
    depth, height = rng.between(0.35, 0.6), rng.between(0.45, 1.15) if low else rng.between(1.6, 2.2)
    w, d, foot = width / 2, depth / 2, rng.between(0.0, 0.15)
    body = wood(rng)
    front = wood(rng) if rng.chance(0.3) else body
    fitted = rng.texture("drawers" if low and rng.chance(0.5) else "wings")
    parts = [box(body, (-w, w), (-d, d - 0.02), (foot, height)),
             box(body, (-w * 0.94, w * 0.94), (-d * 0.9, d * 0.85), (0, foot + 0.01))]
    fronts = max(1, round(width / 0.6))
    for i in range(fronts):
        left = -w + i * width / fronts
        face = front._replace(texture=fitted, period=0.0, second=darker(front.first, rng.choice((0.2, 1.6))))
        parts.append(box(face, (left + 0.01, left + width / fronts - 0.01), (d - 0.02, d), (foot + 0.02, height - 0.02)))
    return Piece(c.CABINET, (width, depth, height), parts)


def bookshelf(rng: Rng) -> Piece:
    """Open shelves with rows of books and gaps. The books belong to the shelf's class."""
    width, depth, height = rng.between(0.6, 1.3), rng.between(0.24, 0.36), rng.between(0.9, 2.15)
    w, d = width / 2, depth / 2
    body = wood(rng)
    parts = [box(body, (-w, -w + 0.025), (-d, d), (0, height)), box(body, (w - 0.025, w), (-d, d), (0, height)),
             box(body, (-w, w), (-d, -d + 0.01), (0, height))]
    shelves = max(2, round(height / rng.between(0.32, 0.42)))
    pitch = (height - 0.08) / shelves
    for i in range(shelves + 1):
        z = 0.05 + i * pitch
        parts.append(box(body, (-w + 0.02, w - 0.02), (-d, d), (z, z + 0.022)))
        if i == shelves or rng.chance(0.15):
            continue
        left = -w + 0.03 + rng.choice((0.0, 0.0, 0.3)) * width * rng.random()
        right = w - 0.03 - rng.choice((0.0, 0.4)) * width * rng.random()
        row = Material(rng.texture("books"), 0.0, (0.35, 0.33, 0.3), (0.6, 0.55, 0.45), 0.1)
        parts.append(box(row, (left, max(right, left + 0.1)), (-d + 0.01, d - rng.between(0.02, 0.1)),
                         (z + 0.022, z + pitch * rng.between(0.7, 0.95))))
    return Piece(c.CABINET, (width, depth, height), parts)


# ---- lamps and things ----


def _glow(rng: Rng) -> Material:
    return Material(rng.texture("plain"), 1.0, (1.0, 0.9, rng.between(0.6, 0.9)), (1.0, 0.88, 0.7), 0.0, rng.between(0.5, 1.6))


def floor_lamp(rng: Rng) -> Piece:
    height, radius = rng.between(1.35, 1.8), rng.between(0.14, 0.24)
    shade, stand = _glow(rng), metal(rng)
    head = rng.between(0.2, 0.32)
    parts = [column(stand, 0, 0, (0, 0.03), 0.15), column(stand, 0, 0, (0.03, height - head), 0.014)]
    if rng.chance(0.65):
        parts.append(column(shade, 0, 0, (height - head, height), radius))
    else:
        parts.append(ball(shade, (0, 0, height - radius), (radius, radius, radius)))
    return Piece(c.LAMP, (2 * radius, 2 * radius, height), parts)


def table_lamp(rng: Rng) -> Piece:
    height, radius = rng.between(0.3, 0.5), rng.between(0.09, 0.16)
    foot = paint(rng)
    parts = [ball(foot, (0, 0, height * 0.28), (radius * 0.55, radius * 0.55, height * 0.28)),
             column(foot, 0, 0, (height * 0.5, height * 0.62), 0.012),
             column(_glow(rng), 0, 0, (height * 0.58, height), radius)]
    return Piece(c.LAMP, (2 * radius, 2 * radius, height), parts)


def ceiling_lamp(rng: Rng) -> Piece:
    """Hangs down from its origin, so its parts have negative heights."""
    glow, drop, radius = _glow(rng), rng.between(0.05, 0.7), rng.between(0.12, 0.28)
    if drop < 0.25:
        flat = box(glow, (-radius, radius), (-radius * 1.5, radius * 1.5), (-0.07, 0.0))
        return Piece(c.LAMP, (2 * radius, 3 * radius, 0.07), [flat if rng.chance(0.4) else column(glow, 0, 0, (-0.08, 0), radius)])
    cord = column(metal(rng), 0, 0, (-drop, 0), 0.008)
    if rng.chance(0.5):
        return Piece(c.LAMP, (2 * radius, 2 * radius, drop), [cord, ball(glow, (0, 0, -drop), (radius, radius, radius))])
    return Piece(c.LAMP, (2 * radius, 2 * radius, drop), [cord, column(glow, 0, 0, (-drop - radius, -drop + 0.02), radius)])


def plant(rng: Rng) -> Piece:
    pot, height = rng.between(0.1, 0.2), rng.between(0.4, 1.3)
    green = (rng.between(0.03, 0.12), rng.between(0.14, 0.35), rng.between(0.02, 0.08))
    leaf = Material(rng.texture("leaves"), rng.between(0.25, 0.6), green, (green[0] * 2, green[1] * 1.5, green[2]), 0.1)
    crown = height * rng.between(0.35, 0.6)
    parts = [column(paint(rng), 0, 0, (0, pot * 1.6), pot), column(wood(rng), 0, 0, (pot, height - crown / 2), 0.015)]
    for _ in range(rng.choice((2, 3, 4, 5))):
        radius = crown * rng.between(0.28, 0.5)
        spread = crown * 0.3
        centre = (rng.between(-spread, spread), rng.between(-spread, spread), height - crown * rng.between(0.2, 0.75))
        parts.append(ball(leaf, centre, (radius, radius, radius * rng.between(0.6, 1.0))))
    return Piece(c.OBJECT, (crown * 1.2, crown * 1.2, height), parts)


def clutter(rng: Rng) -> Piece:
    """Something small: a vase, a ball, a stack of books, a box, a screen."""
    kind = int(rng.random() * 5)
    size = rng.between(0.06, 0.16)
    material = paint(rng)
    if kind == 0:
        parts = [column(material, 0, 0, (0, size * 1.3), size * 0.45), ball(material, (0, 0, size), (size * 0.8, size * 0.8, size * 0.7))]
    elif kind == 1:
        parts = [ball(material, (0, 0, size), (size, size, size))]
    elif kind == 2:
        parts = [box(paint(rng), (-0.1, 0.1), (-0.14, 0.14), (i * 0.035, i * 0.035 + 0.033), yaw=rng.between(-0.4, 0.4)) for i in range(3)]
    elif kind == 3:
        parts = [box(material, (-size, size), (-size * 0.8, size * 0.8), (0, size * 1.5))]
    else:
        dark = Material(rng.texture("plain"), 1.0, (0.02, 0.02, 0.025), (0.03, 0.03, 0.035), 0.8)
        parts = [box(dark, (-0.26, 0.26), (-0.015, 0.015), (0.08, 0.4)), box(dark, (-0.1, 0.1), (-0.08, 0.08), (0, 0.015)),
                 box(dark, (-0.02, 0.02), (-0.02, -0.01), (0, 0.1))]
    return Piece(c.OBJECT, (2 * size, 2 * size, 2 * size), parts)


def crate(rng: Rng) -> Piece:
    """A box, basket or suitcase that stands on the floor."""
    w, d, h = rng.between(0.12, 0.3), rng.between(0.12, 0.25), rng.between(0.15, 0.5)
    material = paint(rng) if rng.chance(0.6) else wood(rng)
    round_one = rng.chance(0.35)
    part = column(material, 0, 0, (0, h), d) if round_one else box(material, (-w, w), (-d, d), (0, h))
    return Piece(c.OBJECT, (2 * w, 2 * max(w, d), h), [part])


# ---- what hangs on or sits in walls: origin at the wall, lower middle ----


def door(rng: Rng) -> Piece:
    width, height = rng.between(0.75, 0.98), rng.between(1.95, 2.12)
    leaf = wood(rng)
    leaf = leaf._replace(texture=rng.texture("panels"), period=0.0) if rng.chance(0.6) else leaf
    frame = leaf._replace(texture=rng.texture("plain"), period=1.0, first=darker(leaf.first, rng.between(0.6, 1.2)))
    w, side = width / 2, rng.choice((-1, 1))
    parts = [box(leaf, (-w + 0.05, w - 0.05), (0, 0.025), (0, height - 0.05)),
             box(frame, (-w, -w + 0.06), (0, 0.045), (0, height)), box(frame, (w - 0.06, w), (0, 0.045), (0, height)),
             box(frame, (-w, w), (0, 0.045), (height - 0.06, height)),
             ball(metal(rng), (side * (w - 0.13), 0.06, 1.02), (0.03, 0.03, 0.03))]
    return Piece(c.DOOR, (width, 0.06, height), parts)


def window(rng: Rng, width: float, height: float) -> Piece:
    w = width / 2
    pale = rng.between(0.5, 0.85)
    frame = Material(rng.texture("plain"), 1.0, (pale, pale, pale), (pale, pale, pale), 0.2) if rng.chance(0.7) else wood(rng)
    tint = rng.between(0.75, 1.0)
    glass = Material(rng.texture("outdoors"), 0.0, (0.75 * tint, 0.82 * tint, 0.9 * tint), (0.95, 0.95, 0.95), 0.0, rng.between(0.5, 2.0))
    parts = [box(glass, (-w, w), (0, 0.012), (0, height)),
             box(frame, (-w - 0.05, -w + 0.02), (0, 0.05), (-0.05, height + 0.05)),
             box(frame, (w - 0.02, w + 0.05), (0, 0.05), (-0.05, height + 0.05)),
             box(frame, (-w, w), (0, 0.05), (height - 0.02, height + 0.05)),
             box(frame, (-w - 0.08, w + 0.08), (0, 0.13), (-0.06, -0.01))]
    bars = rng.choice((0, 1, 1, 2))
    for i in range(bars):
        x = -w + (i + 1) * width / (bars + 1)
        parts.append(box(frame, (x - 0.025, x + 0.025), (0, 0.04), (0, height)))
    if rng.chance(0.4):
        parts.append(box(frame, (-w, w), (0, 0.035), (height * 0.62, height * 0.62 + 0.04)))
    if rng.chance(0.35):  # curtains
        drape = cloth(rng)
        reach = rng.between(0.12, 0.35)
        for s in (-1, 1):
            parts.append(box(drape, (s * w - reach, s * w + reach), (0.06, 0.12), (-0.15, height + 0.15)))
    return Piece(c.WINDOW, (width, 0.13, height), parts)


def picture(rng: Rng, width: float, height: float) -> Piece:
    w, rim = width / 2, rng.between(0.012, 0.04)
    image = Material(rng.texture("painting"), 0.0, hue(rng, 0.5, 0.6), (0.8, 0.79, 0.75), rng.between(0, 0.3))
    frame = wood(rng) if rng.chance(0.6) else metal(rng)
    parts = [box(frame, (-w, w), (0, 0.02), (0, height)),
             box(image, (-w + rim, w - rim), (0, 0.026), (rim, height - rim))]
    return Piece(c.PICTURE, (width, 0.03, height), parts)


def rug(rng: Rng, width: float, depth: float) -> Piece:
    """Lies on the floor and counts as floor."""
    texture, period = ("ornament", 0.0) if rng.chance(0.5) else (rng.choice(("carpet", "plaid", "stripes")), 0.6)
    material = Material(rng.texture(texture), period, hue(rng, 0.7, rng.between(0.1, 0.6)), hue(rng, 0.7, rng.between(0.1, 0.6)))
    return Piece(c.FLOOR, (width, depth, 0.01), [box(material, (-width / 2, width / 2), (-depth / 2, depth / 2), (0, 0.012))])
