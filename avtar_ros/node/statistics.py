"""What a node counts and how long things took it. No ROS."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields

import numpy as np

WINDOW = 1000
PERCENTILES = (50, 95, 99)
RECENTLY_NS = 5_000_000_000
"""Rates are of the last 5 s."""


@dataclass
class FrameCounts:
    """What became of one camera's frames; each ends as exactly one of those below `received`."""

    received: int = 0
    published: int = 0
    dropped: int = 0
    """A newer frame came before this one's turn."""
    over_rate: int = 0
    """It came sooner after the last than max_rate allows."""
    too_old: int = 0
    """It was older than max_age when its turn came."""
    malformed: int = 0
    """The message held no image that could be made sense of."""
    unwanted: int = 0
    """Nobody subscribed to any map."""
    failed: int = 0
    """Inference or publishing went wrong."""


@dataclass(frozen=True)
class FrameTimes:
    """How long one frame took, in nanoseconds; the steps before `node` add up to `total`."""

    transport: int
    """From the camera's stamp to arrival."""
    wait: int
    """For its turn: until it was taken, and until those before it were inferred."""
    preprocess: int
    """Decoding, and resizing to the model's size; for all frames of the batch."""
    engine: int
    publish: int
    """Resizing and publishing the maps; for this frame and those before it in the batch."""
    node: int
    """From arrival to the last map published: all steps but transport."""
    total: int
    """From the camera's stamp to the last map published."""


@dataclass(frozen=True)
class Flow:
    """How one camera's frames went within RECENTLY_NS, by name of a count, and how the last one came."""

    recently: dict[str, int]
    newest_ns: int
    age_ns: int

    def per_second(self, what: str) -> float:
        return self.recently[what] * 1e9 / RECENTLY_NS


@dataclass
class CameraStatistics:
    """One camera's frames: how many came to what in all, and when they did of late."""

    counts: FrameCounts = field(default_factory=FrameCounts)
    recent: dict[str, deque[int]] = field(
        default_factory=lambda: {what.name: deque() for what in fields(FrameCounts)}
    )
    """By name of a count: nanoseconds of the monotonic clock."""
    newest_ns: int = 0
    """When the last frame came, on the monotonic clock; 0 for never."""
    age_ns: int = 0
    """How old that frame was when it came."""

    def count(self, what: str, now_ns: int) -> None:
        setattr(self.counts, what, getattr(self.counts, what) + 1)
        self.recent[what].append(now_ns)
        self.recently(what, now_ns)

    def recently(self, what: str, now_ns: int) -> int:
        """How many frames came to this within RECENTLY_NS."""
        times = self.recent[what]
        while times and times[0] <= now_ns - RECENTLY_NS:
            times.popleft()
        return len(times)


class NodeStatistics:
    """Counts by camera, and the times of the last WINDOW published frames; for use from several threads."""

    def __init__(self, cameras: Iterable[str]) -> None:
        self._cameras = {camera: CameraStatistics() for camera in cameras}
        self._times: deque[FrameTimes] = deque(maxlen=WINDOW)
        self._lock = threading.Lock()

    def receive(self, camera: str, age_ns: int) -> None:
        """Count a frame that came now and was this old."""
        now_ns = time.monotonic_ns()
        with self._lock:
            statistics = self._cameras[camera]
            statistics.count("received", now_ns)
            statistics.newest_ns, statistics.age_ns = now_ns, age_ns

    def count(self, camera: str, what: str) -> None:
        """Add one to the field `what` of the camera's FrameCounts."""
        with self._lock:
            self._cameras[camera].count(what, time.monotonic_ns())

    @property
    def counts(self) -> dict[str, FrameCounts]:
        return {camera: statistics.counts for camera, statistics in self._cameras.items()}

    def add_times(self, times: FrameTimes) -> None:
        with self._lock:
            self._times.append(times)

    def forget_times(self) -> None:
        """For when the clock has jumped: times by the old one say nothing about the new one's."""
        with self._lock:
            self._times.clear()
            for statistics in self._cameras.values():
                statistics.age_ns = 0

    def flow(self, camera: str) -> Flow:
        now_ns = time.monotonic_ns()
        with self._lock:
            statistics = self._cameras[camera]
            recently = {what: statistics.recently(what, now_ns) for what in statistics.recent}
            return Flow(recently, statistics.newest_ns, statistics.age_ns)

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """{step: {"p50", "p95", "p99"}}, empty without frames."""
        with self._lock:
            times = list(self._times)
        latency = {}
        for step in fields(FrameTimes) if times else ():
            values = np.percentile([getattr(t, step.name) for t in times], PERCENTILES)
            names = (f"p{percentile}" for percentile in PERCENTILES)
            latency[step.name] = dict(zip(names, (values / 1e6).round(3).tolist(), strict=True))
        return latency

    def report(self) -> dict[str, object]:
        """{"cameras": {name: counts}, "rates_hz": {name: {"in", "out"}}, "latency_ms": see `latency_ms`}."""
        flows = {camera: self.flow(camera) for camera in self._cameras}
        with self._lock:
            counts = {camera: asdict(statistics.counts) for camera, statistics in self._cameras.items()}
        return {
            "cameras": counts,
            "rates_hz": {
                camera: {"in": flow.per_second("received"), "out": flow.per_second("published")}
                for camera, flow in flows.items()
            },
            "latency_ms": self.latency_ms(),
        }
