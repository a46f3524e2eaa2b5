"""What a node counts and how long things took it. No ROS."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields

import numpy as np

WINDOW = 1000
PERCENTILES = (50, 95, 99)


@dataclass
class FrameCounts:
    """What became of one camera's frames; each ends as exactly one of those below `received`."""

    received: int = 0
    published: int = 0
    dropped: int = 0
    """A newer frame came before this one's turn."""
    malformed: int = 0
    """The message held no image that could be made sense of."""
    unwanted: int = 0
    """Nobody subscribed to any map."""
    failed: int = 0
    """Inference or publishing went wrong."""


@dataclass(frozen=True)
class FrameTimes:
    """How long one frame took, in nanoseconds; the steps before `total` add up to it."""

    transport: int
    """From the camera's stamp to arrival."""
    wait: int
    preprocess: int
    """Decoding, and resizing to the model's size; for all frames of the batch."""
    engine: int
    publish: int
    """Resizing and publishing the maps; for this frame and those before it in the batch."""
    total: int
    """From the camera's stamp to the last map published."""


@dataclass
class NodeStatistics:
    """Counts by camera, and the times of the last WINDOW published frames; for use from several threads."""

    counts: dict[str, FrameCounts]
    _times: deque[FrameTimes] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, cameras: Iterable[str]) -> NodeStatistics:
        return cls({camera: FrameCounts() for camera in cameras})

    def count(self, camera: str, what: str) -> None:
        """Add one to the field `what` of the camera's FrameCounts."""
        counts = self.counts[camera]
        with self._lock:
            setattr(counts, what, getattr(counts, what) + 1)

    def add_times(self, times: FrameTimes) -> None:
        with self._lock:
            self._times.append(times)

    def report(self) -> dict[str, object]:
        """{"cameras": {name: counts}, "latency_ms": {step: {"p50", "p95", "p99"}}}, empty without frames."""
        with self._lock:
            counts = {camera: asdict(counts) for camera, counts in self.counts.items()}
            times = list(self._times)
        latency = {}
        for step in fields(FrameTimes) if times else ():
            values = np.percentile([getattr(t, step.name) for t in times], PERCENTILES)
            names = (f"p{percentile}" for percentile in PERCENTILES)
            latency[step.name] = dict(zip(names, (values / 1e6).round(3).tolist(), strict=True))
        return {"cameras": counts, "latency_ms": latency}
