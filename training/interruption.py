"""Ctrl-C, taken as a wish that is fulfilled between two steps, where everything can be saved."""

from __future__ import annotations

import signal
import threading
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any

from avtar_ros.terminal.progress import Progress


class Interruption(AbstractContextManager["Interruption"]):
    """While it is entered, the first SIGINT sets `wanted`; the next one interrupts at once, as ever."""

    def __init__(self) -> None:
        self.wanted = False
        self._before: Any = None

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # others may set no handlers
            self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True
        signal.signal(signal.SIGINT, self._before)
        Progress.remark("interrupted: saving after this step; Ctrl-C once more ends at once, without")

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
