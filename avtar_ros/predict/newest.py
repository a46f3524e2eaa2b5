"""The newest of what comes at its own time, whatever came before having been let go."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(AbstractContextManager["Newest[T]"], Generic[T]):
    """Iterates over every `every`-th of `items`, which a thread takes as they come: each time over the newest.

    `missed` counts those that were replaced by a newer one before anybody asked. Errors of `items` are raised here,
    once the last item before them was given.
    """

    def __init__(self, items: Iterator[T], every: int = 1) -> None:
        self.missed = 0
        self._items = items
        self._every = every
        self._changed = threading.Condition()
        self._waiting: list[T] = []
        self._ended = False
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._take, name="newest", daemon=True)
        self._thread.start()

    def _take(self) -> None:
        error: BaseException | None = None
        try:
            for index, item in enumerate(self._items):
                if self._stopping:
                    break
                if index % self._every == 0:
                    with self._changed:
                        self.missed += len(self._waiting)
                        self._waiting = [item]
                        self._changed.notify()
        except BaseException as caught:  # noqa: BLE001, the thread's edge: it is raised in the other thread
            error = caught
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._waiting.pop()
            yield item

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._thread.join(timeout=1)  # a device that hangs is not waited for
