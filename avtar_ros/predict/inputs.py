"""What avtar-predict can be pointed at: images out of pictures, videos, bags, webcams and streams, one after another.

    with open_input("office.jpg") as source:
        for shot in source.shots(every=1):
            ...
"""

from __future__ import annotations

import re
import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avtar_ros.disk.files import expanded
from avtar_ros.errors import AvtarError
from avtar_ros.imaging.images import ImageError, to_rgb
from avtar_ros.imaging.pictures import in_order
from avtar_ros.predict.lens import Lens, exif_lens
from avtar_ros.predict.newest import Newest
from avtar_ros.predict.picture_files import picture_of, read_picture
from avtar_ros.source.frame_sources import PICTURES, FrameSource, SourceError, SourceFrame, open_source

STDIN = "-"


@dataclass(frozen=True)
class Shot:
    """An image to work on: RGB uint8 (H, W, 3), what it is called, its time in seconds, the lens recorded with it, and
    the file that it is, where it is one."""

    image: NDArray[np.uint8]
    name: str
    seconds: float = 0.0
    lens: Lens | None = None
    origin: str = ""


class Input(AbstractContextManager["Input"]):
    """Something that gives images. `faults` has what could not be read so far, a sentence each."""

    name: str
    """For the names of files made of it."""
    origin: str
    """Where it is from: what tells it from another of the same name."""
    moving: bool = False
    """Whether the images belong together, as those of a video do."""
    live: bool = False
    """Whether it goes on until it is stopped."""
    count: int | None = None
    rate_hz: float | None = None

    def __init__(self) -> None:
        self.paths: list[Path] = []
        """The files and folders that are read."""
        self.faults: list[str] = []
        self.missed = 0
        """Images that came while an earlier one was worked on, and were left out."""

    @abstractmethod
    def shots(self, every: int) -> Iterator[Shot]:
        """Every `every`-th image. Raises AvtarError."""

    def close(self) -> None:
        """Let go of files and devices."""

    def __exit__(self, *_: object) -> None:
        self.close()


def open_input(source: str, topic: str | None = None) -> Input:
    """Open a picture, a folder of pictures, a video, a bag (its `topic`), a webcam, a stream, or a picture on standard
    input ("-"). Raises AvtarError if there is nothing to open."""
    path = expanded(source)
    if source == STDIN:
        return StandardInput()
    if path.is_file() and path.suffix.lower() in PICTURES:
        return PictureFiles(path.stem, [path])
    if path.is_dir() and (pictures := in_order(p for p in path.iterdir() if p.suffix.lower() in PICTURES)):
        return PictureFiles(path.resolve().name, pictures, path)
    return Stream(source, open_source(source, (topic or "",)))


class StandardInput(Input):
    """One picture's bytes on standard input."""

    name = origin = "stdin"
    count = 1

    def shots(self, every: int) -> Iterator[Shot]:
        if sys.stdin.isatty():
            raise AvtarError("standard input is the terminal. Pipe a picture into it: avtar-predict - < office.jpg")
        yield Shot(picture_of(sys.stdin.buffer.read(), "standard input"), self.name, origin=self.origin)


class PictureFiles(Input):
    """Pictures, each for itself; one that cannot be read is noted and left out."""

    def __init__(self, name: str, pictures: list[Path], folder: Path | None = None) -> None:
        super().__init__()
        self.name, self.origin = name, str(folder or pictures[0])
        self.count = len(pictures)
        self.paths = [*pictures, *([folder] if folder else [])]
        self._pictures = pictures

    def shots(self, every: int) -> Iterator[Shot]:
        for path in self._pictures[::every]:
            try:
                image = read_picture(path)
            except AvtarError as error:
                self.faults.append(str(error))
                continue
            lens = exif_lens(path, image.shape[1], image.shape[0])
            yield Shot(image, path.stem, lens=lens, origin=str(path.resolve()))


class Stream(Input):
    """Images that follow one another; of a live source always the newest."""

    moving = True

    def __init__(self, name: str, source: FrameSource) -> None:
        super().__init__()
        self._source = source
        path = expanded(name)
        self.paths = [path] if path.exists() else []
        if path.exists():
            self.name = path.resolve().stem
            self.origin = source.description.replace(str(path), str(path.resolve()))
        else:
            self.name, self.origin = re.sub(r"\W+", "-", source.description).strip("-"), source.description
        self.live, self.count, self.rate_hz = source.live, source.count, source.rate_hz

    def shots(self, every: int) -> Iterator[Shot]:
        first_ns: int | None = None
        for index, frame in enumerate(self._frames(every)):
            try:
                image = to_rgb(frame.image)
            except ImageError as error:
                self.faults.append(f"{self._source.description}: image {index}: {error}")
                continue
            first_ns = frame.stamp_ns if first_ns is None else first_ns
            seconds = (frame.stamp_ns - first_ns) / 1e9
            yield Shot(image, f"{index * every:06}", seconds, self._lens(frame, image.shape[1], image.shape[0]))
        if self._source.damage:
            self.faults.append(self._source.damage)
        if first_ns is None and not self.faults:
            raise SourceError(f"{self._source.description}: there are no images.")

    def _frames(self, every: int) -> Iterator[SourceFrame]:
        if not self.live:
            yield from (frame for index, frame in enumerate(self._source.frames()) if index % every == 0)
            return
        with Newest(self._source.frames(), every) as newest:
            for frame in newest:
                self.missed = newest.missed
                yield frame

    def _lens(self, frame: SourceFrame, width: int, height: int) -> Lens | None:
        focal_px = self._source.lens(frame, width, height).focal_px
        return None if focal_px is None else Lens(focal_px, "CameraInfo")

    def close(self) -> None:
        self._source.close()
