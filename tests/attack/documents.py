"""Documents of other programs and of people: each reader gets odd and damaged ones in the place of a good one."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import yaml

from avtar_ros.bags.class_names import _names
from avtar_ros.disk.outputs import is_figures
from avtar_ros.doctor.machine import transport
from avtar_ros.replay.commands.compare import SavedRun
from avtar_ros.replay.fleet.jobs import Outcome
from avtar_ros.replay.judging.frame_table import FrameTable
from avtar_ros.replay.judging.saved_sums import load_sums
from avtar_ros.replay.running.parts import _recorded_part
from avtar_ros.resources import find_resource
from avtar_ros.ros.launching import node_parameters
from engine_build.devices import SHIPPED, read_devices
from tests.attack.mutations import damaged, odd_text
from training.data.class_files import read_stored_classes
from training.data.coco_files import read_coco
from training.data.intrinsics import read_intrinsics
from training.data.manifest import read_manifest
from training.data.tools.cvat import read_cvat
from training.data.tools.labelme import read_labelme
from training.data.tools.supervisely import read_supervisely
from training.errors import TrainingError
from training.run_log import _read as read_log

SQUARE = [[1.0, 1.0], [8.0, 1.0], [8.0, 8.0], [1.0, 8.0]]
COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.png", "width": 12, "height": 10}],
    "categories": [{"id": 3, "name": "cup"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "segmentation": [[1, 1, 8, 1, 8, 8]], "iscrowd": 0}],
}
CLASSES = [{"name": "cup", "id": 1, "colour": [1, 2, 3]}, "floor"]
MANIFEST = [{"name": "a", "group": "rooms", "K": [10.0, 10.0, 6.0, 5.0], "pairs": [["a.png", "a.png"]]}]
LABELME = {"imagePath": "a.png", "shapes": [{"label": "cup", "shape_type": "polygon", "points": SQUARE}]}
POLYGON = {"exterior": SQUARE, "interior": []}
SUPERVISELY = {"objects": [{"classTitle": "cup", "geometryType": "polygon", "points": POLYGON}]}
PARAMETERS = {"/**": {"multitask_node": {"ros__parameters": {"model": "m.onnx", "tasks": ["depth"]}}}}
OUTCOME = Outcome("b", "m", "o", {"robot": "1"}, "x", {"depth.rmse_m": 0.1}, 1.0, 2.0, "w")


@dataclass(frozen=True)
class Reader:
    """What reads a document from a file of this name; `form` writes the good one, of which odd ones are made."""

    name: str
    good: Any
    read: Callable[[Path], object]
    form: Callable[[Any], str] = json.dumps


def _class_names(path: Path) -> object:
    return _names(SimpleNamespace(data=path.read_text(errors="surrogateescape")))


def _outcome(path: Path) -> object:
    from avtar_ros.json_records import parse_record, read_json

    return parse_record(Outcome, read_json(path.read_bytes(), "the outcome"), "the outcome")


def _table(path: Path) -> object:
    return FrameTable.read(path)


def _drawn(read: Callable[[Path], Any]) -> Callable[[Path], object]:
    """Shapes are drawn as well, which is when their points are looked at."""

    def all_of_it(path: Path) -> object:
        try:
            return [shape.covers(10, 12) for drawing in read(path.parent).drawings for shape in drawing.shapes]
        except ValueError as error:  # as whoever draws it does
            raise TrainingError(str(error)) from error

    return all_of_it


READERS = [
    Reader("names.json", {"classes": [{"id": 1, "name": "cup"}]}, _class_names),
    Reader("figures.json", {"depth.rmse_m": 0.1, "groups": {"a": {"x": 1}}}, is_figures),
    Reader("run/metrics.json", {"depth.rmse_m": 0.1}, lambda path: SavedRun.load(path.parent)),
    Reader("outcome.json", asdict(OUTCOME), _outcome),
    Reader("part.json", {"end": 10, "latencies_ns": [1, 2]}, _recorded_part),
    Reader("log.jsonl", {"step": 1, "metrics": {"depth.rmse_m": 0.1}}, read_log),
    Reader("devices.yaml", yaml.safe_load(SHIPPED.read_text()), read_devices, yaml.safe_dump),
    Reader("params.yaml", PARAMETERS, lambda p: node_parameters("params", str(p), "multitask_node"), yaml.safe_dump),
    Reader("classes.yaml", CLASSES, read_stored_classes, yaml.safe_dump),
    Reader("intrinsics.json", {"a": {"fx": 1.0, "fy": 1.0, "cx": 1.0, "cy": 1.0}, "b": [1, 1, 1, 1]}, read_intrinsics),
    Reader("manifest.json", MANIFEST, lambda path: read_manifest(path, 12, 10)),
    Reader("coco.json", COCO, read_coco),
    Reader("labelme/a.json", LABELME, _drawn(read_labelme)),
    Reader("supervisely/ann/a.png.json", SUPERVISELY, _drawn(lambda folder: read_supervisely(folder.parent))),
]


def documents(rng: random.Random, folder: Path) -> Iterator[Callable[[], object]]:
    """Odd documents of every kind, as their own reader gets them; in between others in files of any bytes."""
    for place in (".", "cvat/JPEGImages", "cvat/SegmentationClass", "labelme", "supervisely/img"):
        (folder / place).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / place / "a.png"), np.full((10, 12, 3), 100, np.uint8))
    (folder / "supervisely/meta.json").write_text(json.dumps({"classes": [{"title": "cup"}]}))
    while True:
        reader = rng.choice(READERS)
        path = folder / reader.name
        path.parent.mkdir(parents=True, exist_ok=True)
        yield _reading(reader.read, path, _odd(rng, reader))
        yield _odd_file(rng, folder)


def _odd(rng: random.Random, reader: Reader) -> bytes:
    if rng.random() < 0.3:
        return damaged(rng, reader.form(reader.good).encode())
    if reader.form is yaml.safe_dump and rng.random() < 0.3:
        texts = ["[" * 5000, "&a [*a]", "a: &a {b: *a}", "&a {ros__parameters: *a}", "2001-99-99", "\x00", "!!int ''"]
        return rng.choice(texts).encode()
    text = odd_text(rng, reader.good)
    return text.encode("utf-8", "surrogateescape" if rng.random() < 0.5 else "replace")


def _reading(read: Callable[[Path], object], path: Path, content: bytes) -> Callable[[], object]:
    def attempt() -> object:
        path.write_bytes(content)
        return read(path)

    return attempt


def _odd_file(rng: random.Random, folder: Path) -> Callable[[], object]:
    """Of a kind that is no JSON or YAML."""
    kind = rng.randrange(4)
    if kind == 0:
        return _reading(_table, folder / "frames.csv", damaged(rng, b"stamp_ns,camera,latency_ns,x\n1,a,2,0.5\n" * 3))
    if kind == 1:
        file = io.BytesIO()
        np.savez_compressed(file, about=np.array("{}"), x=np.ones(9))
        return _reading(load_sums, folder / "sums.npz", damaged(rng, file.getvalue()))
    if kind == 2:
        profile = Path(find_resource("config/fastdds_shm.xml")).read_bytes()
        variable = "FASTDDS_DEFAULT_PROFILES_FILE"
        path = folder / "profile.xml"
        size = b"<a><segment_size>%s</segment_size></a>" % rng.choice([b"9" * 5000, "٣".encode(), b"-1", b""])
        head = b"<?xml version='1.0' encoding='%s'?>" % rng.choice([b"none", b"utf-16", b"utf-7"])
        content = rng.choice([damaged(rng, profile), size, head + profile])
        return _reading(lambda path: transport({variable: str(path)}, "rmw_fastrtps_cpp"), path, content)
    content = damaged(rng, b"# label:color_rgb:parts:actions\nbackground:0,0,0::\ncup:100,100,100::\n")
    return _reading(_drawn(read_cvat), folder / "cvat/labelmap.txt", content)
