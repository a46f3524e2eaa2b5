"""Making a bag of what is not one: pictures, videos, webcams and streams, to be played through the node as a bag is."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros.bags.ground_truth import CAMERA_INFO_TOPIC, CAMERA_TOPIC, FRAME_ID
from avtar_ros.bags.writing import BagWriter
from avtar_ros.disk.files import expanded
from avtar_ros.errors import AvtarError
from avtar_ros.geometry.pinhole import Pinhole
from avtar_ros.predict.inputs import Input, Shot, open_input
from avtar_ros.predict.lens import LensOptions
from avtar_ros.source.frame_sources import FOLDER_RATE, PICTURES, STREAM, VIDEOS
from avtar_ros.terminal.progress import Progress

LIVE_S = 10.0
"""How long a camera is recorded where nothing is said."""
STILL_IMAGES = 20
"""How often a single picture is shown."""
JPEG_QUALITY = 95


def is_bag(source: str) -> bool:
    """Whether a source is a bag already, or at least nothing else that could be recorded."""
    path = expanded(source)
    if source == "-" or source.isdigit() or source.startswith("/dev/video") or STREAM.match(source):
        return False
    if path.is_dir():
        bag = (path / "metadata.yaml").is_file() or any(path.glob("*.mcap")) or any(path.glob("*.db3"))
        return bag or not any(file.suffix.lower() in PICTURES for file in path.iterdir())
    return path.suffix.lower() not in (*PICTURES, *VIDEOS)


def record(source: str, path: Path, lens: LensOptions, seconds: float | None) -> str:
    """Write the images of a source to the bag at `path`; returns what was recorded, in words.

    A camera is recorded for `seconds` (None: LIVE_S) or until Ctrl-C, of a video its first `seconds` (None: all).
    Raises AvtarError if there are no images.
    """
    start_ns, images = time.time_ns(), 0
    with open_input(source) as opened, BagWriter(path) as bag:
        try:
            with closing(_timed(opened, seconds)) as shots:
                for at_s, shot in Progress(shots, f"recording {opened.name}", unit="image", disable=None):
                    _write(bag, start_ns + round(at_s * 1e9), shot, lens)
                    images += 1
        except KeyboardInterrupt:
            if not opened.live or not images:
                raise
        faults = opened.faults
        name = opened.name
    if not images:
        raise AvtarError(f"{source}: there are no images. {' '.join(faults)}".strip())
    return " ".join([f"{name}: {images} images, recorded to {path} first.", *faults])


def _timed(opened: Input, seconds: float | None) -> Generator[tuple[float, Shot], None, None]:
    """Each image with its time from the start in seconds."""
    begin = time.monotonic()
    limit_s = LIVE_S if seconds is None and opened.live else seconds
    for index, shot in enumerate(opened.shots(1)):
        at_s = shot.seconds if opened.moving else index / FOLDER_RATE
        if limit_s is not None and (time.monotonic() - begin if opened.live else at_s) > limit_s:
            return
        if opened.count == 1 and not opened.moving:
            yield from ((i / FOLDER_RATE, shot) for i in range(STILL_IMAGES))
        else:
            yield at_s, shot


def _write(bag: BagWriter, stamp_ns: int, shot: Shot, options: LensOptions) -> None:
    height, width = shot.image.shape[:2]
    lens = options.known_lens(width, height) or shot.lens  # where neither is known, CameraInfo claims nothing
    if lens is not None:
        camera = Pinhole.centred(width, height, lens.focal_px)
        k = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
        bag.write_camera_info(CAMERA_INFO_TOPIC, stamp_ns, FRAME_ID, width, height, k)
    bag.write_compressed(CAMERA_TOPIC, stamp_ns, FRAME_ID, "jpeg", _jpeg(shot.image))


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
