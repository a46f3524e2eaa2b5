"""Taskonomy (Zamir et al., CVPR 2018), and what is laid out like it: Omnidata with Replica, GSO, Hypersim."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from math import degrees
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avtar_ros.documents import OTHER_FIELDS
from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.meaning import UNLABELLED
from avtar_ros.tasks import DEPTH, EDGES, NORMALS, SEGMENTATION, Maps
from training.data.config import Split
from training.data.dataset import FrameDataset, Sample
from training.data.files import Image, contents, read_image, read_map
from training.data.public_config import TaskonomyConfig
from training.errors import TrainingError

COLUMNS: dict[Split, str] = {"train": "train", "validation": "val"}
RGB = "_domain_rgb.png"
NO_DEPTH = 65535
STRONG_EDGE = 15_000
"""What the strongest texture edges come to; the 16 bits are not used in full."""
CAMERA_FILES = (("point_info", "fixatedpose"), ("point_info", "point_info"), ("points", "fixatedpose"))


class TaskonomyDataset(FrameDataset):
    """Files `point_P_view_V_domain_DOMAIN.png` in folders of buildings and domains, in one of the released orders:
    `BUILDING/DOMAIN/`, `DOMAIN/BUILDING/` or `DOMAIN/COMPONENT/BUILDING/`. An image lacks a map where that has no
    picture.

    The split names buildings. Depth comes from depth_zbuffer, or else from depth_euclidean, the distance along the
    ray; normals and edge_texture from their own pictures. Raises TrainingError if the folder is another.
    """

    def __init__(self, config: TaskonomyConfig, split: Split) -> None:
        super().__init__(config.own_classes, config.width, config.height)
        self._config = config
        self._readers_of = {
            SEGMENTATION.name: {"segment_semantic": self._segmentation} if config.own_classes else {},
            DEPTH.name: {"depth_zbuffer": self._depth, "depth_euclidean": self._depth_along_axis},
            NORMALS.name: {"normal": self._normals},
            EDGES.name: {"edge_texture": self._edges},
        }
        buildings = dict(_buildings(config.root))
        wanted = _buildings_of_split(config.root / config.splits, COLUMNS[split])
        self._images = [
            path for name in sorted(wanted & buildings.keys()) for path in sorted(buildings[name].glob(f"point_*{RGB}"))
        ]
        if not self._images:
            raise TrainingError(
                f"{config.root}: expected pictures *{RGB} of the buildings {', '.join(sorted(wanted)[:5])}, ... that "
                f"{config.splits} has for {split}. {_found(config.root, buildings)}"
            )

    def __len__(self) -> int:
        return len(self._images)

    def frame(self, index: int) -> Sample:
        path = self._images[index]
        image = read_image(path)
        camera = self._camera(path, image)
        maps: Maps = {}
        for name, readers in self._readers_of.items():
            for domain, read in readers.items():
                if name not in maps and (stored := self._path(path, domain)).is_file():
                    maps[name] = read(stored, camera)
        if DEPTH.name in maps and NORMALS.name in maps:  # a pixel without a surface has no normal either
            maps[NORMALS.name][np.isnan(maps[DEPTH.name])] = np.nan
        return Sample(image, maps, camera)

    def _path(self, image: Path, domain: str, folder: str = "", suffix: str = "png") -> Path:
        """The file of another domain beside an image's."""
        parts = image.relative_to(self._config.root).parts
        swapped = [folder or domain if part == "rgb" else part for part in parts[:-1]]
        name = parts[-1].removesuffix(RGB) + f"_domain_{domain}.{suffix}"
        return self._config.root.joinpath(*swapped, name)

    def _camera(self, path: Path, image: Image) -> Pinhole:
        height, width = image.shape[:2]
        for folder, domain in CAMERA_FILES:
            info = self._path(path, domain, folder, "json")
            if info.is_file():
                try:
                    return Pinhole.of_view(width, height, degrees(json.loads(info.read_text())["field_of_view_rads"]))
                except OTHER_FIELDS as error:
                    raise TrainingError(f"{info}: expected field_of_view_rads ({error}).") from error
        if self._config.field_of_view_deg is None:
            info = self._path(path, "point_info", suffix="json")
            raise TrainingError(f"{info}: no such file. Download point_info, or give `field_of_view_deg`.")
        return Pinhole.of_view(width, height, self._config.field_of_view_deg)

    def _segmentation(self, path: Path, camera: Pinhole) -> NDArray[Any]:
        """Stored: 0 uncertain, 1 background, then the objects."""
        stored = read_map(path, np.uint8)
        return np.where(stored > 0, stored - np.uint8(1), np.uint8(UNLABELLED))

    def _depth(self, path: Path, camera: Pinhole) -> NDArray[Any]:
        stored = read_map(path, np.uint16)
        metres = stored / np.float32(self._config.depth_steps_per_m)
        known = (stored > 0) & (stored != NO_DEPTH)
        return np.where(known, metres, np.float32(np.nan))

    def _depth_along_axis(self, path: Path, camera: Pinhole) -> NDArray[Any]:
        distance = self._depth(path, camera)
        height, width = distance.shape
        return np.asarray(distance / np.linalg.norm(camera.rays(width, height), axis=-1))

    def _normals(self, path: Path, camera: Pinhole) -> NDArray[Any]:
        """n = p / 127.5 − 1 with x right and y down. What is seen faces the camera: that tells z's sign, in which
        releases differ."""
        normals = read_map(path, np.uint8, channels=3) / np.float32(127.5) - 1
        if np.median(normals[..., 2]) > 0:
            normals[..., 2] *= -1
        return np.asarray(normals / np.linalg.norm(normals, axis=-1, keepdims=True))

    def _edges(self, path: Path, camera: Pinhole) -> NDArray[Any]:
        return np.minimum(read_map(path, np.uint16) / np.float32(STRONG_EDGE), np.float32(1))


def _buildings(root: Path) -> Iterator[tuple[str, Path]]:
    """The buildings below `root` with the folders of their colour images."""
    for pattern in ("*/rgb", "rgb/*", "rgb/*/*"):
        for folder in root.glob(pattern):
            if folder.is_dir() and next(folder.glob(f"point_*{RGB}"), None) is not None:
                yield (folder.parent if folder.name == "rgb" else folder).name, folder


def _buildings_of_split(table: Path, column: str) -> set[str]:
    """The buildings marked 1 in a column of a table such as train_val_test_tiny.csv: id, train, val, test."""
    if not table.is_file():
        raise TrainingError(f"{table}: no such table of buildings. {contents(table.parent)}")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"id", column} <= rows[0].keys():
        found = ", ".join(map(str, rows[0])) if rows else "nothing"
        raise TrainingError(f"{table}: expected a table with columns id and {column}; found {found}.")
    return {row["id"].strip() for row in rows if row[column].strip() == "1"}


def _found(root: Path, buildings: dict[str, Path]) -> str:
    return f"Found there are the buildings {', '.join(sorted(buildings)[:8])}." if buildings else contents(root)
