"""The node as robots run it, in a process of its own: maps of good images, load, and malformed images."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from avtar_ros.engines.opening import open_engine
from avtar_ros.node.pipeline import THROTTLE_S
from avtar_ros.perception import Frame, Perception
from avtar_ros.tasks import TASKS
from tests.node_client import (
    HEIGHT,
    WIDTH,
    StartNode,
    array_of,
    connect,
    counts,
    image,
    jpeg,
    map_inboxes,
    numbers,
    picture,
    settled,
    stats,
)
from tests.ros_processes import BEST_EFFORT, Client, RosProcess
from tests.tiny_models import write_tiny_model


class TestMaps:
    def test_each_map_is_what_perception_gives_under_the_header_of_its_image(
        self, client: Client, start: StartNode, tiny_model: Path
    ) -> None:
        start()
        maps = map_inboxes(client)
        images = connect(client, *maps.values())
        messages = [image(picture(number), number) for number in (1, 2)]
        with open_engine(tiny_model) as engine:
            perception = Perception(engine)
            for i, message in enumerate(messages):
                images.publish(message)
                client.wait_until(lambda: all(len(inbox) > i for inbox in maps.values()), "four maps")  # noqa: B023
                (expected,) = perception([Frame(picture(i + 1), 0)])
                for task, inbox in maps.items():
                    assert inbox[i].header == message.header
                    assert inbox[i].encoding == TASKS[task].encoding
                    assert (inbox[i].height, inbox[i].width) == (HEIGHT, WIDTH)
                    np.testing.assert_allclose(array_of(inbox[i]), expected[task], atol=1e-5)

    def test_maps_stay_at_the_models_size_if_asked(self, client: Client, start: StartNode) -> None:
        start(map_size="model")
        maps, overlays = map_inboxes(client), client.inbox(Image, "camera/overlay")
        images = connect(client, *maps.values(), overlays)
        images.publish(image(picture()))
        client.wait_until(lambda: all(maps.values()) and overlays, "maps and overlay")
        for inbox in (*maps.values(), overlays):
            assert (inbox[0].height, inbox[0].width) == (48, 64)

    def test_the_overlay_shows_the_first_task_over_the_image(self, client: Client, start: StartNode) -> None:
        start(overlay_opacity=0.25)
        overlays = client.inbox(Image, "camera/overlay")
        images = connect(client, overlays)
        grey = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
        images.publish(image(grey))
        client.wait_until(lambda: overlays, "an overlay")
        middle_class = np.array([120, 180, 90])
        expected = 0.25 * middle_class + 0.75 * 100
        assert np.abs(array_of(overlays[0]) - expected).max() <= 1

    def test_depth_is_metric_once_the_camera_info_has_come(
        self, client: Client, start: StartNode
    ) -> None:
        process = start(tasks=["depth"])
        depths = client.inbox(Image, "camera/depth/image")
        images = connect(client, depths)
        infos = client.publisher(CameraInfo, "camera/camera_info")
        client.await_subscriber(infos)
        for number in range(12):
            images.publish(image(picture(), number))
            client.wait_until(lambda: len(depths) > number, "depth")  # noqa: B023
        client.wait_until(lambda: "no calibrated CameraInfo" in process.output, "a warning")

        info = CameraInfo(width=2 * WIDTH, height=2 * HEIGHT)  # of the camera's full size; its images are half that
        info.k[0] = 4 * 60.0 * WIDTH / 64
        infos.publish(info)
        unscaled = array_of(depths[0])
        number = 12

        def doubled() -> bool:
            nonlocal number
            number += 1
            images.publish(image(picture(), number))
            client.spin(0.05)
            return np.allclose(array_of(depths[-1]), 2 * unscaled, rtol=1e-4)

        client.wait_until(doubled, "depth twice as far, as through twice the focal length")

    def test_the_lens_of_rectified_images_is_their_projection(self, client: Client, start: StartNode) -> None:
        start(tasks=["depth"], rectified=True, reliability="reliable")
        infos = client.publisher(CameraInfo, "camera/camera_info")
        lenses = client.inbox(CameraInfo, "camera/depth/camera_info")
        depths = client.inbox(Image, "camera/depth/image")
        images = connect(client, depths)
        client.await_subscriber(infos)
        info = CameraInfo(width=WIDTH, height=HEIGHT, d=[0.1, 0.0, 0.0, 0.0, 0.0])
        info.k[0], info.p[0], info.p[10] = 50.0, 70.0, 1.0
        infos.publish(info)
        number = 0

        def told() -> bool:
            nonlocal number
            number += 1
            images.publish(image(picture(), number))
            client.spin(0.05)
            return bool(lenses)

        client.wait_until(told, "the lens")
        assert (lenses[0].k[0], list(lenses[0].d)) == (70.0, [])

    @pytest.mark.parametrize(("model", "d", "points", "words"), [
        ("equidistant", [-0.006, 0.04, -0.037, 0.006, 0.0], True, "5 coefficients"),
        ("rational_polynomial", [0.0] * 6, True, "6 coefficients"),
        ("plumb_bob", [0.1] * 16, False, "16 coefficients"),
        ("equirectangular", [], False, "not known"),
    ])
    def test_an_odd_lens_costs_no_map_and_is_warned_of_once(
        self, client: Client, start: StartNode, model: str, d: list[float], points: bool, words: str
    ) -> None:
        process = start(tasks=["depth"], reliability="reliable")
        infos = client.publisher(CameraInfo, "camera/camera_info")
        clouds, depths = client.inbox(PointCloud2, "camera/depth/points"), client.inbox(Image, "camera/depth/image")
        images = connect(client, clouds, depths)
        client.await_subscriber(infos)
        info = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model=model, d=d)
        info.k[0], info.k[4], info.k[8] = 50.0, 50.0, 1.0
        infos.publish(info)
        number = 0

        def warned() -> bool:
            nonlocal number
            number += 1
            images.publish(image(picture(), number))
            client.spin(0.05)
            return words in process.output

        client.wait_until(warned, "the warning, with which the lens counts")
        with_lens = range(number + 1, number + 9)
        for number in with_lens:
            images.publish(image(picture(), number))
            client.wait_until(lambda: numbers(depths)[-1:] == [number], "depth")  # noqa: B023
        if points:
            client.wait_until(lambda: not set(numbers(clouds)).isdisjoint(with_lens), "points")
        client.spin(0.3)
        assert set(numbers(clouds)).isdisjoint(with_lens) != points
        assert process.output.count(words) == 1
        assert "Traceback" not in process.output

    @pytest.mark.parametrize("transport", ["auto", "compressed"])
    def test_compressed_images_are_served(self, client: Client, start: StartNode, transport: str) -> None:
        start(transport=transport)
        maps = map_inboxes(client)
        images = connect(client, *maps.values(), make=jpeg)
        images.publish(jpeg(5))
        client.wait_until(lambda: all(maps.values()), "four maps")
        assert maps["depth"][0].header == jpeg(5).header

    def test_every_camera_has_its_own_maps_and_a_silent_one_delays_nobody(
        self, client: Client, start: StartNode
    ) -> None:
        start(cameras=["front", "robot/rear", "silent"])
        maps = {camera: list(map_inboxes(client, camera).values()) for camera in ("front", "robot/rear")}
        images = {camera: connect(client, *inboxes, camera=camera) for camera, inboxes in maps.items()}
        for number, publisher in enumerate(images.values(), 1):
            publisher.publish(image(picture(), number))
        client.wait_until(lambda: all(all(inboxes) for inboxes in maps.values()), "the maps of both")
        assert [number for inbox in maps["front"] for number in numbers(inbox)] == [1] * 4
        assert [number for inbox in maps["robot/rear"] for number in numbers(inbox)] == [2] * 4
        assert counts(client, "silent")["received"] == 0

    def test_large_images_arrive_with_best_effort_on_the_shipped_profile(
        self, client: Client, start: StartNode
    ) -> None:
        start(reliability="best_effort", map_size="model")
        edges = client.inbox(Image, "camera/edges/image")
        connect(client, edges)
        images = client.publisher(Image, "camera/image_raw", BEST_EFFORT)
        client.await_subscriber(images)
        message = image(picture(0, 640, 480))
        before = counts(client)["received"]
        for number in range(30):
            message.header.stamp.nanosec = number
            seen = counts(client)["received"]
            images.publish(message)
            await_arrival(client, seen + 1)
        assert counts(client)["received"] - before >= 25  # without the profile, a third


def await_arrival(client: Client, received: int, patience_s: float = 1.0) -> None:
    """Until the node has received so many images, or has not for so long: best effort promises nothing."""
    deadline = time.monotonic() + patience_s
    while counts(client)["received"] < received and time.monotonic() < deadline:
        client.spin(0.02)


class TestLoad:
    def test_with_more_frames_than_time_the_newest_is_served_and_the_others_are_counted(
        self, client: Client, start: StartNode, tmp_path: Path
    ) -> None:
        slow = tmp_path / "slow.onnx"
        write_tiny_model(slow, width=1000, height=750)
        every_map_comes = {"qos_overrides./camera/edges/image.publisher.depth": 40}  # however slow we are to take it
        start(model=slow, map_size="model", tasks=["edges"], **every_map_comes)
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        client.wait_until(lambda: settled(counts(client)), "the counts of the first frames")
        before = counts(client)
        message = image(picture())
        for number in range(1, 41):
            message.header.stamp.nanosec = number
            images.publish(message)
            client.spin(0.005)
        client.wait_until(lambda: numbers(edges)[-1:] == [40], "the map of the last frame")
        assert numbers(edges) == sorted(set(numbers(edges)))
        client.wait_until(lambda: settled(counts(client)), "the counts of all frames")
        since = {what: count - before[what] for what, count in counts(client).items()}
        assert since["published"] == len(edges)
        assert since["dropped"] > 0
        assert since["malformed"] == since["unwanted"] == since["failed"] == 0

    def test_maps_of_a_frame_come_though_the_next_is_malformed(
        self, client: Client, start: StartNode, tmp_path: Path
    ) -> None:
        slow = tmp_path / "slow.onnx"
        write_tiny_model(slow, width=1000, height=750)
        start(model=slow, map_size="model", tasks=["edges"])
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        number = 0

        def taken() -> bool:
            """Send a good frame and a malformed one: whether the good one had its turn before that took its place."""
            nonlocal number
            number += 1
            before = counts(client)
            images.publish(image(picture(), number))
            client.spin(0.005)
            images.publish(malformed()["short data"])
            client.wait_until(lambda: counts(client)["malformed"] > before["malformed"], "the malformed frame's end")
            return counts(client)["dropped"] == before["dropped"]

        client.wait_until(taken, "a good frame to be taken")
        client.wait_until(lambda: numbers(edges) == [number], "the map of the good frame")

    def test_its_memory_stays_flat(self, client: Client, start: StartNode, tmp_path: Path) -> None:
        slow = tmp_path / "slow.onnx"
        write_tiny_model(slow, width=1000, height=750)
        process = start(model=slow, map_size="model", tasks=["edges"])
        images = connect(client, client.inbox(Image, "camera/edges/image", BEST_EFFORT))
        message = image(picture(0, 640, 480))

        def flood_until_dropped(frames: int) -> None:
            before = counts(client)["dropped"]

            def dropped() -> bool:
                for _ in range(20):
                    images.publish(message)
                    client.spin(0.005)
                return counts(client)["dropped"] - before >= frames

            client.wait_until(dropped, "frames to be dropped")

        flood_until_dropped(60)
        before = process.memory
        flood_until_dropped(250)
        assert process.memory - before < 25 * message.step * message.height  # a tenth of what was dropped

    def test_the_statistics_split_the_latency(self, client: Client, start: StartNode) -> None:
        start()
        edges = client.inbox(Image, "camera/edges/image")
        images = connect(client, edges)
        message = image(picture(), 1)
        message.header.stamp = client.node.get_clock().now().to_msg()
        images.publish(message)
        client.wait_until(lambda: edges, "a map")
        client.wait_until(lambda: stats(client)["latency_ms"], "statistics")
        report = stats(client)
        assert report["model"] == "tiny"
        assert "ONNX Runtime" in report["engine"]
        medians = {step: figures["p50"] for step, figures in report["latency_ms"].items()}
        # That a frame's steps add up is asked of the pipeline: medians of several frames need not.
        assert list(medians) == ["transport", "wait", "preprocess", "engine", "publish", "node", "total"]
        assert all(ms >= 0 for ms in medians.values())


def malformed() -> dict[str, Image]:
    """One image of each kind that a broken driver may send."""
    good = image(picture())
    kinds = {
        "zero width": {"width": 0},
        "zero height": {"height": 0},
        "unknown encoding": {"encoding": "rgb9"},
        "depth": {"encoding": "32FC1", "step": 4 * WIDTH},
        "zero step": {"step": 0},
        "short step": {"step": 3 * WIDTH - 1},
        "long step": {"step": 3 * WIDTH + 1},
        "no data": {"data": b""},
        "short data": {"data": bytes(100)},
        "long data": {"data": bytes(5 * WIDTH * HEIGHT)},
        "odd yuv": {"encoding": "nv12", "width": WIDTH - 1},
    }
    for name, changes in kinds.items():
        kinds[name] = Image(**{f: getattr(good, f) for f in ("header", "height", "width", "encoding", "step", "data")})
        for field, value in changes.items():
            setattr(kinds[name], field, value)
    return kinds


@pytest.fixture(scope="class")
def served(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, ...]]:
    """A node with a subscriber, for all of the tests below."""
    log = tmp_path_factory.mktemp("node") / "log"
    settings = {"model": tiny_model, "reliability": "reliable"}
    with Client() as client, RosProcess("avtar_ros.node.multitask_node", log, settings) as process:
        edges = client.inbox(Image, "camera/edges/image")
        yield client, process, connect(client, edges), edges


class TestMalformedImages:
    @pytest.mark.parametrize("kind", malformed())
    def test_one_is_counted_and_the_next_good_one_is_served(self, served: tuple[Any, ...], kind: str) -> None:
        client, process, images, edges = served
        before, served_before = counts(client)["malformed"], len(edges)
        images.publish(malformed()[kind])
        client.wait_until(lambda: counts(client)["malformed"] == before + 1, f"{kind} to be counted")
        images.publish(image(picture()))
        client.wait_until(lambda: len(edges) == served_before + 1, "the map of a good frame")
        assert process.running
        assert "camera: malformed image: " in process.output
        assert "Traceback" not in process.output


def test_the_reason_for_many_malformed_images_is_given_once_in_a_while(client: Client, start: StartNode) -> None:
    process = start()
    images = connect(client, client.inbox(Image, "camera/edges/image"))
    begin = time.monotonic()
    for number in range(10):
        images.publish(malformed()["short data"])
        client.wait_until(lambda: counts(client)["malformed"] > number, "it to be counted")  # noqa: B023
    assert 1 <= process.output.count("malformed image") <= 1 + (time.monotonic() - begin) // THROTTLE_S
    assert "malformed image: 100 bytes of data where 96x72 rgb8 with step 288 takes 20736" in process.output


def test_a_broken_jpeg_is_counted_and_the_next_good_one_is_served(client: Client, start: StartNode) -> None:
    start()
    edges = client.inbox(Image, "camera/edges/image")
    images = connect(client, edges, make=jpeg)
    images.publish(CompressedImage(format="jpeg", data=b"no picture"))
    client.wait_until(lambda: counts(client)["malformed"] == 1, "a broken jpeg to be counted")
    images.publish(jpeg(7))
    client.wait_until(lambda: numbers(edges) == [7], "the map of the next")
