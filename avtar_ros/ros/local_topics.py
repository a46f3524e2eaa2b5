"""Topics within one process: messages go from node to node as they are, past the middleware. No ROS.

rclpy copies every message into the middleware and out of it again, also between two nodes of one process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class LocalSubscription:
    """Who receives a topic's messages: called in the publisher's thread, with messages that must not be changed."""

    topic: str
    callback: Callable[[Any], None]


class LocalTopics:
    """Which topics are published in this process, and who of it receives them; for use from several threads.

    Topics are named by their resolved names. A node that was given none of its own finds nothing in it.
    """

    def __init__(self) -> None:
        self._subscriptions: dict[str, list[LocalSubscription]] = {}
        self._lock = threading.Lock()

    def offer(self, topic: str) -> None:
        """Say that what is published on this topic will be given here as well."""
        with self._lock:
            self._subscriptions.setdefault(topic, [])

    def offers(self, topic: str) -> bool:
        return topic in self._subscriptions

    def subscribe(self, topic: str, callback: Callable[[Any], None]) -> LocalSubscription:
        """Receive what is given on a topic that is offered."""
        subscription = LocalSubscription(topic, callback)
        with self._lock:
            self._subscriptions[topic].append(subscription)
        return subscription

    def unsubscribe(self, subscription: LocalSubscription) -> None:
        """No call begins any more; one may still go on in another thread."""
        with self._lock:
            self._subscriptions[subscription.topic].remove(subscription)

    def subscribers(self, topic: str) -> int:
        return len(self._subscriptions.get(topic, ()))

    def give(self, topic: str, message: Any) -> None:
        """Call all who subscribe to the topic."""
        with self._lock:
            subscriptions = list(self._subscriptions.get(topic, ()))
        for subscription in subscriptions:
            subscription.callback(message)
