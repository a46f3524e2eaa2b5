"""From a room's plan to a scene of the path tracer."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.meaning import UNLABELLED
from training.data.path_traced_rooms.models import Mesh, ModelStore
from training.data.path_traced_rooms.obj import Material
from training.data.path_traced_rooms.plan import Body, Finish, Piece, Room
from training.data.path_traced_rooms.textures import Cover, fabric, paint, panels, tiles

METAL = re.compile(r"metal|chrom|steel|inox|alumin|brass|gold|silver|iron|acero|crom", re.IGNORECASE)
CLOTH = ("sofa", "corner_sofa", "armchair", "bed", "chair", "office_chair", "curtain", "rug", "baby_bed")
GLASSY = 0.9
"""Opacity below which a surface is glass."""


MOST_SHAPES, MOST_LAMPS = 600, 40
"""What scenes have at most, but for a few large ones."""


@dataclass(frozen=True)
class Scene:
    """A scene of the tracer with class id and instance of each shape, in the order of `scene.shapes()`.

    cutouts: by the index of a shape, such as a leaf's, the opacity (H, W) of its texture: one sees through where it is
    low.
    """

    scene: Any
    cutouts: dict[int, NDArray[np.uint8]]
    class_ids: NDArray[np.uint8]
    instances: NDArray[np.int32]


class SceneBuilder:
    """Scenes from plans.

    To trace paths the tracer runs through all materials, lamps and shapes that there are anywhere in the process. It
    compiles its code for their kinds, in the order in which they were made, and for the highest number that one of them
    has. Hence none is kept beyond its scene, but for one of each kind, which is made first, and the last of as many as
    scenes have at most: so the code of nearly all scenes is the same, and compiled once.
    """

    def __init__(self, tracer: Any, store: ModelStore) -> None:
        self._mi = tracer
        self._store = store
        self._kinds = tracer.load_dict({"type": "scene"} | self._one_of_each(), parallel=False)
        self._last = self._last_of_many()

    def build(self, room: Room) -> Scene:
        gc.collect()  # what is left of the scene before
        mi = self._mi
        shapes: dict[str, Any] = {"type": "scene"} | self._one_of_each()
        meaning: dict[str, tuple[int, int]] = {}

        def add(name: str, what: dict[str, Any], thing: Piece | Body) -> None:
            shapes[name] = what
            meaning[name] = (thing.class_id, thing.instance)

        own = lru_cache(maxsize=None)(self._model_bsdf)
        for number, piece in enumerate(room.pieces):
            to_world = self._placed(piece)
            for part, (mesh, bsdf) in enumerate(self._dressed(room, piece, own)):
                what = {"type": "ply", "filename": str(mesh.path), "to_world": to_world, "bsdf": bsdf}
                add(f"p{number}x{part}", what, piece)
        for number, body in enumerate(room.bodies):
            for part, what in enumerate(self._body(body)):
                add(f"b{number}x{part}", what, body)
        for number, (source, target) in enumerate(room.sunbeams):
            looks = mi.ScalarTransform4f().look_at(list(source), list(target), [0.01, 0.02, 1])
            shapes[f"sun{number}"] = _sunbeam(looks, 1.0, 1.0)
        scene = mi.load_dict(shapes, optimize=False)
        names = {shape.id(): index for index, shape in enumerate(scene.shapes())}
        found = [meaning.get(shape.id(), (UNLABELLED, -1)) for shape in scene.shapes()]
        cutouts = {}
        for number, piece in enumerate(room.pieces):
            for part, mesh in enumerate(self._worn(piece)):
                if mesh.material.texture is not None and _is_cut_out(mesh.material):
                    cutouts[names[f"p{number}x{part}"]] = mesh.material.texture[..., 3]
        class_ids, instances = (np.array(values) for values in zip(*found, strict=True))
        return Scene(scene, cutouts, class_ids.astype(np.uint8), instances.astype(np.int32))

    def _worn(self, piece: Piece) -> tuple[Mesh, ...]:
        """The meshes of a piece that are shown: the panes of windows and doors are in the plan."""
        meshes = self._store.meshes(piece.entry)
        if piece.role in ("window", "door"):
            return tuple(mesh for mesh in meshes if mesh.material.opacity >= GLASSY)
        return meshes

    def _placed(self, piece: Piece) -> Any:
        pose, own = piece.pose, piece.entry.size
        scale = [a / max(b, 1e-6) for a, b in zip(piece.size, own, strict=True)]
        t = self._mi.ScalarTransform4f()
        return t.translate([pose.x, pose.y, pose.z]).rotate([0, 0, 1], float(np.degrees(pose.angle))).scale(scale)

    def _dressed(self, room: Room, piece: Piece, own: Callable[..., Any]) -> list[tuple[Mesh, Any]]:
        """Meshes of a piece with their materials: the models' own, or for the largest of them a new one."""
        rng = room.rng
        glossy = bool(rng.random() < 0.35)
        meshes = self._worn(piece)
        dressed = [(mesh, own(mesh.material, mesh.path, glossy)) for mesh in meshes]
        main = max(range(len(meshes)), key=lambda i: meshes[i].share, default=None)
        if piece.recolour and piece.role not in ("person", "pet", "thing", "plant", "window") and main is not None:
            mesh = meshes[main]
            if mesh.material.texture is None and mesh.material.opacity >= GLASSY:
                dressed[main] = (mesh, self.bsdf(self._new_finish(room, piece.role, glossy)))
        return dressed

    def _new_finish(self, room: Room, role: str, glossy: bool) -> Finish:
        rng = room.rng
        if role in CLOTH:
            cover = fabric(rng)
        elif rng.random() < 0.5:
            cover = panels(rng)
        elif rng.random() < 0.3:
            cover = tiles(rng)
        else:
            cover = paint(rng)
        roughness = float(rng.uniform(0.15, 0.6)) if glossy and role not in CLOTH else 1.0
        return Finish(_of_a_metre(cover), roughness=roughness)

    def _model_bsdf(self, material: Material, _path: object, glossy: bool) -> Any:
        """A material of a model; `_path` tells materials with the same name apart."""
        mi = self._mi
        texture = material.texture
        if material.opacity < GLASSY and texture is None:
            return mi.load_dict(_glass([0.5 + 0.5 * value for value in material.colour]))
        metal = METAL.search(material.name) is not None and texture is None
        roughness = float(np.clip(np.sqrt(2 / (material.exponent + 2)), 0.12, 0.6)) if glossy or metal else 1.0
        if material.shine < 0.15 and not metal:
            roughness = 1.0
        if texture is None:
            texture = _plain([min(value, 0.9) ** (1 / 2.2) for value in material.colour])
        bsdf = _surface(self._bitmap(np.ascontiguousarray(texture[..., :3])), roughness, 1.0 if metal else 0.0)
        if _is_cut_out(material):
            return mi.load_dict(self._cut_out(np.ascontiguousarray(texture[..., 3:]), bsdf))
        return mi.load_dict(bsdf)

    def _cut_out(self, opacity: NDArray[np.uint8], bsdf: dict[str, Any]) -> dict[str, Any]:
        return {"type": "mask", "opacity": self._bitmap(opacity, raw=True), "bsdf": bsdf}

    def bsdf(self, finish: Finish) -> Any:
        """The material of a simple body."""
        texture = finish.cover.texture if finish.cover else _plain(finish.colour)
        return self._mi.load_dict(_surface(self._bitmap(texture), finish.roughness, finish.metallic))

    def _bitmap(self, texture: NDArray[np.uint8], raw: bool = False) -> dict[str, Any]:
        # Never with a `to_uv`: the tracer would compile the code of each by itself.
        return {"type": "bitmap", "bitmap": self._mi.Bitmap(texture), "raw": raw}

    def _body(self, body: Body) -> list[dict[str, Any]]:
        mi = self._mi
        pose, (w, d, h) = body.pose, body.size
        bsdf = self.bsdf(body.finish)
        t = mi.ScalarTransform4f()
        stands = t.translate([pose.x, pose.y, pose.z]).rotate([0, 0, 1], float(np.degrees(pose.angle)))
        if body.kind == "box":
            shape = {"type": "cube", "to_world": stands.translate([0, 0, h / 2]).scale([w / 2, d / 2, h / 2])}
            return [shape | {"bsdf": bsdf}]
        if body.kind in ("cylinder", "ball"):
            mesh = self._store.can() if body.kind == "cylinder" else self._store.ball()
            long, round_ = stands.scale([w / 2, w / 2, h]), stands.translate([0, 0, w / 2]).scale(w / 2)
            place = long if body.kind == "cylinder" else round_
            shape = {"type": "ply", "filename": str(mesh), "to_world": place}
            return [shape | {"bsdf": bsdf} | self._glow(body)]
        facing = body.facing or (0.0, 0.0, 1.0)
        up = (0.0, 0.0, 1.0) if abs(facing[2]) < 0.9 else (0.0, 1.0, 0.0)
        centre = np.array([pose.x, pose.y, pose.z])
        looks = t.look_at(centre.tolist(), (centre + facing).tolist(), list(up))
        mesh = self._store.plane(*body.finish.repeats)
        shape = {"type": "ply", "filename": str(mesh), "to_world": looks.scale([w / 2, d / 2, 1])}
        return [shape | {"bsdf": bsdf} | self._glow(body)]

    def _glow(self, body: Body) -> dict[str, Any]:
        finish = body.finish
        if finish.glow is None:
            return {}
        texture = finish.cover.texture if finish.cover else _plain((1.0, 1.0, 1.0))
        linear = (texture / 255) ** 2.2 * np.array(finish.glow)
        return self._light(linear.astype(np.float32), 1.0)

    def _light(self, linear: NDArray[np.float32], weight: float) -> dict[str, Any]:
        radiance = {"type": "bitmap", "bitmap": self._mi.Bitmap(linear), "raw": True}
        return {"emitter": {"type": "area", "radiance": radiance, "sampling_weight": weight}}

    def _last_of_many(self) -> Any:
        """Something with the highest number that the tracer gives its things in nearly all scenes."""
        plane = {"type": "ply", "filename": str(self._store.plane(1, 1))}
        surface = _surface(self._bitmap(_plain((1.0, 1.0, 1.0))), 1.0, 0.0)
        light = self._light(np.ones((1, 1, 3), np.float32), 1.0)
        lamps = [self._mi.load_dict(plane | {"bsdf": surface} | light) for _ in range(MOST_LAMPS)]
        shapes = [self._mi.load_dict(plane | {"bsdf": surface}) for _ in range(MOST_SHAPES)]
        return lamps[-1], shapes[-1]

    def _one_of_each(self) -> dict[str, Any]:
        """A shape with each kind of material, and a lamp of each kind, far below the floor and dark.

        Where a kind is missing, the tracer compiles other code, which takes longer than to render an image.
        """
        t = self._mi.ScalarTransform4f().translate([0, 0, -100]).scale(0.01)
        white = self._bitmap(_plain((1.0, 1.0, 1.0)))
        surface = _surface(white, 1.0, 0.0)
        dark = self._light(np.full((1, 1, 3), 1e-3, np.float32), 1e-6)
        leaf = self._cut_out(np.full((1, 1, 1), 255, np.uint8), surface)
        extras: tuple[dict[str, Any], ...] = ({}, dark, {"bsdf": leaf}, {"bsdf": _glass([1.0, 1.0, 1.0])})
        plane = {"type": "ply", "filename": str(self._store.plane(1, 1)), "to_world": t, "bsdf": surface}
        cube = {"type": "cube", "to_world": t, "bsdf": surface}
        return {"kindcube": cube, "kindspot": _sunbeam(t, 1e-3, 1e-6)} | {
            f"kind{number}": plane | extra for number, extra in enumerate(extras)
        }


