"""What the node publishes of each camera: one table, from which come the topics, their documentation and tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from avtar_ros.imaging.images import to_millimetres
from avtar_ros.model_card import ModelCard
from avtar_ros.node.frame_maps import FrameMaps
from avtar_ros.ros.events import PublisherEventCallbacks, passing_group
from avtar_ros.ros.messages import (
    LABELS,
    fill_camera_info,
    fill_compressed_image,
    fill_image,
    fill_labels,
    fill_points,
    image_pixels,
)
from avtar_ros.ros.names import COMPRESSED, check_topic
from avtar_ros.ros.qos import latched, publisher_overrides, reliable
from avtar_ros.tasks import DEPTH, SEGMENTATION, TASKS, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rclpy.lifecycle import LifecycleNode
    from rclpy.qos import QoSProfile

S = TypeVar("S")
Contained = Callable[[str], AbstractContextManager[None]]
Events = Callable[[str], PublisherEventCallbacks]

COMPRESSIBLE = ("rgb8", "mono8", "16UC1")
"""Encodings that image_transport knows a compression for."""
MAPS = 2
"""Maps kept for a slow subscriber, reliably, so that recorders and RViz get every one. More would only be older, and
fill the shared-memory segment: nobody holds the node up."""


@dataclass(frozen=True)
class Output(Generic[S]):
    """A topic below a camera's name, and how its message is made of a source: a frame's maps, or the model's card."""

    topic: str
    kind: Any
    """The type of its messages."""
    encoding: str
    """Of images; of other messages what is in them."""
    content: str
    """In words, for people."""
    fill: Callable[[Any, S], bool]
    """Sets all of a message but its header; false where there is nothing to publish."""


def frame_outputs(tasks: Sequence[str], depth_encoding: str) -> list[Output[FrameMaps]]:
    """What is published of each frame, to those who subscribe."""
    outputs = [output for name in tasks for output in _task_outputs(TASKS[name], depth_encoding)]
    if DEPTH.name in tasks:
        outputs += [
            Output("depth/camera_info", CameraInfo, "", "the lens at the map's size", _fill_camera_info),
            Output("depth/points", PointCloud2, "x y z rgb", "points in the optical frame, m", _fill_points),
        ]
    overlaid = f"{TASKS[tasks[0]].title.lower()} in colour over the image"
    return outputs + _image_outputs("overlay", "rgb8", overlaid, FrameMaps.overlay)


def card_outputs(tasks: Sequence[str]) -> list[Output[ModelCard]]:
    """What is published once and kept for those who come later."""
    if SEGMENTATION.name not in tasks:
        return []
    return [Output("segmentation/label_info", LABELS, "", "the names of the classes", _fill_labels)]


def _task_outputs(task: Task, depth_encoding: str) -> list[Output[FrameMaps]]:
    """The map of a task, and its colours."""
    title = task.title.lower()

    def fill(message: Any, maps: FrameMaps) -> bool:
        maps.map(task.name, image_pixels(message, task.shape(*maps.size), task.dtype, task.encoding))
        return True

    if task is DEPTH and depth_encoding == "16UC1":
        content = f"{title}, mm, 0 = unknown"
        raw = _image_outputs(f"{task.name}/image", "16UC1", content, lambda maps: to_millimetres(maps.map(task.name)))
    else:
        raw = _image_outputs(
            f"{task.name}/image", task.encoding, f"{title}, {task.unit}", lambda maps: maps.map(task.name), fill
        )
    colors = _image_outputs(
        f"{task.name}/color", "rgb8", f"{title} in colour", lambda maps: maps.colors(task.name)
    )
    return raw + colors


