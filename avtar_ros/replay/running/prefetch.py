"""Work done ahead in a thread: how the stages of a replay overlap."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.1


@dataclass(frozen=True)
class _End:
    error: BaseException | None


def prefetch(items: Generator[T, None, None], depth: int = 4) -> Iterator[T]:
    """The items of a generator, which runs up to `depth` items ahead in a thread of its own.

    Its errors are raised here. When this iterator is closed, the generator is closed too, and its thread ends.
    """
    ahead: queue.Queue[T | _End] = queue.Queue(depth)
    stopping = threading.Event()

    def put(item: T | _End) -> None:
        while not stopping.is_set():
            with suppress(queue.Full):
                ahead.put(item, timeout=POLL_S)
                return

    def fill() -> None:
        end = _End(None)
        try:
            with closing(items):
                for item in items:
                    put(item)
                    if stopping.is_set():
                        return
        except BaseException as error:  # noqa: BLE001, the thread's edge: it is raised in the other thread
            end = _End(error)
        put(end)

    thread = threading.Thread(target=fill, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ahead.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopping.set()
        thread.join()
