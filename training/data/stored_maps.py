"""How people keep maps in files, png, tiff or npy, and what their numbers mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError
from pydantic import model_validator

from avtar_ros.errors import ImageError
from avtar_ros.imaging.decoding import check_pixels
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION, TaskMap
from training.data.class_files import StoredClasses
from training.data.files import contents, read_stored
from training.errors import TrainingError
from training.section import PositiveReal, Real, Section, fault

MAP_ENDINGS = (".png", ".tif", ".tiff", ".npy")
MILLIMETRE = 0.001
AWAY = 0.3
"""Mean z of normals beyond which they are in another frame. Below it, a wide camera's walls may well have z above 0."""


class StoredConfig(Section):
    """What a map's numbers mean: the size of one step in `unit`, and which of them say that nothing is known."""

    unit: PositiveReal | None = None
    unknown: tuple[Real, ...] | None = None


class StoredNormalsConfig(StoredConfig):
    """`frame` is `optical` (x right, y down, z forward) or `opengl` (x right, y up, z backward)."""

    frame: Literal["optical", "opengl"] = "optical"


class FormatsConfig(Section):
    """How the maps of a folder are stored, where it is not as they usually are.

    depth: whole numbers are millimetres, 0 and the largest unknown; others metres, 0 and NaN unknown.
    segmentation: ids, or colours, of classes.yaml; 255 is unlabelled unless that has it.
    normals: n = 2 · stored / largest − 1 of whole numbers, in the order x, y, z of red, green, blue; 0, 0, 0 unknown.
    edges: the largest whole number is 1; of others 1 is, and NaN unknown.
    """

    depth: StoredConfig = StoredConfig()
    segmentation: StoredConfig = StoredConfig()
    normals: StoredNormalsConfig = StoredNormalsConfig()
    edges: StoredConfig = StoredConfig()

    @model_validator(mode="after")
    def _units_of_what_has_one(self) -> FormatsConfig:
        for name in ("segmentation", "normals"):
            if getattr(self, name).unit is not None:
                raise fault(f"{name}.unit", "has no meaning: it is not a quantity")
        return self


Decoder = Callable[[NDArray[Any], Any, StoredClasses | None], TaskMap]


def read_map_file(path: Path, task: str, formats: FormatsConfig, classes: StoredClasses | None = None) -> TaskMap:
    """The map (H, W[, 3]) of a task in a file, in the layout of `Batch`.

    Raises TrainingError if the file is missing or damaged, or does not hold what the task's maps are.
    """
    stored = _read(path)
    try:
        return _DECODERS[task](stored, getattr(formats, task), classes)
    except ValueError as error:
        raise TrainingError(f"{path}: {error}.") from error


def _read(path: Path) -> NDArray[Any]:
    if path.suffix.lower() == ".npy":
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except FileNotFoundError:
            raise TrainingError(f"{path}: no such file. {contents(path.parent)}") from None
        except (OSError, ValueError) as error:
            raise TrainingError(f"{path}: not an array of numbers, or a damaged one ({error}).") from error
    if path.suffix.lower() == ".png":  # of pictures with a palette OpenCV gives the colours alone
        try:
            with Pillow.open(path) as picture:
                if picture.mode == "P":
                    check_pixels(picture.width, picture.height)
                    return np.asarray(picture)
        except ImageError as error:
            raise TrainingError(f"{path}: {error}") from error
        except (FileNotFoundError, UnidentifiedImageError):
            pass  # the reader below says it
    stored = read_stored(path)
    if stored.ndim == 3 and stored.shape[2] == 4:
        stored = stored[..., :3]
    return np.ascontiguousarray(stored)


def _flat(stored: NDArray[Any], what: str) -> NDArray[Any]:
    """One channel, also where it is stored three times."""
    if stored.ndim == 3 and stored.shape[2] == 1:
        return stored[..., 0]
    if stored.ndim == 3 and (stored == stored[..., :1]).all():
        return stored[..., 0]
    if stored.ndim != 2:
        raise ValueError(f"expected {what} of one channel, found an array of shape {stored.shape}")
    return stored


def _whole(stored: NDArray[Any]) -> bool:
    return bool(np.issubdtype(stored.dtype, np.integer))


