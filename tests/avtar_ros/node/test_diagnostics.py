"""What diagnostics say of an engine and of a camera, and that the node says it."""

from dataclasses import replace
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image

from avtar_ros.node.diagnostics import Level, Status, camera_status, engine_status
from avtar_ros.node.parameters import NodeParameters
from avtar_ros.node.statistics import RECENTLY_NS, Flow, FrameCounts
from tests.node_client import NODE, StartNode, connect, image, jpeg, picture, stats
from tests.ros_processes import Client

NOW_NS = 1_000 * 10**9
GOOD = Flow({"received": 150, "published": 145, "too_old": 0, "malformed": 0, "failed": 0}, NOW_NS - 10**7, 20 * 10**6)


def status(flow: Flow = GOOD, wanted_for_s: float = 60, **parameters: Any) -> Status:
    wanted_since_ns = NOW_NS - round(wanted_for_s * 1e9)
    counts = FrameCounts(received=900, published=800, dropped=60, over_rate=20, too_old=10, malformed=9, failed=1)
    settings = NodeParameters(**parameters)
    return camera_status("front", "/front/image_raw", counts, flow, wanted_since_ns, NOW_NS, settings)


def with_recent(**recently: int) -> Flow:
    return replace(GOOD, recently=GOOD.recently | recently)


class TestCamera:
    def test_one_that_works_is_ok_with_its_figures(self) -> None:
        found = status(min_rate=(25.0,), max_age=1.0)
        assert (found.name, found.level, found.message) == ("camera front", Level.OK, "29.0 frames per second")
        assert found.values == {
            "rate in (Hz)": 30.0, "rate out (Hz)": 29.0, "age on arrival (ms)": 20.0, "received": 900, "published": 800,
            "dropped, a newer came first": 60, "dropped, over max_rate": 20, "dropped, older than max_age": 10,
            "dropped, nobody subscribed": 0, "malformed": 9, "failed": 1,
        }

    @pytest.mark.parametrize(
        ("flow", "parameters", "level", "reason"),
        [
            (replace(GOOD, newest_ns=NOW_NS - 3 * 10**9), {}, Level.ERROR, "no image on /front/image_raw for 3.0 s"),
            (replace(GOOD, newest_ns=0), {}, Level.ERROR, "no image on /front/image_raw for 60.0 s"),
            (GOOD, {"min_rate": (29.5,)}, Level.WARN, "29.0 frames per second published, fewer than min_rate 29.5"),
            (with_recent(failed=2), {}, Level.ERROR, "2 frames failed"),
            (with_recent(malformed=3), {}, Level.WARN, "3 images were malformed"),
            (with_recent(too_old=4), {"max_age": 0.5}, Level.WARN, "4 frames were older than max_age 0.5 s"),
            (replace(GOOD, age_ns=9 * 10**9), {}, Level.WARN, "images are 9.0 s old when they come"),
            (replace(GOOD, age_ns=-9 * 10**9), {}, Level.WARN, "images are stamped 9.0 s in the future"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_one_that_does_not_says_why(
        self, flow: Flow, parameters: dict[str, Any], level: Level, reason: str
    ) -> None:
        found = status(flow, **parameters)
        assert found.level == level
        assert found.message.startswith(reason)

    def test_the_worst_of_several_faults_counts_and_all_are_named(self) -> None:
        found = status(with_recent(failed=1, malformed=1))
        assert found.level == Level.ERROR
        assert "1 frames failed" in found.message
        assert "1 images were malformed" in found.message

    def test_one_that_nobody_wants_is_idle(self) -> None:
        found = camera_status("front", "/t", FrameCounts(), replace(GOOD, newest_ns=0), 0, NOW_NS, NodeParameters())
        assert (found.level, found.message) == (Level.OK, "idle: nobody subscribes to its maps")

    def test_one_just_asked_for_has_time_to_begin(self) -> None:
        silent = replace(GOOD, newest_ns=0, recently=dict.fromkeys(GOOD.recently, 0))
        assert status(silent, wanted_for_s=1, min_rate=(5.0,)).level == Level.OK
        assert status(GOOD, wanted_for_s=RECENTLY_NS / 1e9 - 1, min_rate=(50.0,)).level == Level.OK


def test_the_engine_tells_model_latency_and_sensors() -> None:
    latency = {"engine": {"p50": 1.5, "p95": 2.0, "p99": 3.0}}
    about = {"model": "tiny", "engine": "abacus"}
    found = engine_status("active", about, latency, {"temperature gpu": 50.0, "power VDD_IN": 7.5})
    assert (found.name, found.level, found.message, found.hardware_id) == ("engine", Level.OK, "active", "abacus")
    assert found.values == {
        "state": "active", "model": "tiny", "engine": "abacus",
        "engine p50 (ms)": 1.5, "engine p95 (ms)": 2.0, "engine p99 (ms)": 3.0,
        "temperature gpu (°C)": 50.0, "power VDD_IN (W)": 7.5,
    }


class TestNode:
    def test_it_publishes_diagnostics_from_idle_to_lost_to_good(self, client: Client, start: StartNode) -> None:
        start(camera_timeout=0.5)
        arrays = client.inbox(DiagnosticArray, "/diagnostics")

        def last() -> DiagnosticStatus | None:
            names = [s for array in arrays[-1:] for s in array.status if s.name == f"{NODE}: camera camera"]
            return names[0] if names else None

        def says(level: bytes, text: str) -> bool:
            return (seen := last()) is not None and seen.level == level and text in seen.message

        client.wait_until(lambda: says(DiagnosticStatus.OK, "idle"), "an idle camera")
        engine = arrays[-1].status[0]
        assert engine.name == f"{NODE}: engine"
        assert engine.message == "active"
        assert {value.key: value.value for value in engine.values}["model"] == "tiny"
        edges = client.inbox(Image, "camera/edges/image")
        client.wait_until(lambda: says(DiagnosticStatus.ERROR, "no image on /camera/image_raw"), "a lost camera")
        images = connect(client, edges)
        message = image(picture())

        def publish() -> None:
            message.header.stamp = client.node.get_clock().now().to_msg()
            images.publish(message)

        client.node.create_timer(0.05, publish)
        client.wait_until(lambda: says(DiagnosticStatus.OK, "frames per second"), "a good camera")
        keys = {value.key for value in arrays[-1].status[0].values}
        steps = ("wait", "preprocess", "engine", "publish")
        assert {f"{step} {percentile} (ms)" for step in steps for percentile in ("p50", "p95", "p99")} <= keys

    def test_statistics_tell_the_same(self, client: Client, start: StartNode) -> None:
        start(camera_timeout=0.5)
        assert stats(client)["state"] == "active"
        images = connect(client, client.inbox(Image, "camera/edges/image"), make=jpeg)
        reports: list[dict[str, Any]] = []

        def received_of_late() -> bool:
            images.publish(jpeg(1))
            reports.append(stats(client))
            return reports[-1]["rates_hz"]["camera"]["in"] > 0

        client.wait_until(received_of_late, "a rate")
        report = reports[-1]
        engine, camera = report["diagnostics"]
        assert engine == {"name": "engine", "level": "OK", "message": "active"}
        assert camera["name"] == "camera camera"
        assert camera["level"] in ("WARN", "ERROR")  # their stamp is of long ago
        assert isinstance(report["sensors"], dict)
