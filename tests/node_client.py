"""Talking to the node under test: images in, maps out, its counts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

from avtar_ros.imaging.images import to_message_fields
from avtar_ros.ros.messages import data_array
from avtar_ros.tasks import TASKS
from tests.ros_processes import Client, RosProcess

NODE = "multitask_node"
WIDTH, HEIGHT = 96, 72
DTYPES = {"mono8": np.uint8, "rgb8": np.uint8, "32FC1": np.float32, "32FC3": np.float32}

StartNode = Callable[..., RosProcess]


def picture(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def image(pixels: np.ndarray, number: int = 1, encoding: str = "rgb8") -> Image:
    """A message whose stamp tells its number."""
    fields = to_message_fields(pixels, encoding)
    message = Image(height=fields.height, width=fields.width, encoding=encoding, step=fields.step)
    message.data = data_array(fields.data)
    message.header.stamp.sec, message.header.stamp.nanosec = 1_700_000_000, number
    message.header.frame_id = "lens"
    return message


def jpeg(number: int) -> CompressedImage:
    message = CompressedImage(format="jpeg", header=image(picture(), number).header)
    message.data = cv2.imencode(".jpg", picture())[1].tobytes()
    return message


def array_of(message: Image) -> np.ndarray:
    pixels = np.frombuffer(message.data, DTYPES[message.encoding])
    return pixels.reshape(message.height, message.width, -1).squeeze()


def numbers(messages: list[Any]) -> list[int]:
    return [message.header.stamp.nanosec for message in messages]


def stats(client: Client) -> dict[str, Any]:
    return json.loads(client.call(Trigger, f"{NODE}/stats", Trigger.Request()).message)


def counts(client: Client, camera: str = "camera") -> dict[str, int]:
    return stats(client)["cameras"][camera]


def settled(seen: dict[str, int]) -> bool:
    """Whether what became of each frame received is known."""
    return seen["received"] == sum(count for what, count in seen.items() if what != "received")


def set_parameters(client: Client, **values: object) -> list[str]:
    """Set the node's parameters; returns why those that were refused were."""
    parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    request = SetParameters.Request(parameters=parameters)
    results = client.call(SetParameters, f"{NODE}/set_parameters", request).results
    return [result.reason for result in results if not result.successful]


def connect(
    client: Client, *inboxes: list[Any], camera: str = "camera", make: Callable[[int], Any] | None = None
) -> Any:
    """A publisher of the camera's images, once all inboxes get the maps of one; they are empty then.

    That an image is subscribed to does not mean that the node knows of the inboxes yet, so images are sent until
    the maps of the newest have come everywhere. `make` gives other messages than raw images.
    """
    make = make or (lambda number: image(picture(), number))
    kind = type(make(0))
    images = client.publisher(kind, f"{camera}/image_raw" + "/compressed" * (kind is CompressedImage))
    client.await_subscriber(images)
    number, patience_s = 900_000, 0.05

    def all_served() -> bool:
        nonlocal number, patience_s
        number, patience_s = number + 1, 2 * patience_s
        images.publish(make(number))
        deadline = time.monotonic() + patience_s
        while not (served := all(numbers(inbox)[-1:] == [number] for inbox in inboxes)):
            if time.monotonic() > deadline:
                break
            client.spin(0.01)
        return served

    client.wait_until(all_served, "maps everywhere")
    for inbox in inboxes:
        inbox.clear()
    return images


def map_inboxes(client: Client, camera: str = "camera") -> dict[str, list[Image]]:
    return {task: client.inbox(Image, f"{camera}/{task}/image") for task in TASKS}
