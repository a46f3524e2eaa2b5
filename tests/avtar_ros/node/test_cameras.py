"""Cameras that come and go, are too fast, too late, or of another quality of service; and the clock they are by."""

import signal
from pathlib import Path
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from tests.node_client import (
    HEIGHT,
    WIDTH,
    StartNode,
    connect,
    counts,
    image,
    jpeg,
    numbers,
    picture,
    set_parameters,
    settled,
    stats,
)
from tests.ros_processes import BEST_EFFORT, RELIABLE, Client
from tests.tiny_models import write_tiny_model


def gone(client: Client, publisher: Any) -> None:
    client.wait_until(lambda: not publisher.get_subscription_count(), "the end of the subscription")


class TestLazy:
    def test_images_are_subscribed_to_only_while_maps_are(self, client: Client, start: StartNode) -> None:
        start(cameras=["front", "rear"])
        images = {name: client.publisher(Image, f"{name}/image_raw") for name in ("front", "rear")}
        client.wait_until(lambda: stats(client)["state"] == "active", "the node")
        messages: list[Image] = []
        inbox = client.node.create_subscription(Image, "front/edges/image", messages.append, RELIABLE)
        client.await_subscriber(images["front"])
        assert images["rear"].get_subscription_count() == 0
        client.node.destroy_subscription(inbox)
        gone(client, images["front"])
        assert counts(client, "front")["received"] == 0

    def test_the_first_frame_after_somebody_came_is_served(self, client: Client, start: StartNode) -> None:
        start()
        images = client.publisher(Image, "camera/image_raw")
        client.wait_until(lambda: stats(client)["state"] == "active", "the node")
        for number in (1, 2, 3):
            messages: list[Image] = []
            inbox = client.node.create_subscription(Image, "camera/depth/image", messages.append, RELIABLE)
            client.await_subscriber(images)
            images.publish(image(picture(), number))
            client.wait_until(lambda: numbers(messages) == [number], "the map of the one image")  # noqa: B023
            client.node.destroy_subscription(inbox)
            gone(client, images)
        client.wait_until(lambda: settled(counts(client)), "the count of the last")
        assert counts(client)["received"] == counts(client)["published"] == 3

    def test_a_subscriber_of_another_map_keeps_the_images_coming(self, client: Client, start: StartNode) -> None:
        start()
        edges = client.node.create_subscription(Image, "camera/edges/image", lambda _: None, RELIABLE)
        overlays = client.inbox(Image, "camera/overlay")
        images = connect(client, overlays)
        client.node.destroy_subscription(edges)
        client.wait_until(lambda: not client.node.count_subscribers("camera/edges/image"), "one subscriber's end")
        images.publish(image(picture(), 7))
        client.wait_until(lambda: numbers(overlays) == [7], "the overlay")


class TestLoss:
    def test_a_camera_that_returns_is_served_again(self, client: Client, start: StartNode) -> None:
        start()
        edges = client.inbox(Image, "camera/edges/image")
        for _ in range(3):
            images = connect(client, edges)
            client.node.destroy_publisher(images)
            client.wait_until(lambda: not client.node.count_publishers("camera/image_raw"), "the camera's loss")

    def test_one_that_returns_compressed_is_served_too(self, client: Client, start: StartNode) -> None:
        start()
        edges = client.inbox(Image, "camera/edges/image")
        client.node.destroy_publisher(connect(client, edges))
        compressed = connect(client, edges, make=jpeg)
        client.node.destroy_publisher(compressed)
        connect(client, edges)

    def test_after_a_crash_the_maps_come_back_to_who_still_listens(self, client: Client, start: StartNode) -> None:
        process = start()
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        images.publish(image(picture(), 1))
        client.wait_until(lambda: numbers(edges) == [1], "a map")
        assert process.stop(signal.SIGKILL) == -signal.SIGKILL
        start()
        number = 1

        def served() -> bool:
            nonlocal number
            number += 1
            images.publish(image(picture(), number))
            client.spin(0.05)
            return numbers(edges)[-1] > 1

        client.wait_until(served, "maps of the node started again")


class TestRemapping:
    def test_cameras_that_change_places_are_served_by_each_others_images(
        self, client: Client, start: StartNode
    ) -> None:
        lead = {"front": "rear", "rear": "front"}
        rules = [f"{name}/image_raw{end}:=/{other}/image_raw{end}" for name, other in lead.items()
                 for end in ("", "/compressed")]
        start(*(part for rule in rules for part in ("-r", rule)), cameras=["front", "rear"])
        maps = {name: client.inbox(Image, f"{name}/edges/image") for name in lead}
        connect(client, maps["front"], camera="rear")
        connect(client, maps["rear"], camera="front", make=jpeg)


