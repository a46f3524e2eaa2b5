"""Furniture: beds, sofas, chairs, tables, cabinets, bookshelves. What it is made of and how big it is, is drawn."""

from __future__ import annotations

from training.data.synthetic_rooms import classes as c
from training.data.synthetic_rooms.finishes import cloth, darker, metal, paint, wood
from training.data.synthetic_rooms.materials import Material
from training.data.synthetic_rooms.parts import Part, Piece, ball, box, column, legs
from training.data.synthetic_rooms.primitives import BOX
from training.data.synthetic_rooms.rng import Rng


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
        *legs(rng, metal(rng), w - 0.03, d - 0.05, foot, 0.025),
    ]
    seats = max(1, round((width - 2 * side) / 0.68))
    pitch = (width - 2 * side) / seats
    for i in range(seats):
        left = -w + side + i * pitch
        parts.append(box(cover, (left + 0.008, left + pitch - 0.008), (-d + rear, d), (seat - 0.12, seat)))
    for _ in range(rng.choice((0, 0, 1, 2))):
        x = rng.between(-w + side + 0.2, w - side - 0.2) if width > 1 else 0.0
        parts.append(
            Part(BOX, (x, -d + rear + 0.13, seat + 0.19), (0.2, 0.06, 0.19), cloth(rng), rng.between(-0.3, 0.3), 0.3)
        )
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
        parts += legs(rng, frame, w, d, seat - 0.03, rng.between(0.014, 0.024))
    low = seat + rng.between(0.03, 0.2)
    lean = rng.between(0.05, 0.2)
    if rng.chance(0.35):  # slats between two posts
        parts += [
            box(frame, (s * w - 0.02, s * w + 0.02), (-d - 0.01, -d + 0.03), (seat - 0.02, back)) for s in (-0.9, 0.9)
        ]
        slats = rng.choice((2, 3))
        pitch = (back - low) / slats
        parts += [
            box(frame, (-w, w), (-d, -d + 0.02), (low + (i + 0.3) * pitch, low + (i + 0.85) * pitch))
            for i in range(slats)
        ]
    else:
        parts.append(box(cover, (-w, w), (-d - 0.01, -d + 0.03), (low if rng.chance(0.5) else seat, back), tilt=lean))
    if rng.chance(0.2):
        for side in (-1, 1):
            parts.append(box(frame, (side * w - 0.02, side * w + 0.02), (-d, d - 0.05), (seat + 0.18, seat + 0.21)))
            parts.append(
                box(frame, (side * w - 0.015, side * w + 0.015), (d - 0.09, d - 0.06), (seat - 0.02, seat + 0.19))
            )
    return Piece(c.CHAIR, (width, depth + 0.1, back), parts)


def table(rng: Rng, width: float, depth: float, height: float) -> Piece:
    w, d, thickness = width / 2, depth / 2, rng.between(0.02, 0.06)
    top = wood(rng)
    frame = top if rng.chance(0.6) else metal(rng)
    if rng.chance(0.22):  # round, on one column
        radius = min(w, d)
        parts = [
            column(top, 0, 0, (height - thickness, height), radius),
            column(frame, 0, 0, (0.03, height - thickness), rng.between(0.03, 0.08)),
            column(frame, 0, 0, (0, 0.03), radius * 0.6),
        ]
        return Piece(c.TABLE, (2 * radius, 2 * radius, height), parts)
    parts = [
        box(top, (-w, w), (-d, d), (height - thickness, height)),
        *legs(rng, frame, w * 0.97, d * 0.97, height - thickness, rng.between(0.018, 0.04)),
    ]
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
    parts = [
        box(body, (-w, w), (-d, d - 0.02), (foot, height)),
        box(body, (-w * 0.94, w * 0.94), (-d * 0.9, d * 0.85), (0, foot + 0.01)),
    ]
    fronts = max(1, round(width / 0.6))
    for i in range(fronts):
        left = -w + i * width / fronts
        face = front._replace(texture=fitted, period=0.0, second=darker(front.first, rng.choice((0.2, 1.6))))
        parts.append(
            box(face, (left + 0.01, left + width / fronts - 0.01), (d - 0.02, d), (foot + 0.02, height - 0.02))
        )
    return Piece(c.CABINET, (width, depth, height), parts)


def bookshelf(rng: Rng) -> Piece:
    """Open shelves with rows of books and gaps. The books belong to the shelf's class."""
    width, depth, height = rng.between(0.6, 1.3), rng.between(0.24, 0.36), rng.between(0.9, 2.15)
    w, d = width / 2, depth / 2
    body = wood(rng)
    parts = [
        box(body, (-w, -w + 0.025), (-d, d), (0, height)),
        box(body, (w - 0.025, w), (-d, d), (0, height)),
        box(body, (-w, w), (-d, -d + 0.01), (0, height)),
    ]
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
        parts.append(
            box(
                row,
                (left, max(right, left + 0.1)),
                (-d + 0.01, d - rng.between(0.02, 0.1)),
                (z + 0.022, z + pitch * rng.between(0.7, 0.95)),
            )
        )
    return Piece(c.CABINET, (width, depth, height), parts)
