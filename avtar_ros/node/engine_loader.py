"""Opening engines without keeping the executor waiting."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from rclpy.task import Future

from avtar_ros.engines.engine import Engine, EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.errors import AvtarError

if TYPE_CHECKING:
    from rclpy.executors import Executor

    from avtar_ros.node.parameters import NodeParameters


class EngineLoader:
    """Opens the engine that parameters name; also ahead of time, in a thread of its own."""

    def __init__(self) -> None:
        self._loaded: tuple[str, EngineOptions] | None = None
        self._outcome: Engine | AvtarError | None = None
        self._thread: threading.Thread | None = None

    async def load_ahead(self, settings: NodeParameters, executor: Executor) -> None:
        """Open the engine that `open` will be asked for; awaited in a callback, others are called meanwhile."""
        self.forget()
        self._loaded = (settings.model, settings.engine_options)
        loaded: Future[Any] = Future()

        def load() -> None:
            try:
                self._outcome = open_engine(settings.model_path, settings.engine_options)
            except AvtarError as error:
                self._outcome = error
            except Exception as error:  # noqa: BLE001, the thread's edge: told to who asked for the engine
                self._outcome = AvtarError(f"{settings.model_path}: cannot be loaded: {error!r}")
            executor.create_task(loaded.set_result, None)

        self._thread = threading.Thread(target=load, name="engine loader")
        self._thread.start()
        await loaded

    def open(self, settings: NodeParameters) -> Engine:
        """The engine, warm; raises AvtarError if there is none to be had, with the reason."""
        if self._loaded != (settings.model, settings.engine_options):
            self.forget()
        outcome, self._outcome = self._outcome, None
        if outcome is None:
            return open_engine(settings.model_path, settings.engine_options)
        if isinstance(outcome, AvtarError):
            raise outcome
        return outcome

    def forget(self) -> None:
        """Close what was loaded ahead and not asked for."""
        if self._thread is not None:
            self._thread.join()
        if isinstance(self._outcome, Engine):
            self._outcome.close()
        self._loaded = self._outcome = self._thread = None
