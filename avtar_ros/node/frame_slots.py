"""Where frames wait for inference: one place a camera, kept by its newest frame. No ROS."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class FrameSlots(Generic[T]):
    """Hands frames from the threads that receive them to the one that infers; at most one a camera waits.

    So latency is bounded however fast cameras are, and a slow camera delays no other.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, T] = {}
        self._closed = False
        self._changed = threading.Condition()

    def put(self, camera: str, frame: T) -> bool:
        """Let `frame` wait; true where it took the place of an older one, or came after the close: one is dropped."""
        with self._changed:
            if self._closed:
                return True
            dropped = camera in self._waiting
            self._waiting[camera] = frame
            self._changed.notify()
            return dropped

    def wait(self) -> bool:
        """Return once a frame waits; false once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return not self._closed

    def take(self, most: int | None = None) -> dict[str, T]:
        """Up to `most` of the frames that wait now, by camera.

        Cameras that have waited longest come first, also where a newer frame took the place of the first.
        """
        with self._changed:
            return {camera: self._waiting.pop(camera) for camera in list(self._waiting)[:most]}

    def close(self) -> list[str]:
        """Let `wait` return false, for good; returns the cameras whose frames waited and are dropped."""
        with self._changed:
            self._closed = True
            dropped = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return dropped