def _among(stored: NDArray[Any], values: tuple[float, ...]) -> NDArray[np.bool_]:
    return np.isin(stored, np.array(values, np.float64)) if values else np.zeros(stored.shape, np.bool_)


def _depth(stored: NDArray[Any], given: StoredConfig, _: StoredClasses | None) -> TaskMap:
    stored = _flat(stored, "depth")
    whole = _whole(stored)
    if stored.dtype.itemsize == 1 and given.unit is None:
        raise ValueError("is depth of 8 bits, whose steps nobody can guess; give `maps.depth.unit`, in metres")
    usual = (0.0, float(np.iinfo(stored.dtype).max)) if whole else (0.0,)
    unknown = _among(stored, usual if given.unknown is None else given.unknown)
    metres = stored.astype(np.float32) * np.float32(given.unit or (MILLIMETRE if whole else 1.0))
    if bool((metres[~unknown] < 0).any()):
        raise ValueError("has negative depths; give those that mean unknown as `maps.depth.unknown`")
    return np.where(unknown | ~(metres > 0) | np.isinf(metres), np.float32(np.nan), metres).astype(np.float32)


def _ids(stored: NDArray[Any], given: StoredConfig, classes: StoredClasses | None) -> TaskMap:
    if classes is None:
        raise ValueError("is a mask, but no classes.yaml says what its ids mean")
    if stored.ndim == 3:
        if stored.shape[2] != 3 or stored.dtype != np.uint8:
            raise ValueError(f"expected ids, or colours of 8 bits, found {stored.dtype} of shape {stored.shape}")
        return classes.of_colours(stored)
    if not _whole(stored) and stored.dtype != np.bool_:
        raise ValueError(f"expected ids of classes, which are whole numbers, found {stored.dtype}")
    if stored.size and not 0 <= int(stored.min()) <= int(stored.max()) <= 65535:
        raise ValueError(f"has ids from {stored.min()} to {stored.max()}; expected 0 to 65535")
    return classes.of_ids(stored, (255.0,) if given.unknown is None else given.unknown)


def _normals(stored: NDArray[Any], given: StoredNormalsConfig, _: StoredClasses | None) -> TaskMap:
    if stored.ndim != 3 or stored.shape[2] != 3:
        raise ValueError(f"expected normals of three channels, found an array of shape {stored.shape}")
    unknown = _among(stored, given.unknown or (0.0,)).all(axis=-1)
    vectors = stored.astype(np.float32)
    if _whole(stored):
        vectors = vectors * np.float32(2 / np.iinfo(stored.dtype).max) - 1
    if given.frame == "opengl":
        vectors = vectors * np.array([1, -1, -1], np.float32)
    length = np.linalg.norm(vectors, axis=-1)
    unknown |= ~(length > 0.1)  # false for NaN as well
    if bool(((length > 1.5) & ~unknown).any()):
        raise ValueError("has vectors that are no unit vectors")
    normals = np.where(unknown[..., None], np.float32(np.nan), vectors / np.maximum(length, 1e-6)[..., None])
    if np.mean(normals[~unknown][:, 2]) > AWAY:
        other = "opengl" if given.frame == "optical" else "optical"
        raise ValueError(f"has normals that point away from the camera; try `maps.normals.frame: {other}`")
    return normals.astype(np.float32)


def _edges(stored: NDArray[Any], given: StoredConfig, _: StoredClasses | None) -> TaskMap:
    stored = _flat(stored, "edges")
    unknown = _among(stored, given.unknown or ())
    usual = 1 / np.iinfo(stored.dtype).max if _whole(stored) else 1.0
    edges = stored.astype(np.float32) * np.float32(given.unit or usual)
    edges[unknown] = np.nan
    if bool(((edges < 0) | (edges > 1 + 1e-4)).any()):
        raise ValueError(f"has edges of {np.nanmin(edges):g} to {np.nanmax(edges):g}; expected 0 to 1")
    return np.asarray(np.minimum(edges, 1), np.float32)


_DECODERS: dict[str, Decoder] = {
    SEGMENTATION.name: _ids,
    DEPTH.name: _depth,
    NORMALS.name: _normals,
    EDGES.name: _edges,
}
