"""What avtar-predict leaves behind: maps, pictures, a video, points."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.ground_truth import encode_map
from avtar_ros.disk.files import make_folder, write_bytes
from avtar_ros.disk.outputs import OutputFolder
from avtar_ros.errors import AvtarError
from avtar_ros.predict.predicted_maps import PredictedMaps
from avtar_ros.terminal.names import kept_name

FORMATS = ("png", "npy")
VIDEO_RATE = 10.0
"""Frames per second of videos of what has no rate of its own."""
LONGEST_STILL_S = 2.0
"""How long at most one frame stands for a gap."""


class Folder(OutputFolder):
    """The folder for results, in which no two images get the same name, of one command or of several."""

    def __init__(self, path: Path, inputs: Sequence[Path]) -> None:
        super().__init__(path, inputs)
        self._read = {file.resolve() for file in inputs}
        self._taken: set[str] = set()

    def free_name(self, wanted: str, source: str) -> str:
        """`wanted`, as far as it is a name, or with a number where it was given out before or is of another source."""
        wanted = kept_name(wanted)
        name, number = wanted, 2
        while name in self._taken or self._is_input(name) or self.source_of(name) not in (None, source):
            name, number = f"{wanted}-{number}", number + 1
        self._taken.add(name)
        self.note_source(name, source)
        return name

    def _is_input(self, name: str) -> bool:
        """Whether a file of this name would take the place of one that is read."""
        return any((self.path / f"{name}{suffix}").resolve() in self._read for suffix in (".png", ".mp4"))

    def write_maps(self, name: str, maps: PredictedMaps, formats: Sequence[str]) -> None:
        """A file a map: .png as integers (class ids; millimetres; n = p / 127.5 - 1; 255 e), .npy as they are."""
        self.claim(Path(name).parts[0])
        make_folder(self.path / name)
        for task, task_map in maps.items():
            for file_format in formats:
                content = encode_map(task, task_map) if file_format == "png" else _npy(task_map)
                write_bytes(self.path / name / f"{task}.{file_format}", content)

    def write_sheet(self, name: str, maps: PredictedMaps) -> Path:
        """The picture of all maps side by side."""
        path = self.path / f"{name}.png"
        self.claim(path.name)
        write_bytes(path, png(maps.picture()))
        return path


class Video(AbstractContextManager["Video"]):
    """A video of pictures, each shown from its own time until the next one's; it takes its name at the end."""

    def __init__(self, folder: Folder, name: str, rate_hz: float | None) -> None:
        self.path = folder.path / f"{name}.mp4"
        self._partial = folder.path / f"{name}.partial.mp4"
        folder.claim(self.path.name, self._partial.name)
        self._rate_hz = min(rate_hz or VIDEO_RATE, 60.0)
        self._writer: cv2.VideoWriter | None = None
        self._last: NDArray[np.uint8] | None = None
        self._size = (0, 0)
        self._written = 0
        self._first_s = 0.0

    def write(self, picture: NDArray[np.uint8], seconds: float) -> None:
        """Append a picture, RGB (H, W, 3), that belongs to this time. Raises AvtarError if there is no encoder."""
        if self._writer is None:
            height, width = picture.shape[:2]
            self._size, self._first_s = (width - width % 2, height - height % 2), seconds
            self._writer = cv2.VideoWriter(
                str(self._partial), cv2.VideoWriter.fourcc(*"mp4v"), self._rate_hz, self._size
            )
            if not self._writer.isOpened():
                raise AvtarError(f"{self.path}: OpenCV here writes no videos. Run: pip install opencv-python-headless")
        index = round((seconds - self._first_s) * self._rate_hz)
        if index < self._written:
            return  # there are more pictures than the video has places
        self._repeat_until(index)
        self._last = _fitted(picture, self._size)
        self._append()

    def _repeat_until(self, index: int) -> None:
        still = min(index - self._written, round(LONGEST_STILL_S * self._rate_hz))
        for _ in range(still if self._last is not None else 0):
            self._append()
        self._written = max(self._written, index)

    def _append(self) -> None:
        assert self._writer is not None
        assert self._last is not None
        self._writer.write(cv2.cvtColor(self._last, cv2.COLOR_RGB2BGR))
        self._written += 1

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()
            self._partial.replace(self.path)


def png(picture: NDArray[np.uint8]) -> bytes:
    """An RGB picture as the bytes of a PNG file."""
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def _npy(task_map: NDArray[np.generic]) -> bytes:
    content = io.BytesIO()
    np.save(content, task_map)
    return content.getvalue()


def _fitted(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture cut or resized to the size of the video's first."""
    width, height = size
    if 0 <= picture.shape[1] - width <= 1 and 0 <= picture.shape[0] - height <= 1:
        return picture[:height, :width]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
