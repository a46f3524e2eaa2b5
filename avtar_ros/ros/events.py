"""What the middleware tells of a topic: who comes and goes, and whose quality of service does not fit.

Nothing passes between a publisher and a subscriber whose QoS is incompatible, and neither shows it: the warnings here
say which two do not fit and what to change.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.qos import qos_policy_name_from_kind

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

__all__ = ["HAS_MATCHED", "PublisherEventCallbacks", "passing_group", "publisher_events", "subscription_events"]

HAS_MATCHED = "matched" in inspect.signature(PublisherEventCallbacks).parameters
"""Whether this rclpy tells when a subscriber comes or goes; Humble's does not."""
ASKS_LEAST = {"RELIABILITY": "best_effort", "DURABILITY": "volatile"}
"""By policy that can be overridden: what a subscriber asks for that every publisher fits."""
OFFERS_MOST = {"RELIABILITY": "reliable", "DURABILITY": "transient_local"}
"""What a publisher offers that fits every subscriber."""


def passing_group() -> CallbackGroup:
    """For publishers and subscriptions that come and go: rclpy's groups, the node's default one among them, remember
    for ever what was once in them, so these go with it."""
    return MutuallyExclusiveCallbackGroup()


def subscription_events(logger: Any, topic: str, parameters: dict[str, str]) -> SubscriptionEventCallbacks:
    """Warn of publishers that do not fit; `parameters`: names of those that set a policy, by policy in capitals."""

    def on_incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        mend = "Change the publisher."
        if policy in ASKS_LEAST:
            parameter = parameters.get(policy, f"qos_overrides.{topic}.subscription.{policy.lower()}")
            mend = f"Start the node with the parameter {parameter} at {ASKS_LEAST[policy]}, or change the publisher."
        logger.warning(
            f"{topic}: a publisher there offers less than this node asks for in QoS policy {policy.lower()}, so "
            f"nothing is received from it. {mend}"
        )

    return SubscriptionEventCallbacks(incompatible_qos=on_incompatible)


def publisher_events(logger: Any, topic: str, on_matched: Callable[[], None]) -> PublisherEventCallbacks:
    """Warn of subscribers that do not fit, and call `on_matched` when one comes or goes, where HAS_MATCHED."""

    def on_incompatible(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        mend = "Change the subscriber."
        if policy in OFFERS_MOST:
            override = f"qos_overrides.{topic}.publisher.{policy.lower()}"
            mend = f"Let it ask for {ASKS_LEAST[policy]}, or start the node with {override} at {OFFERS_MOST[policy]}."
        logger.warning(
            f"{topic}: a subscriber there asks for more than this node offers in QoS policy {policy.lower()}, so "
            f"nothing is sent to it. {mend}"
        )

    matched = {"matched": lambda _: on_matched()} if HAS_MATCHED else {}
    # Without the default ones: each event of each publisher is one more thing that the executor waits for.
    return PublisherEventCallbacks(incompatible_qos=on_incompatible, use_default_callbacks=False, **matched)