class TestLimits:
    def test_a_camera_over_its_rate_is_limited_and_others_are_not(self, client: Client, start: StartNode) -> None:
        start(cameras=["front", "rear"])
        maps = {name: client.inbox(Image, f"{name}/edges/image") for name in ("front", "rear")}
        images = {name: connect(client, inbox, camera=name) for name, inbox in maps.items()}
        assert set_parameters(client, max_rate=[0.01, 0.0]) == []  # one in a hundred seconds
        client.wait_until(lambda: all(settled(counts(client, name)) for name in maps), "the counts of before")
        before = {name: counts(client, name) for name in maps}
        for number in range(1, 11):
            for publisher in images.values():
                publisher.publish(image(picture(), number))
            client.wait_until(lambda: numbers(maps["rear"])[-1:] == [number], "each map of the other")  # noqa: B023
        client.wait_until(lambda: counts(client, "front")["received"] == before["front"]["received"] + 10, "all images")
        client.wait_until(lambda: maps["front"], "the map of the limited one")
        assert numbers(maps["front"]) == [1]
        assert counts(client, "front")["over_rate"] == 9
        assert counts(client, "rear")["over_rate"] == 0

    def test_frames_too_old_to_matter_are_dropped_and_counted(self, client: Client, start: StartNode) -> None:
        start()
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        assert set_parameters(client, max_age=1000.0) == []
        images.publish(image(picture(), 1))  # its stamp is of 2023
        client.wait_until(lambda: counts(client)["too_old"] == 1, "an old frame to be dropped")
        recent = image(picture())
        recent.header.stamp = client.node.get_clock().now().to_msg()
        images.publish(recent)
        client.wait_until(lambda: edges, "the map of a recent one")
        assert [message.header.stamp for message in edges] == [recent.header.stamp]


class TestSimTime:
    STAMP_S = 1_700_000_000
    """Of the images."""

    def test_frames_are_served_before_the_clock_comes_and_after_it_went_back(
        self, client: Client, start: StartNode
    ) -> None:
        start(use_sim_time=True, max_age=5.0)
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)  # without a clock: served, of whatever age they are
        clock = client.publisher(Clock, "/clock")
        client.await_subscriber(clock)

        def at(seconds: int, what: str) -> None:
            """Until an image published at that time on the clock is counted as `what`."""
            before, message = counts(client)[what], Clock()
            message.clock.sec = seconds

            def counted() -> bool:
                clock.publish(message)
                client.spin(0.02)
                images.publish(image(picture()))
                client.spin(0.05)
                return counts(client)[what] > before

            client.wait_until(counted, f"an image at {seconds} s to be {what}")

        at(self.STAMP_S + 1, "published")
        at(self.STAMP_S + 100, "too_old")
        at(self.STAMP_S + 2, "published")  # the recording begins again
        assert stats(client)["latency_ms"]["transport"]["p99"] < 5000


class TestQualityOfService:
    def test_a_camera_that_offers_too_little_is_told_with_what_to_do(self, client: Client, start: StartNode) -> None:
        process = start(reliability="reliable")
        client.inbox(Image, "camera/edges/image")
        client.publisher(Image, "camera/image_raw", BEST_EFFORT)
        warning = "/camera/image_raw: a publisher there offers less than this node asks for in QoS policy reliability"
        client.wait_until(lambda: warning in process.output, "a warning")
        assert "Start the node with the parameter reliability at best_effort" in process.output

    def test_a_subscriber_that_asks_for_too_much_is_told_with_what_to_do(
        self, client: Client, start: StartNode
    ) -> None:
        latched = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        process = start()
        inbox = client.inbox(Image, "camera/edges/image", latched)
        warning = "/camera/edges/image: a subscriber there asks for more than this node offers in QoS policy durability"
        client.wait_until(lambda: warning in process.output, "a warning")
        override = "qos_overrides./camera/edges/image.publisher.durability"
        assert f"start the node with {override} at transient_local" in process.output
        assert process.stop() == 0
        start(**{override: "transient_local"})
        connect(client, inbox)


def test_a_model_of_one_image_at_once_serves_several_cameras_in_turns(
    client: Client, start: StartNode, tmp_path: Path
) -> None:
    write_tiny_model(tmp_path / "one.onnx", width=400, height=300, batch=1)
    start(model=tmp_path / "one.onnx", cameras=["a", "b", "c"], map_size="model")
    maps = {name: client.inbox(Image, f"{name}/edges/image") for name in "abc"}
    images = {name: connect(client, inbox, camera=name) for name, inbox in maps.items()}
    message = image(picture(0, WIDTH, HEIGHT))
    for number in range(1, 21):
        message.header.stamp.nanosec = number
        for publisher in images.values():
            publisher.publish(message)
    for name, inbox in maps.items():
        client.wait_until(lambda: numbers(inbox)[-1:] == [20], f"the newest map of {name}")  # noqa: B023
        assert counts(client, name)["failed"] == 0
