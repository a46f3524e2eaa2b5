"""Maps as one file a frame, for tools that read no bags.

    npz  <folder>/camera/<stamp>.npz         all maps as they are, under the tasks' names, with `stamp_ns`, `focal_px`
    png  <folder>/camera/depth/<stamp>.png   a picture a map: class ids; millimetres; n = p / 127.5 − 1; 255 e
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from avtar_ros.bags.ground_truth import encode_map, encode_png
from avtar_ros.disk.files import write_bytes
from avtar_ros.disk.outputs import remove_made
from avtar_ros.replay.running.perceived import PerceivedFrame, camera_namespace
from avtar_ros.terminal.names import file_path

FORMATS = ("npz", "png")


class FrameFiles:
    """Writes the maps of frames into a folder, out of which those of earlier frames are removed. Raises OSError.

    A second frame of one stamp gets files of its own: 1700000000000000000-2.png.
    """

    def __init__(self, folder: Path, file_format: str) -> None:
        self._folder = folder
        self._written: Counter[Path] = Counter()
        self._files = _npz if file_format == "npz" else _png
        remove_made(folder, r"-?[0-9]+(-[0-9]+)?\.(npz|png)")

    def write(self, perceived: PerceivedFrame) -> None:
        for name, content in self._files(perceived):
            path = self._folder / name
            self._written[path] += 1
            if self._written[path] > 1:
                path = path.with_stem(f"{path.stem}-{self._written[path]}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)


def _npz(perceived: PerceivedFrame) -> Iterator[tuple[Path, bytes]]:
    frame = perceived.recorded.frame
    focal_px = np.nan if frame.focal_px is None else frame.focal_px
    arrays: dict[str, Any] = {**perceived.maps, "stamp_ns": frame.stamp_ns, "focal_px": focal_px}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    yield _folder(perceived) / f"{frame.stamp_ns}.npz", content.getvalue()


def _png(perceived: PerceivedFrame) -> Iterator[tuple[Path, bytes]]:
    for task, task_map in perceived.maps.items():
        stored = perceived.stored.get(task)
        png = encode_map(task, task_map) if stored is None else encode_png(stored)
        yield _folder(perceived) / task / f"{perceived.recorded.frame.stamp_ns}.png", png


def _folder(perceived: PerceivedFrame) -> Path:
    return file_path(camera_namespace(perceived.recorded.topic))
