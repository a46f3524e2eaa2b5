"""Quality of service of publishers and subscriptions, and what users may override of it.

rclpy writes overrides into the very profile object it is given, so each publisher and subscription needs one of its
own: one that is shared hands the override of one topic on to all topics made after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

if TYPE_CHECKING:
    from rclpy.node import Node

OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.DURABILITY)
"""What may be overridden of every topic, beside its reliability."""


def reliable(depth: int) -> QoSProfile:
    """A new profile: every message arrives, who subscribes with best effort is served as well."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def latched() -> QoSProfile:
    """A new profile: the last message is kept for those who come later."""
    return QoSProfile(
        depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
    )


def publisher_overrides() -> QoSOverridingOptions:
    return QoSOverridingOptions([*OVERRIDABLE, QoSPolicyKind.RELIABILITY])


def subscription_overrides(overrides_reliability: bool) -> QoSOverridingOptions:
    """For a subscription whose reliability a parameter of the node sets, unless an override was given.

    Declared as one that can be overridden, it would keep the value that the parameter had first.
    """
    return QoSOverridingOptions([*OVERRIDABLE, *[QoSPolicyKind.RELIABILITY] * overrides_reliability])


def overrides_reliability(node: Node, topic: str) -> bool:
    """Whether the user gave an override of the reliability of subscriptions to `topic`, a resolved name."""
    name = f"qos_overrides.{topic}.subscription.reliability"
    if node.has_parameter(name):
        return True
    given: object = node.declare_parameter(name, "", ParameterDescriptor(dynamic_typing=True)).value
    node.undeclare_parameter(name)
    return given != ""
