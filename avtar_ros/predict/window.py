"""Maps in a window of OpenCV's, where it can open one."""

from __future__ import annotations

import os
import re
import sys

import cv2

from avtar_ros.predict.predicted_maps import PredictedMaps
from avtar_ros.predict.viewer import Viewer

TITLE = "avtar-predict"
POLL_MS = 50
CLOSING_KEYS = (27, ord("q"))


def can_open_windows() -> bool:
    """Without this question OpenCV's Qt would end the process where there is no screen."""
    built = re.search(r"^\s*GUI:\s*(\S+)", cv2.getBuildInformation(), re.MULTILINE)
    if not built or built[1] == "NONE":
        return False
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


class Window(Viewer):
    """A window of OpenCV's; Esc, q or its button closes it."""

    where = "a window: Esc or q closes it"

    def __init__(self) -> None:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
        self._open = True

    def show(self, maps: PredictedMaps) -> bool:
        if self._open:
            cv2.imshow(TITLE, cv2.cvtColor(maps.picture(), cv2.COLOR_RGB2BGR))
            self._listen(1)
        return self._open

    def wait(self) -> None:
        while self._open:
            self._listen(POLL_MS)

    def _listen(self, milliseconds: int) -> None:
        key = cv2.waitKey(milliseconds) & 0xFF
        self._open = key not in CLOSING_KEYS and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        cv2.destroyAllWindows()