def _image_outputs(
    topic: str,
    encoding: str,
    content: str,
    pixels: Callable[[FrameMaps], NDArray[Any]],
    fill: Callable[[Any, FrameMaps], bool] | None = None,
) -> list[Output[FrameMaps]]:
    """An image, and where there is a compression for its encoding, that too; `fill` where it need not be copied."""

    def fill_copy(message: Any, maps: FrameMaps) -> bool:
        fill_image(message, pixels(maps), encoding)
        return True

    def fill_compressed(message: Any, maps: FrameMaps) -> bool:
        fill_compressed_image(message, pixels(maps), encoding, maps.settings.jpeg_quality)
        return True

    outputs = [Output(topic, Image, encoding, content, fill or fill_copy)]
    if encoding in COMPRESSIBLE:
        outputs += [Output(topic + COMPRESSED, CompressedImage, encoding, content, fill_compressed)]
    return outputs


def _fill_camera_info(message: Any, maps: FrameMaps) -> bool:
    if (camera := maps.camera()) is None:
        return False
    fill_camera_info(message, camera)
    return True


def _fill_points(message: Any, maps: FrameMaps) -> bool:
    if (points := maps.points()) is None:
        return False
    fill_points(message, points)
    return True


def _fill_labels(message: Any, card: ModelCard) -> bool:
    fill_labels(message, card)
    return True


class Topic(Generic[S]):
    """The publisher of an output, with the one message that is filled each time."""

    def __init__(
        self, node: LifecycleNode, camera: str, output: Output[S], qos: QoSProfile, events: Events
    ) -> None:
        self._fill = output.fill
        self._message = output.kind()
        topic = f"{camera}/{output.topic}"
        self.publisher = node.create_lifecycle_publisher(
            output.kind,
            topic,
            qos,
            qos_overriding_options=publisher_overrides(),
            event_callbacks=events(node.resolve_topic_name(topic)),
            callback_group=passing_group(),
        )

    def fill(self, source: S) -> bool:
        """Make the message; false where there is nothing to publish."""
        return self._fill(self._message, source)

    def publish(self, header: Any) -> None:
        """Publish what was filled, under this header where the message has one."""
        if hasattr(self._message, "header"):
            self._message.header = header
        self.publisher.publish(self._message)

    @property
    def nbytes(self) -> int:
        """The size of the newest message's data."""
        return len(getattr(self._message, "data", ()))


class CameraOutputs:
    """The topics of one camera's maps."""

    def __init__(
        self, node: LifecycleNode, camera: str, tasks: Sequence[str], depth_encoding: str, events: Events
    ) -> None:
        """`events`: what is to be called of a topic's subscribers. Raises AvtarError if the camera's name cannot be
        part of a topic."""
        check_topic(node, f"{camera}/overlay")
        self._node = node
        self._frame_topics = {
            output.topic: Topic(node, camera, output, reliable(MAPS), events)
            for output in frame_outputs(tasks, depth_encoding)
        }
        self._card_topics = [Topic(node, camera, output, latched(), events) for output in card_outputs(tasks)]

    def destroy(self) -> None:
        """Remove the publishers."""
        topics: list[Topic[Any]] = [*self._frame_topics.values(), *self._card_topics]
        for topic in topics:
            self._node.destroy_lifecycle_publisher(topic.publisher)
        self._frame_topics.clear()
        self._card_topics.clear()

    def wanted(self) -> set[str]:
        """The topics of frames that somebody subscribes to."""
        return {name for name, topic in self._frame_topics.items() if topic.publisher.get_subscription_count()}

    def announce(self, card: ModelCard) -> None:
        """Publish what the model's card says, for subscribers of now and later."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        for topic in self._card_topics:
            if topic.fill(card):
                topic.publish(header)

    def publish(
        self, wanted: Collection[str], maps: FrameMaps, header: Any, contained: Contained
    ) -> bool:
        """Publish the wanted topics of a frame under its header, untouched; returns whether there was something.

        Each is sent as soon as it is made, the largest first, within `contained(its name)`: one that fails takes no
        others with it.
        """
        published = False
        topics = [(name, topic) for name, topic in self._frame_topics.items() if name in wanted]
        for name, topic in sorted(topics, key=lambda each: each[1].nbytes, reverse=True):
            with contained(name):
                if topic.fill(maps):
                    topic.publish(header)
                    published = True
        return published
