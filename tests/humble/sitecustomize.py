"""Gives a later rclpy those differences of Humble that matter here; read by each Python with this folder in its path.

A stand-in: it shows that the code copes with these differences, not that it runs on Humble. They were read off the
sources of rclpy 3.3: no event when a subscriber comes or goes, events in `rclpy.qos_event`, and an executor that waits
at its shutdown for callbacks that await something, and cannot be woken after it.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import rclpy.event_handler as later
import rclpy.executors
import rclpy.node  # has its events before they are taken away


class PublisherEventCallbacks(later.PublisherEventCallbacks):
    def __init__(
        self,
        *,
        deadline: Any = None,
        liveliness: Any = None,
        incompatible_qos: Any = None,
        use_default_callbacks: bool = True,
    ) -> None:
        super().__init__(
            deadline=deadline,
            liveliness=liveliness,
            incompatible_qos=incompatible_qos,
            use_default_callbacks=use_default_callbacks,
        )


class SubscriptionEventCallbacks(later.SubscriptionEventCallbacks):
    def __init__(
        self,
        *,
        deadline: Any = None,
        liveliness: Any = None,
        incompatible_qos: Any = None,
        use_default_callbacks: bool = True,
    ) -> None:
        super().__init__(
            deadline=deadline,
            liveliness=liveliness,
            incompatible_qos=incompatible_qos,
            use_default_callbacks=use_default_callbacks,
        )


events = types.ModuleType("rclpy.qos_event")
events.PublisherEventCallbacks = PublisherEventCallbacks  # type: ignore[attr-defined]
events.SubscriptionEventCallbacks = SubscriptionEventCallbacks  # type: ignore[attr-defined]
sys.modules["rclpy.qos_event"] = events
sys.modules["rclpy.event_handler"] = None  # type: ignore[assignment]  # importing it raises ImportError
del rclpy.event_handler

Executor = rclpy.executors.Executor
shut_down = Executor.shutdown


def shutdown(self: Any, timeout_sec: float | None = None) -> bool:
    with self._shutdown_lock:
        if not self._is_shutdown:
            self._is_shutdown = True
            self._guard.trigger()
    if not self._work_tracker.wait(timeout_sec):
        return False
    return bool(shut_down(self, timeout_sec))


def create_task(self: Any, callback: Any, *args: Any, **kwargs: Any) -> Any:
    task = rclpy.executors.Task(callback, args, kwargs, executor=self)
    with self._tasks_lock:
        self._tasks.append((task, None, None))
        self._guard.trigger()  # of None after the shutdown
    return task


Executor.shutdown = shutdown
Executor.create_task = create_task
