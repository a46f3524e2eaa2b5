"""What things are put together from.

A piece stands in its own frame: origin on the floor at the middle of its footprint, y out of its front, z up,
x to complete a right-handed frame; metres.
"""

from __future__ import annotations

from typing import NamedTuple

from training.data.synthetic_rooms.materials import Material
from training.data.synthetic_rooms.primitives import BOX, CYLINDER, SPHERE
from training.data.synthetic_rooms.rng import Rng

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


def box(
    material: Material,
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    yaw: float = 0.0,
    tilt: float = 0.0,
) -> Part:
    """A box from its extents along x, y and z."""
    centre = ((x[0] + x[1]) / 2, (y[0] + y[1]) / 2, (z[0] + z[1]) / 2)
    return Part(BOX, centre, ((x[1] - x[0]) / 2, (y[1] - y[0]) / 2, (z[1] - z[0]) / 2), material, yaw, tilt)


def column(material: Material, x: float, y: float, z: tuple[float, float], radius: float) -> Part:
    """An upright cylinder."""
    return Part(CYLINDER, (x, y, (z[0] + z[1]) / 2), (radius, radius, (z[1] - z[0]) / 2), material)


def ball(material: Material, centre: Vector, half: Vector) -> Part:
    """An ellipsoid."""
    return Part(SPHERE, centre, half, material)


def legs(rng: Rng, material: Material, x: float, y: float, height: float, thickness: float) -> list[Part]:
    """Four legs with their outer corners at (+-x, +-y)."""
    round_legs = rng.chance(0.5)
    x, y = x - thickness, y - thickness
    corners = ((-x, -y), (x, -y), (-x, y), (x, y))
    if round_legs:
        return [column(material, px, py, (0, height), thickness) for px, py in corners]
    return [Part(BOX, (px, py, height / 2), (thickness, thickness, height / 2), material) for px, py in corners]
