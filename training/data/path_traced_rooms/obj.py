"""Reading OBJ models with their materials from a furniture library."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from zipfile import ZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.path_traced_rooms.catalogue import Entry
from training.errors import TrainingError

CREASE_DEG = 40.0
"""Faces that meet at less than this angle are shaded as one round surface."""
TEXTURE_PX = 256

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """What an .mtl file says: colours as linear RGB, `texture` RGB or RGBA, uint8 (H, W, 3 or 4), encoded as sRGB."""

    name: str
    colour: tuple[float, float, float] = (0.6, 0.6, 0.6)
    shine: float = 0.0
    exponent: float = 10.0
    opacity: float = 1.0
    texture: NDArray[np.uint8] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Part:
    """The triangles of a model with one material: corners, unit normals (n, 3, 3), texture coordinates (n, 3, 2)."""

    corners: Array
    normals: Array
    uv: Array
    material: Material


def read_model(entry: Entry) -> list[Part]:
    """The parts of a model at its true size in metres.

    Frame: x right, y backwards, z up; the piece faces -y, its footprint is centred at the origin, its lowest point at
    z = 0. Raises TrainingError if the model cannot be read.
    """
    try:
        with ZipFile(entry.library) as archive:
            raw = _parse(archive, entry.path)
    except (KeyError, ValueError, IndexError) as error:
        raise TrainingError(f"{entry.library}: the model {entry.path} cannot be read ({error}).") from error
    if not raw:
        raise TrainingError(f"{entry.library}: the model {entry.path} has no faces.")
    everything = np.concatenate([corners.reshape(-1, 3) for corners, _, _ in raw])
    turn = np.array(entry.turn).reshape(3, 3) if entry.turn else np.eye(3)
    # Of the file: x right, y up, z to the front.
    axes = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) @ turn
    turned = everything @ axes.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    scale = np.array(entry.size) / np.maximum(high - low, 1e-9)
    origin = np.array([*(low + high)[:2] / 2, low[2]])
    placed = [((corners.reshape(-1, 3) @ axes.T - origin) * scale).reshape(-1, 3, 3) for corners, _, _ in raw]
    normals = _smooth_normals(np.concatenate(placed))
    ends = np.cumsum([len(corners) for corners in placed])[:-1]
    return [
        Part(corners.astype(np.float32), normal, uv.astype(np.float32), material)
        for corners, normal, (_, uv, material) in zip(placed, np.split(normals, ends), raw, strict=True)
    ]


def _parse(archive: ZipFile, path: str) -> list[tuple[NDArray[np.float64], NDArray[np.float64], Material]]:
    """Per material the corners (n, 3, 3) in the file's axes, texture coordinates (n, 3, 2), and the material."""
    vertices: list[list[float]] = []
    coordinates: list[list[float]] = [[0.0, 0.0]]
    materials: dict[str, Material] = {}
    faces: dict[str, list[tuple[int, int, int, int, int, int]]] = {}
    current = faces.setdefault("", [])
    for line in archive.read(path).decode("latin-1").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            coordinates.append([float(words[1]), float(words[2]) if len(words) > 2 else 0.0])
        elif words[0] == "f":
            corners = [_corner(word, len(vertices), len(coordinates)) for word in words[1:]]
            for (a, at), (b, bt) in pairwise(corners[1:]):
                current.append((corners[0][0], a, b, corners[0][1], at, bt))
        elif words[0] == "usemtl":
            current = faces.setdefault(" ".join(words[1:]), [])
        elif words[0] == "mtllib":
            beside = posixpath.join(posixpath.dirname(path), line.split(None, 1)[1].strip())
            if beside in archive.namelist():
                materials |= _materials(archive, beside)
    points, uv = np.array(vertices), np.array(coordinates)
    parts = []
    for name, triangles in faces.items():
        if triangles:
            table = np.array(triangles)
            parts.append((points[table[:, :3]], uv[table[:, 3:]], materials.get(name, Material(name))))
    return parts


def _corner(word: str, vertices: int, coordinates: int) -> tuple[int, int]:
    """Indices of a corner's vertex and texture coordinate, the latter 0 where there is none."""
    fields = word.split("/")
    vertex = int(fields[0])
    texture = int(fields[1]) if len(fields) > 1 and fields[1] else 0
    return (vertex - 1 if vertex > 0 else vertices + vertex), (texture if texture >= 0 else coordinates + texture)


def _materials(archive: ZipFile, path: str) -> dict[str, Material]:
    found: dict[str, Material] = {}
    name = ""
    for line in archive.read(path).decode("latin-1").splitlines():
        key, _, value = line.strip().partition(" ")
        value = value.strip()
        if key == "newmtl":
            name = value
            found[name] = Material(name)
        elif name and value:
            found[name] = replace(found[name], **_property(archive, path, key, value))
    return found


def _property(archive: ZipFile, path: str, key: str, value: str) -> dict[str, Any]:
    if key == "Kd":
        r, g, b = (min(max(float(word), 0.0), 1.0) for word in value.split()[:3])
        return {"colour": (r, g, b)}
    if key == "Ks":
        return {"shine": max(float(word) for word in value.split()[:3])}
    if key == "Ns":
        return {"exponent": float(value)}
    if key == "d":
        return {"opacity": float(value.split()[-1])}
    if key == "map_Kd":
        return {"texture": _texture(archive, posixpath.join(posixpath.dirname(path), value))}
    return {}


def _texture(archive: ZipFile, path: str) -> NDArray[np.uint8] | None:
    """A texture brought to a size at which it does not shimmer; None where the library lacks it."""
    try:
        data = np.frombuffer(archive.read(path), np.uint8)
    except KeyError:
        return None
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if picture is None:
        return None
    if picture.dtype != np.uint8:
        picture = (picture // 257).astype(np.uint8)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    picture = np.concatenate([picture[..., 2::-1], picture[..., 3:]], axis=2)
    shrink = TEXTURE_PX / max(picture.shape[:2])
    if shrink < 1:
        picture = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture)


def _smooth_normals(corners: NDArray[np.float64]) -> Array:
    """Normals (n, 3, 3) of all corners (n, 3, 3): of the face, or of the round surface that it is a piece of."""
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(across, axis=1, keepdims=True)
    flat = across / np.maximum(area, 1e-15)
    flat[area[:, 0] < 1e-14] = (0, 0, 1)
    keys = np.round(corners.reshape(-1, 3) / 1e-5).astype(np.int64)
    _, vertex = np.unique(keys, axis=0, return_inverse=True)
    vertex = vertex.reshape(-1)
    weighted = np.repeat(across, 3, axis=0)
    sums = np.stack([np.bincount(vertex, weighted[:, axis]) for axis in range(3)], axis=1)
    mean = sums[vertex].astype(np.float64).reshape(-1, 3, 3)
    mean = mean / np.maximum(np.linalg.norm(mean, axis=2, keepdims=True), 1e-15)
    is_round = (mean * flat[:, None]).sum(axis=2) > np.cos(np.radians(CREASE_DEG))
    return np.asarray(np.where(is_round[..., None], mean, flat[:, None]), np.float32)
