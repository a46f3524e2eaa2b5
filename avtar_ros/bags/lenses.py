"""The lens of a recorded camera: the CameraInfo in force at every image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from avtar_ros.geometry.camera_model import CameraModel
from avtar_ros.geometry.lens import Lens, is_calibrated, read_lens

_OF_REGION = ("x_offset", "y_offset", "width", "height")


@dataclass
class Lenses:
    """What CameraInfo says over a recording: (stamp, message) of each that says something new.

    Those that are not calibrated count only where none is. An image has the last up to its stamp, else the first.
    """

    changes: list[tuple[int, Any]] = field(default_factory=list)
    _lenses: dict[tuple[int, int, int, bool], Lens] = field(default_factory=dict)

    def add(self, stamp: int, info: Any) -> None:
        """Take in a message, if it says something new."""
        if self.changes and _content(self.changes[-1][1]) == _content(info):
            return
        if self.changes and is_calibrated(self.changes[-1][1]) != is_calibrated(info):
            if not is_calibrated(info):
                return
            self.changes.clear()  # what came before said nothing
        self.changes.append((stamp, info))

    def lens(self, stamp: int, width: int, height: int, rectified: bool) -> Lens:
        """The lens of an image of this stamp and size."""
        if not self.changes:
            return Lens(None)
        key = self._at(stamp), width, height, rectified
        if key not in self._lenses:
            self._lenses[key] = read_lens(self.changes[key[0]][1], width, height, rectified)
        return self._lenses[key]

    def _at(self, stamp: int) -> int:
        for index in range(len(self.changes) - 1, 0, -1):
            if self.changes[index][0] <= stamp:
                return index
        return 0


def _content(info: Any) -> object:
    """What tells one CameraInfo from another, but for its header."""
    region = getattr(info, "roi", None)
    try:
        lens: object = CameraModel.of_message(info)
    except (TypeError, ValueError, AttributeError):
        lens = None
    of_region = tuple(getattr(region, name, 0) for name in _OF_REGION)
    return lens, of_region, getattr(info, "binning_x", 0), getattr(info, "binning_y", 0)
