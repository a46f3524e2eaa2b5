"""Looking at maps while they are made: in a window where OpenCV can open one, else in the browser."""

from __future__ import annotations

from avtar_ros.predict.page import Page
from avtar_ros.predict.viewer import Viewer
from avtar_ros.predict.window import Window, can_open_windows


def open_viewer(moving: bool) -> Viewer:
    """A window where there is a screen and OpenCV was built with windows, else a page on the loopback interface.

    `moving`: whether each image replaces the last one, as of a video; still pictures are kept, a few of them.
    """
    if can_open_windows():
        return Window()
    return Page(moving)
