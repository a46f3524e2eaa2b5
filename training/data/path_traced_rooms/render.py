"""Images with exact maps from views of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.path_traced_rooms.cameras import View, is_free, sample_view
from training.data.path_traced_rooms.photograph import denoised, photograph
from training.data.path_traced_rooms.plan import Room
from training.data.path_traced_rooms.scene import Scene
from training.data.path_traced_rooms.textures import Rng
from training.data.synthetic_rooms.edges import edge_map

SAMPLES = 5
BOUNCES = 4
ALBEDO_SAMPLES = 4
BRIGHTEST = 1e3
"""Radiance beyond which there is nothing but a lamp met by chance."""
PASSES = 4
"""How many cut-out surfaces, such as leaves, a line of sight may go through."""

DARK_SURFACE = 0.01

NEAR, NEAR_SHARE = 0.25, 0.25
SEEN_LEAST = 4
DARKEST = 12.0
TRIES, ROUNDS = 16, 4
"""Views tried at a time, and how often, before a room is given up."""
GLANCE = (40, 30)
"""Pixels by which a view is judged."""
STEP = 1e-4
"""Metres by which a line of sight leaves a surface."""


@dataclass(frozen=True)
class Geometry:
    """What each pixel's middle sees: depth in metres along the optical axis, normals in the optical frame, class ids,
    instances; depth 0 where it sees nothing."""

    depth: NDArray[np.float32]
    normals: NDArray[np.float32]
    class_ids: NDArray[np.uint8]
    instances: NDArray[np.int32]


@dataclass(frozen=True)
class Shot:
    """An image uint8 (H, W, 3) with its maps and the view it was taken from."""

    image: NDArray[np.uint8]
    geometry: Geometry
    edges: NDArray[np.uint8]
    view: View


class Renderer:
    """Takes pictures of scenes at one size. All views of a scene are worked on together: to set up the tracer for the
    materials of a scene takes as long as to trace the paths of a view."""

    def __init__(self, tracer: Any, width: int, height: int, samples: int = SAMPLES) -> None:
        self._mi = tracer
        self._width, self._height, self._samples = width, height, samples
        self._integrator = tracer.load_dict({"type": "path", "max_depth": BOUNCES, "rr_depth": 3})

    def shots(self, room: Room, scene: Scene, count: int) -> list[Shot]:
        """Up to `count` pictures that show something; fewer where few were found."""
        views = self._views(room, scene, count)
        if not views:
            return []
        geometries = self.geometry(scene, views, self._width, self._height)
        albedos = self.albedo(scene, views, room.rng)
        raw = self.radiance(scene, views, int(room.rng.integers(1 << 30)))
        shots = []
        for view, seen, albedo, noisy in zip(views, geometries, albedos, raw, strict=True):
            image = photograph(denoised(noisy, albedo, seen.normals, seen.depth), room.rng)
            if image.mean() > DARKEST:
                shots.append(Shot(image, seen, edges(seen, view.camera(self._width, self._height).fx), view))
        return shots

    def _views(self, room: Room, scene: Scene, count: int) -> list[View]:
        views: list[View] = []
        for _ in range(ROUNDS):
            tries = [view for view in (sample_view(room) for _ in range(TRIES)) if is_free(room, view)]
            seen = self.geometry(scene, tries, *GLANCE) if tries else []
            views += [view for view, glance in zip(tries, seen, strict=True) if _shows_something(glance, view)]
            if len(views) >= count:
                break
        return views[:count]

    def radiance(self, scene: Scene, views: Sequence[View], seed: int) -> list[NDArray[np.float32]]:
        """Linear radiance (H, W, 3) of each view, with the noise of few samples."""
        mi = self._mi
        sensors = {f"view{number}": self._sensor(view) for number, view in enumerate(views)}
        film = self._film(self._width * len(views))
        sampler = {"type": "independent", "sample_count": self._samples}
        sensor = mi.load_dict({"type": "batch", "film": film, "sampler": sampler, **sensors})
        image = mi.render(scene.scene, sensor=sensor, integrator=self._integrator, spp=self._samples, seed=seed)
        clipped = np.clip(np.nan_to_num(np.array(image)[..., :3]), 0, BRIGHTEST).astype(np.float32)
        return np.split(clipped, len(views), axis=1)

    def _sensor(self, view: View) -> dict[str, Any]:
        right, down, forward = view.rotation.T
        to_world = np.eye(4)
        to_world[:3] = np.stack([-right, -down, forward, view.position], axis=1)  # its x is left, its y up
        return {
            "type": "perspective",
            "fov": view.field_of_view_deg,
            "fov_axis": "x",
            "near_clip": 0.01,
            "to_world": self._mi.ScalarTransform4f(to_world),
            "film": self._film(self._width),
        }

    def _film(self, width: int) -> dict[str, Any]:
        size = {"width": width, "height": self._height}
        return {
            "type": "hdrfilm", "rfilter": {"type": "box"}, "pixel_format": "rgb", "component_format": "float32", **size
        }

    def albedo(self, scene: Scene, views: Sequence[View], rng: Rng) -> NDArray[np.float32]:
        """How much light each surface gives back (views, H, W, 3), averaged over a pixel; 1 where it is glass."""
        width, height = self._width, self._height
        rays = np.stack([view.camera(width, height).rays(width, height).reshape(-1, 3) for view in views])
        rays = np.tile(rays.astype(np.float64), (ALBEDO_SAMPLES, 1, 1, 1))
        pixel = np.array([1 / view.camera(width, height).fx for view in views])
        rays[..., :2] += pixel[:, None, None] * rng.uniform(-0.5, 0.5, (*rays.shape[:3], 2))
        directions = np.einsum("svnc,vrc->svnr", rays, np.stack([view.rotation for view in views]))
        start = np.broadcast_to(np.stack([view.position for view in views])[:, None], directions.shape)
        ray = self._rays(start, directions / np.linalg.norm(rays, axis=-1, keepdims=True))
        hit = scene.scene.ray_intersect(ray)
        found = np.array(hit.bsdf(ray).eval_diffuse_reflectance(hit)).T
        mean = found.reshape(ALBEDO_SAMPLES, len(views), height, width, 3).mean(axis=0)
        return np.where(mean.max(axis=-1, keepdims=True) > DARK_SURFACE, mean, 1).astype(np.float32)

    def _rays(self, start: NDArray[Any], directions: NDArray[Any]) -> Any:
        points, vectors = (values.reshape(-1, 3).T.astype(np.float32) for values in (start, directions))
        return self._mi.Ray3f(self._mi.Point3f(points), self._mi.Vector3f(vectors))

    def geometry(self, scene: Scene, views: Sequence[View], width: int, height: int) -> list[Geometry]:
        """What cameras of this size see at the middle of their pixels."""
        rays = np.concatenate([view.camera(width, height).rays(width, height).reshape(-1, 3) for view in views])
        rays = rays.astype(np.float64)
        lengths = np.linalg.norm(rays, axis=1)
        rotation = np.repeat(np.stack([view.rotation for view in views]), width * height, axis=0)
        start = np.repeat(np.stack([view.position for view in views]), width * height, axis=0)
        directions = np.einsum("nrc,nc->nr", rotation, rays / lengths[:, None])
        distance, normal, index = self._first_hits(scene, start, directions)
        seen = index >= 0
        optical = np.einsum("nrc,nr->nc", rotation, normal)
        optical *= np.where((optical * rays).sum(axis=1) > 0, -1, 1)[:, None]
        maps = (
            np.where(seen, distance / lengths, 0).astype(np.float32),
            np.where(seen[:, None], optical, 0).astype(np.float32),
            np.where(seen, scene.class_ids[index], 255).astype(np.uint8),
            np.where(seen, scene.instances[index], -1).astype(np.int32),
        )
        shaped = [values.reshape(len(views), height, width, *values.shape[1:]) for values in maps]
        return [Geometry(*planes) for planes in zip(*shaped, strict=True)]

    def _first_hits(
        self, scene: Scene, start: NDArray[Any], directions: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Distances (n,), shading normals (n, 3), shapes' indices (n,), -1 where there is none, along rays (n, 3)."""
        import drjit

        mi = self._mi
        order = np.array(drjit.reinterpret_array(mi.UInt32, scene.scene.shapes_dr())).astype(np.int64)
        lookup = np.full(order.max() + 1, -1)
        lookup[order] = np.arange(len(order))
        count = len(start)
        distance, normal = np.zeros(count), np.zeros((count, 3))
        index, going = np.full(count, -1), np.arange(count)
        for _ in range(PASSES):
            ray = self._rays(start, directions[going])
            hit = scene.scene.ray_intersect(ray)
            valid = np.array(hit.is_valid())
            shape = np.where(valid, lookup[np.array(drjit.reinterpret_array(mi.UInt32, hit.shape))], -1)
            travelled = np.where(valid, np.array(hit.t), 0).astype(np.float64)
            distance[going] += travelled
            index[going] = shape
            normal[going] = np.array(hit.sh_frame.n).T
            through = _sees_through(scene, shape, np.array(hit.uv).T) if scene.cutouts else np.zeros(0, bool)
            if not through.any():
                break
            start = start[through] + (travelled[through] + STEP)[:, None] * directions[going[through]]
            going = going[through]
            distance[going] += STEP
        return distance, normal, index


