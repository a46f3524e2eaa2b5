"""What the node counts and measures, and how it tells."""

import json
import threading

import pytest

from avtar_ros.node.statistics import WINDOW, FrameTimes, NodeStatistics


def times(total_ms: float) -> FrameTimes:
    return FrameTimes(transport=0, wait=0, preprocess=0, engine=0, publish=0, node=0, total=round(total_ms * 1e6))


def test_counts_are_by_camera() -> None:
    statistics = NodeStatistics(["left", "right"])
    for what in ("received", "published", "received", "dropped"):
        statistics.count("left", what)
    cameras = statistics.report()["cameras"]
    assert {what: count for what, count in cameras["left"].items() if count} == {
        "received": 2, "published": 1, "dropped": 1
    }
    assert not any(cameras["right"].values())


def test_percentiles_are_in_milliseconds() -> None:
    statistics = NodeStatistics(["camera"])
    for ms in range(101):
        statistics.add_times(times(ms))
    assert statistics.report()["latency_ms"]["total"] == {"p50": 50, "p95": 95, "p99": 99}


def test_only_the_last_frames_are_measured() -> None:
    statistics = NodeStatistics(["camera"])
    for ms in [1000.0] * WINDOW + [1.0] * WINDOW:
        statistics.add_times(times(ms))
    assert statistics.report()["latency_ms"]["total"]["p99"] == 1


def test_before_the_first_frame_there_is_a_report_without_latency() -> None:
    report = NodeStatistics(["camera"]).report()
    assert report["latency_ms"] == {}
    json.dumps(report)


def test_counting_from_several_threads_loses_nothing() -> None:
    statistics = NodeStatistics(["camera"])
    threads = [
        threading.Thread(target=lambda: [statistics.count("camera", "received") for _ in range(2000)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statistics.counts["camera"].received == 8000


def test_a_count_that_is_not_kept_is_an_error() -> None:
    with pytest.raises(AttributeError):
        NodeStatistics(["camera"]).count("camera", "lost")
