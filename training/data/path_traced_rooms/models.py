"""Models brought into the tracer's form once: mesh files, and the places on which things can stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.path_traced_rooms.catalogue import Entry
from training.data.path_traced_rooms.obj import Array, Material, Part, read_model

CELL = 0.02
"""Size in metres of the grid of support."""
LAYERS = 10
ROUND = 32
"""Sides by which a circle is drawn."""
PRINTED = Material("printed", texture=np.zeros((1, 1, 3), np.uint8))
LEVEL = 0.95
"""Least vertical share of a normal on which a thing stands without sliding."""
HEADROOM = 0.05
"""Least metres above a place to stand: less is the inside of a board."""


@dataclass(frozen=True)
class Mesh:
    """A mesh file with one material, `share` of the model's surface."""

    path: Path
    material: Material
    share: float


@dataclass(frozen=True)
class Support:
    """Where things can stand on a model, in its own frame, on a grid with its middle at the origin.

    height, headroom: metres (layer, row along y, column along x), layers from the top down; NaN where there is nothing
    level.
    """

    height: NDArray[np.float32]
    headroom: NDArray[np.float32]

    @property
    def extent(self) -> tuple[float, float]:
        """Half of the grid's size along x and y, metres."""
        return self.height.shape[2] * CELL / 2, self.height.shape[1] * CELL / 2


class ModelStore:
    """Models as mesh files in a folder, made when first asked for."""

    def __init__(self, tracer: Any, folder: Path) -> None:
        self._mi = tracer
        self._folder = folder
        self.meshes = lru_cache(maxsize=None)(self._meshes)
        self.support = lru_cache(maxsize=None)(self._support)

    def _meshes(self, entry: Entry) -> tuple[Mesh, ...]:
        parts = read_model(entry)
        areas = [_area(part) for part in parts]
        stem = f"{entry.library.stem}-{Path(entry.path).stem}"
        meshes = []
        for number, (part, area) in enumerate(zip(parts, areas, strict=True)):
            path = self._folder / f"{stem}-{number}.ply"
            _write_ply(path, part)
            meshes.append(Mesh(path, part.material, area / max(sum(areas), 1e-12)))
        return tuple(meshes)

    def plane(self, across: float, down: float) -> Path:
        """A plane from -1 to 1 in x and y, facing up, with a texture that repeats so often."""
        path = self._folder / f"plane-{across:.2f}-{down:.2f}.ply"
        if not path.exists():
            square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
            corners = square[[[0, 1, 2], [0, 2, 3]]]
            uv = np.asarray((corners[..., :2] + 1) / 2 * np.array([across, down]), np.float32)
            _write_ply(path, _simple(corners, np.broadcast_to(np.array([0, 0, 1], np.float32), corners.shape), uv))
        return path

    def ball(self) -> Path:
        """A ball of radius 1 around the origin."""
        path = self._folder / "ball.ply"
        if not path.exists():
            rise = np.linspace(0, np.pi, ROUND // 2 + 1)
            corners, uv = _grid_around(np.sin(rise), -np.cos(rise))
            _write_ply(path, _simple(corners, corners, uv))
        return path

    def can(self) -> Path:
        """A closed cylinder of radius 1 from z = 0 to 1."""
        path = self._folder / "can.ply"
        if not path.exists():
            side, side_uv = _grid_around(np.ones(2), np.array([0.0, 1.0]))
            lids, lids_uv = _grid_around(np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0]))
            flat = np.ptp(lids[..., 2], axis=1) == 0
            up = np.zeros_like(lids[flat])
            up[..., 2] = np.where(lids[flat][..., 2] > 0.5, 1, -1)
            normals = np.concatenate([side * np.array([1, 1, 0], np.float32), up])
            corners = np.concatenate([side, lids[flat]])
            _write_ply(path, _simple(corners, normals, np.concatenate([side_uv, lids_uv[flat]])))
        return path

    def _support(self, entry: Entry) -> Support:
        mi = self._mi
        scene = mi.load_dict(
            {"type": "scene"}
            | {f"m{i}": {"type": "ply", "filename": str(m.path)} for i, m in enumerate(self.meshes(entry))},
            optimize=False,
        )
        columns, rows = (max(1, int(size / CELL)) for size in entry.size[:2])
        x = ((np.arange(columns) + 0.5) - columns / 2) * CELL
        y = ((np.arange(rows) + 0.5) - rows / 2) * CELL
        x, y = (plane.ravel().astype(np.float32) for plane in np.meshgrid(x, y))
        start = np.full(x.size, entry.size[2] + 0.5, np.float32)
        above = np.full(x.size, np.inf, np.float32)
        heights, headrooms = [], []
        for _ in range(LAYERS):
            hit = scene.ray_intersect_preliminary(
                mi.Ray3f(mi.Point3f(x, y, start), mi.Vector3f(0, 0, -1)), coherent=False
            )
            surface = hit.compute_surface_interaction(mi.Ray3f(mi.Point3f(x, y, start), mi.Vector3f(0, 0, -1)))
            distance = np.array(hit.t)
            z = start - distance
            level = np.isfinite(distance) & (np.abs(np.array(surface.n.z)) > LEVEL) & (above - z > HEADROOM)
            heights.append(np.where(level, z, np.nan).reshape(rows, columns))
            headrooms.append((above - z).reshape(rows, columns))
            above = np.where(np.isfinite(distance), z, above)
            start = np.where(np.isfinite(distance), z - 1e-4, start)
            if not np.isfinite(distance).any():
                break
        return Support(np.stack(heights).astype(np.float32), np.stack(headrooms).astype(np.float32))