def _of_a_metre(cover: Cover) -> Cover:
    """The cover as the texture of a metre, which is what the texture coordinates of models are in."""
    often = max(1, round(1 / cover.metres))
    size = cover.texture.shape[:2]
    tiled = cv2.resize(np.tile(cover.texture, (often, often, 1)), size, interpolation=cv2.INTER_AREA)
    return Cover(np.asarray(tiled, np.uint8), 1.0, cover.roughness)


def _sunbeam(to_world: Any, strength: float, weight: float) -> dict[str, Any]:
    return {
        "type": "spot",
        "to_world": to_world,
        "intensity": {"type": "rgb", "value": [28.0 * strength, 25.0 * strength, 20.0 * strength]},
        "cutoff_angle": 16.0,
        "beam_width": 15.0,
        "sampling_weight": weight,
    }


def _glass(tint: list[float]) -> dict[str, Any]:
    return {"type": "thindielectric", "specular_transmittance": {"type": "rgb", "value": tint}}


def _plain(colour: Sequence[float]) -> NDArray[np.uint8]:
    """A texture of one sRGB colour."""
    return np.full((1, 1, 3), np.clip(np.array(colour) * 255 + 0.5, 0, 255), np.uint8)


def _is_cut_out(material: Material) -> bool:
    texture = material.texture
    return texture is not None and texture.shape[2] == 4 and int(texture[..., 3].min()) < 128


def _surface(reflectance: dict[str, Any], roughness: float, metallic: float) -> dict[str, Any]:
    """Matt, or with a gloss; seen from both sides, for the faces of models are turned either way."""
    # None of the numbers is 0 ever: the tracer would leave it out, and compile other code.
    gloss = {
        "type": "principled", "base_color": reflectance, "roughness": roughness, "metallic": max(metallic, 1e-3),
        "specular": 0.5 if roughness < 1 else 0.02,
    }
    return {"type": "twosided", "bsdf": gloss}
