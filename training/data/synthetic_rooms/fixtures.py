"""What hangs on or sits in a wall, its origin at the wall below its middle: doors, windows, pictures; and rugs."""

from __future__ import annotations

from training.data.synthetic_rooms import classes as c
from training.data.synthetic_rooms.finishes import cloth, darker, hue, metal, wood
from training.data.synthetic_rooms.materials import Material
from training.data.synthetic_rooms.parts import Piece, ball, box
from training.data.synthetic_rooms.rng import Rng


def door(rng: Rng) -> Piece:
    width, height = rng.between(0.75, 0.98), rng.between(1.95, 2.12)
    leaf = wood(rng)
    leaf = leaf._replace(texture=rng.texture("panels"), period=0.0) if rng.chance(0.6) else leaf
    frame = leaf._replace(texture=rng.texture("plain"), period=1.0, first=darker(leaf.first, rng.between(0.6, 1.2)))
    w, side = width / 2, rng.choice((-1, 1))
    parts = [
        box(leaf, (-w + 0.05, w - 0.05), (0, 0.025), (0, height - 0.05)),
        box(frame, (-w, -w + 0.06), (0, 0.045), (0, height)),
        box(frame, (w - 0.06, w), (0, 0.045), (0, height)),
        box(frame, (-w, w), (0, 0.045), (height - 0.06, height)),
        ball(metal(rng), (side * (w - 0.13), 0.06, 1.02), (0.03, 0.03, 0.03)),
    ]
    return Piece(c.DOOR, (width, 0.06, height), parts)


def window(rng: Rng, width: float, height: float) -> Piece:
    w = width / 2
    pale = rng.between(0.5, 0.85)
    frame = (
        Material(rng.texture("plain"), 1.0, (pale, pale, pale), (pale, pale, pale), 0.2)
        if rng.chance(0.7)
        else wood(rng)
    )
    tint = rng.between(0.75, 1.0)
    glass = Material(
        rng.texture("outdoors"),
        0.0,
        (0.75 * tint, 0.82 * tint, 0.9 * tint),
        (0.95, 0.95, 0.95),
        0.0,
        rng.between(0.5, 2.0),
    )
    parts = [
        box(glass, (-w, w), (0, 0.012), (0, height)),
        box(frame, (-w - 0.05, -w + 0.02), (0, 0.05), (-0.05, height + 0.05)),
        box(frame, (w - 0.02, w + 0.05), (0, 0.05), (-0.05, height + 0.05)),
        box(frame, (-w, w), (0, 0.05), (height - 0.02, height + 0.05)),
        box(frame, (-w - 0.08, w + 0.08), (0, 0.13), (-0.06, -0.01)),
    ]
    bars = rng.choice((0, 1, 1, 2))
    for i in range(bars):
        x = -w + (i + 1) * width / (bars + 1)
        parts.append(box(frame, (x - 0.025, x + 0.025), (0, 0.04), (0, height)))
    if rng.chance(0.4):
        parts.append(box(frame, (-w, w), (0, 0.035), (height * 0.62, height * 0.62 + 0.04)))
    if rng.chance(0.35):  # curtains
        drape = cloth(rng)
        reach = rng.between(0.12, 0.35)
        hang = (-0.15, height + 0.15)
        parts += [box(drape, (s * w - reach, s * w + reach), (0.06, 0.12), hang) for s in (-1, 1)]
    return Piece(c.WINDOW, (width, 0.13, height), parts)


def picture(rng: Rng, width: float, height: float) -> Piece:
    w, rim = width / 2, rng.between(0.012, 0.04)
    image = Material(rng.texture("painting"), 0.0, hue(rng, 0.5, 0.6), (0.8, 0.79, 0.75), rng.between(0, 0.3))
    frame = wood(rng) if rng.chance(0.6) else metal(rng)
    parts = [
        box(frame, (-w, w), (0, 0.02), (0, height)),
        box(image, (-w + rim, w - rim), (0, 0.026), (rim, height - rim)),
    ]
    return Piece(c.PICTURE, (width, 0.03, height), parts)


def rug(rng: Rng, width: float, depth: float) -> Piece:
    """Lies on the floor and counts as floor."""
    texture, period = ("ornament", 0.0) if rng.chance(0.5) else (rng.choice(("carpet", "plaid", "stripes")), 0.6)
    material = Material(
        rng.texture(texture), period, hue(rng, 0.7, rng.between(0.1, 0.6)), hue(rng, 0.7, rng.between(0.1, 0.6))
    )
    return Piece(
        c.FLOOR, (width, depth, 0.01), [box(material, (-width / 2, width / 2), (-depth / 2, depth / 2), (0, 0.012))]
    )