def _grid_around(radius: NDArray[np.float64], height: NDArray[np.float64]) -> tuple[Array, Array]:
    """Corners (n, 3, 3) and texture coordinates of a surface of revolution with this profile."""
    turn = np.linspace(0, 2 * np.pi, ROUND + 1)
    points = np.stack(
        [radius[:, None] * np.cos(turn), radius[:, None] * np.sin(turn), height[:, None] * np.ones(ROUND + 1)], axis=-1
    )
    along, share = np.meshgrid(turn / (2 * np.pi), np.linspace(0, 1, len(radius)))
    both = np.concatenate([points, np.stack([along, share], axis=-1)], axis=-1).astype(np.float32)
    a, b, c, d = both[:-1, :-1], both[:-1, 1:], both[1:, 1:], both[1:, :-1]
    triangles = np.stack([np.stack([a, b, c], axis=2), np.stack([a, c, d], axis=2)], axis=2).reshape(-1, 3, 5)
    return triangles[..., :3], triangles[..., 3:]


def _simple(corners: Array, normals: Array, uv: Array) -> Part:
    return Part(corners, np.ascontiguousarray(normals), uv, PRINTED)


def _area(part: Part) -> float:
    edges = part.corners[:, 1:] - part.corners[:, :1]
    return float(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1).sum() / 2)


def _write_ply(path: Path, part: Part) -> None:
    """Binary PLY with normals and texture coordinates; those of a part without a texture are metres on its surface."""
    count = len(part.corners)
    uv = part.uv.copy()
    if part.material.texture is None:
        main = np.abs(part.normals.mean(axis=1)).argmax(axis=1)
        for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
            uv[main == axis] = part.corners[main == axis][..., others]
    table = np.concatenate([part.corners, part.normals, uv], axis=2).reshape(-1, 8).astype("<f4")
    faces = np.empty(count, dtype=[("n", "u1"), ("v", "<i4", 3)])
    faces["n"], faces["v"] = 3, np.arange(3 * count).reshape(-1, 3)
    names = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz", "u", "v"))
    head = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {3 * count}\n{names}"
        f"element face {count}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    path.write_bytes(head.encode() + table.tobytes() + faces.tobytes())
