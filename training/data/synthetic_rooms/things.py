"""Lamps, plants and small things."""

from __future__ import annotations

from training.data.synthetic_rooms import classes as c
from training.data.synthetic_rooms.finishes import metal, paint, wood
from training.data.synthetic_rooms.materials import Material
from training.data.synthetic_rooms.parts import Piece, ball, box, column
from training.data.synthetic_rooms.rng import Rng


def _glow(rng: Rng) -> Material:
    return Material(
        rng.texture("plain"), 1.0, (1.0, 0.9, rng.between(0.6, 0.9)), (1.0, 0.88, 0.7), 0.0, rng.between(0.5, 1.6)
    )


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
    parts = [
        ball(foot, (0, 0, height * 0.28), (radius * 0.55, radius * 0.55, height * 0.28)),
        column(foot, 0, 0, (height * 0.5, height * 0.62), 0.012),
        column(_glow(rng), 0, 0, (height * 0.58, height), radius),
    ]
    return Piece(c.LAMP, (2 * radius, 2 * radius, height), parts)


def ceiling_lamp(rng: Rng) -> Piece:
    """Hangs down from its origin, so its parts have negative heights."""
    glow, drop, radius = _glow(rng), rng.between(0.05, 0.7), rng.between(0.12, 0.28)
    if drop < 0.25:
        flat = box(glow, (-radius, radius), (-radius * 1.5, radius * 1.5), (-0.07, 0.0))
        return Piece(
            c.LAMP,
            (2 * radius, 3 * radius, 0.07),
            [flat if rng.chance(0.4) else column(glow, 0, 0, (-0.08, 0), radius)],
        )
    cord = column(metal(rng), 0, 0, (-drop, 0), 0.008)
    if rng.chance(0.5):
        return Piece(
            c.LAMP, (2 * radius, 2 * radius, drop), [cord, ball(glow, (0, 0, -drop), (radius, radius, radius))]
        )
    return Piece(
        c.LAMP, (2 * radius, 2 * radius, drop), [cord, column(glow, 0, 0, (-drop - radius, -drop + 0.02), radius)]
    )


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
        parts = [
            column(material, 0, 0, (0, size * 1.3), size * 0.45),
            ball(material, (0, 0, size), (size * 0.8, size * 0.8, size * 0.7)),
        ]
    elif kind == 1:
        parts = [ball(material, (0, 0, size), (size, size, size))]
    elif kind == 2:
        parts = [
            box(paint(rng), (-0.1, 0.1), (-0.14, 0.14), (i * 0.035, i * 0.035 + 0.033), yaw=rng.between(-0.4, 0.4))
            for i in range(3)
        ]
    elif kind == 3:
        parts = [box(material, (-size, size), (-size * 0.8, size * 0.8), (0, size * 1.5))]
    else:
        dark = Material(rng.texture("plain"), 1.0, (0.02, 0.02, 0.025), (0.03, 0.03, 0.035), 0.8)
        parts = [
            box(dark, (-0.26, 0.26), (-0.015, 0.015), (0.08, 0.4)),
            box(dark, (-0.1, 0.1), (-0.08, 0.08), (0, 0.015)),
            box(dark, (-0.02, 0.02), (-0.02, -0.01), (0, 0.1)),
        ]
    return Piece(c.OBJECT, (2 * size, 2 * size, 2 * size), parts)


def crate(rng: Rng) -> Piece:
    """A box, basket or suitcase that stands on the floor."""
    w, d, h = rng.between(0.12, 0.3), rng.between(0.12, 0.25), rng.between(0.15, 0.5)
    material = paint(rng) if rng.chance(0.6) else wood(rng)
    round_one = rng.chance(0.35)
    part = column(material, 0, 0, (0, h), d) if round_one else box(material, (-w, w), (-d, d), (0, h))
    return Piece(c.OBJECT, (2 * w, 2 * max(w, d), h), [part])
