"""A run for the Rerun viewer: images, maps and the figures of each frame over time, in one .rrd file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rerun

from avtar_ros.disk.files import partial_path
from avtar_ros.model_card import ModelCard
from avtar_ros.replay.running.perceived import PerceivedFrame, camera_namespace
from avtar_ros.tasks import DEPTH, SEGMENTATION, TASKS, TaskMap

JPEG_QUALITY = 85
TIMELINE = "stamp"
APPLICATION = "avtar_replay"

# Maps that the viewer understands; of others it is given the colours.
_UNDERSTOOD: dict[str, Callable[[TaskMap], Any]] = {
    SEGMENTATION.name: rerun.SegmentationImage,
    DEPTH.name: lambda depth: rerun.DepthImage(depth, meter=1.0),
}


class RerunLog(AbstractContextManager["RerunLog"]):
    """Writes a run of the model that `card` describes; the file takes its name at the end, if there was no error."""

    def __init__(self, path: Path, card: ModelCard) -> None:
        self._card = card
        self._naming = partial_path(path)
        self._stream = rerun.RecordingStream(APPLICATION)
        self._stream.save(self._naming.__enter__())
        classes = [(number, c.name, c.color) for number, c in enumerate(card.classes)]
        self._stream.log("/", rerun.AnnotationContext(classes), static=True)

    def write(self, perceived: PerceivedFrame, figures: Mapping[str, float]) -> None:
        """Log a frame's image, maps and figures at its stamp."""
        frame, topic = perceived.recorded.frame, perceived.recorded.topic
        camera = camera_namespace(topic) or "/camera"
        height, width = frame.image.shape[:2]
        self._stream.set_time(TIMELINE, timestamp=np.datetime64(frame.stamp_ns, "ns"))
        if frame.focal_px is not None:
            self._stream.log(camera, rerun.Pinhole(focal_length=frame.focal_px, width=width, height=height))
        self._stream.log(f"{camera}/image", _picture(frame.image))
        for task, task_map in perceived.maps.items():
            understood = _UNDERSTOOD.get(task)
            shown = understood(task_map) if understood else _picture(TASKS[task].colorize(task_map, self._card))
            self._stream.log(f"{camera}/{task}", shown)
        for key, value in figures.items():
            self._stream.log(f"figures/{key.replace('.', '/')}", rerun.Scalars(value))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()
        self._stream.disconnect()
        self._naming.__exit__(kind, error, trace)


def _picture(image: Any) -> Any:
    return rerun.Image(image).compress(jpeg_quality=JPEG_QUALITY)