def _sees_through(scene: Scene, shape: NDArray[Any], uv: NDArray[Any]) -> NDArray[np.bool_]:
    """Where rays hit what is cut out (n,)."""
    through = np.zeros(len(shape), bool)
    for number, opacity in scene.cutouts.items():
        here = np.flatnonzero(shape == number)
        height, width = opacity.shape
        u, v = uv[here].T
        column = np.clip((np.mod(u, 1) * width).astype(np.intp), 0, width - 1)
        row = np.clip((np.mod(1 - v, 1) * height).astype(np.intp), 0, height - 1)
        through[here] = opacity[row, column] < 128
    return through


def _shows_something(seen: Geometry, view: View) -> bool:
    """Whether a view is not blocked, does not look out of the room, and has a few things in it."""
    if (seen.depth <= 0).any() or (seen.depth < NEAR).mean() > NEAR_SHARE or (seen.depth < 0.1).mean() > 0.02:
        return False
    if view.kind == "table":
        return bool(0.25 < np.median(seen.depth) < 2.5) and len(np.unique(seen.instances)) >= SEEN_LEAST
    return bool(np.median(seen.depth) > 0.6) and len(np.unique(seen.instances)) >= SEEN_LEAST


def edges(seen: Geometry, focal: float) -> NDArray[np.uint8]:
    """1 where one thing ends and another begins, by the definition of the ray-cast rooms."""
    depth = torch.from_numpy(np.maximum(seen.depth, 1e-3))[None]
    x, y, z = (torch.from_numpy(np.ascontiguousarray(seen.normals[..., axis]))[None] for axis in range(3))
    identity = torch.from_numpy(seen.class_ids.astype(np.int64) << 16 | (seen.instances & 0xFFFF))[None]
    found = edge_map(depth, (x, y, z), identity, torch.tensor([focal], dtype=torch.float32))
    return np.asarray(found[0].numpy(), np.uint8)
