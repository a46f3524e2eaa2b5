"""Where errors of callbacks end: logged and counted, while the node goes on and services answer all the same."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import SetParametersResult

from avtar_ros.terminal.names import printable

if TYPE_CHECKING:
    from rclpy.node import Node

THROTTLE_S = 5.0
MOST_IN_A_ROW = 1000
"""So many errors without a callback that goes well between them, and it is no callback's fault: the process ends."""


class Edge:
    """Contains what goes wrong in callbacks. `count` has how often, `last_ns` when last, on the monotonic clock."""

    def __init__(self, logger: Any) -> None:
        self.count = 0
        self.last_ns = 0
        self._logger = logger
        self._in_a_row = 0

    def caught(self, what: str) -> None:
        """Log and count the exception that is being handled."""
        self.count += 1
        self.last_ns = time.monotonic_ns()
        self._logger.error(f"{what} went wrong:\n{traceback.format_exc()}", throttle_duration_sec=THROTTLE_S)

    @contextmanager
    def contained(self, what: str) -> Iterator[None]:
        """A context whose errors end here, unless there is nothing else any more."""
        try:
            yield
        except Exception:  # logged and counted; the next callback is not to suffer for it
            self.caught(what)
            self._in_a_row += 1
            if self._in_a_row > MOST_IN_A_ROW:
                raise
        else:
            self._in_a_row = 0

    def guard_services(self, node: Node) -> None:
        """Let each service that the node has by now answer, whatever is asked: where it fails, that it did not work."""
        for service in node.services:
            service.callback = self._answering(service.callback, service.srv_name)

    def _answering(self, callback: Callable[[Any, Any], Any], name: str) -> Callable[[Any, Any], Any]:
        def answer(request: Any, response: Any) -> Any:
            try:
                return callback(request, response)
            except Exception as error:  # noqa: BLE001, logged, counted, and told to who asked
                self.caught(f"the service {name}")
                return _refusal(response, error)

        async def answer_later(request: Any, response: Any) -> Any:
            try:
                return await callback(request, response)
            except Exception as error:  # noqa: BLE001
                self.caught(f"the service {name}")
                return _refusal(response, error)

        return answer_later if inspect.iscoroutinefunction(callback) else answer


def refused(error: object) -> SetParametersResult:
    """That a parameter was not set, and why."""
    return SetParametersResult(successful=False, reason=printable(str(error)) or type(error).__name__)


def _refusal(response: Any, error: Exception) -> Any:
    """An empty answer; where it can say so, that it did not work."""
    answer = type(response)()
    if hasattr(answer, "result") and isinstance(answer.result, SetParametersResult):
        answer.result = refused(error)
    elif hasattr(answer, "message"):
        answer.message = printable(str(error))
    return answer
