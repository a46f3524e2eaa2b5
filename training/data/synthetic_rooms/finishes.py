"""Colours and surfaces, drawn as rooms have them: woods, cloths, metals, paints, walls, floors."""

from __future__ import annotations

from training.data.synthetic_rooms.materials import Colour, Material
from training.data.synthetic_rooms.rng import Rng


def hue(rng: Rng, saturation: float, value: float) -> Colour:
    """A colour of any hue: reflectances around `value`, spread by `saturation`."""
    low = value * (1 - saturation)
    middle = low + (value - low) * rng.random()
    order = int(rng.random() * 6)
    return (
        (value, middle, low),
        (value, low, middle),
        (middle, value, low),
        (low, value, middle),
        (middle, low, value),
        (low, middle, value),
    )[order]


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


def wall_paint(rng: Rng) -> Material:
    colour = hue(rng, 0.35 * rng.random() if rng.chance(0.7) else 0.7 * rng.random(), rng.between(0.25, 0.85))
    style = rng.random()
    if style < 0.7:
        return Material(rng.texture("plaster"), 1.6, colour, darker(colour, 0.92))
    if style < 0.8:
        return Material(rng.texture("stripes"), rng.between(0.6, 1.6), colour, darker(colour, rng.between(0.6, 1.3)))
    if style < 0.9:
        return Material(rng.texture("damask"), rng.between(0.8, 1.6), colour, darker(colour, rng.between(0.75, 1.2)))
    if style < 0.95:
        brick = rng.between(0.2, 0.6)
        return Material(rng.texture("bricks"), 1.1, (brick, brick * 0.55, brick * 0.4), (0.5, 0.48, 0.45))
    return Material(rng.texture("tiles"), 0.8, colour, darker(colour, 0.6), 0.3)


def floor_cover(rng: Rng) -> Material:
    style = rng.random()
    if style < 0.5:
        colour = wood_colour(rng)
        return Material(
            rng.texture("planks"), rng.between(1.0, 1.8), colour, darker(colour, 0.7), rng.between(0.05, 0.4)
        )
    colour = hue(rng, 0.25 * rng.random(), rng.between(0.15, 0.75))
    if style < 0.72:
        return Material(
            rng.texture("tiles"),
            rng.between(1.0, 2.4),
            colour,
            darker(colour, rng.choice((0.5, 1.2))),
            rng.between(0.1, 0.5),
        )
    if style < 0.9:
        colour = hue(rng, 0.6 * rng.random(), rng.between(0.1, 0.5))
        return Material(rng.texture("carpet"), 1.0, colour, darker(colour, 0.8))
    if style < 0.95:
        return Material(rng.texture("checker"), rng.between(1.2, 2.4), (0.7, 0.69, 0.66), colour, 0.3)
    return Material(rng.texture("marble"), 2.0, colour, darker(colour, 0.6), 0.5)


def ceiling_paint(rng: Rng) -> Material:
    pale = rng.between(0.55, 0.9)
    white, grey = (pale, pale, pale * 0.97), (pale * 0.95, pale * 0.95, pale * 0.93)
    return Material(rng.texture("plain"), 2.0, white, grey)
