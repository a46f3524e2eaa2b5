"""Names of topics, checked where a user chose them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name

from avtar_ros.errors import AvtarError

if TYPE_CHECKING:
    from rclpy.node import Node

COMPRESSED = "/compressed"
"""What image_transport adds to the name of an image topic."""


def beside(image_topic: str, name: str) -> str:
    """The topic of that name beside an image topic, raw or compressed."""
    namespace, slash, _ = image_topic.removesuffix(COMPRESSED).rpartition("/")
    return f"{namespace}{slash}{name}"


def check_topic(node: Node, topic: str) -> None:
    """Raise AvtarError if ROS forbids the name."""
    try:
        expand_topic_name(topic, node.get_name(), node.get_namespace())
    except (NameValidationException, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise AvtarError(f"{topic!r} cannot be a topic ({reason}). Change the parameter that names it.") from error
