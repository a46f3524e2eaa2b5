"""How fast a model runs here, in trtexec's terms."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from avtar_ros.engines.batch_slot import StageTimes
from avtar_ros.engines.engine import Engine
from avtar_ros.engines.tensorrt import TensorRTEngine
from avtar_ros.terminal.progress import Progress
from engine_build.sample_images import Images, made_up_images

DIFFERENT_IMAGES = 8
ROUNDS = 21


@dataclass(frozen=True)
class Spread:
    """Milliseconds of many queries."""

    min: float
    max: float
    mean: float
    median: float
    p90: float
    p95: float
    p99: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Spread:
        values = np.asarray(milliseconds)
        p90, p95, p99 = np.percentile(values, (90, 95, 99))
        return cls(*map(float, (values.min(), values.max(), values.mean(), np.median(values), p90, p95, p99)))


@dataclass(frozen=True)
class Measured:
    """One model at one batch size. A query is one batch.

    `throughput` is queries a second with the next query prepared while one runs. `spreads` has "Host latency", from the
    call to the maps, and for engines what the GPU measured: "Latency" = "H2D" + "GPU compute" + "D2H", and "Enqueue".
    """

    batch: int
    queries: int
    throughput: float
    spreads: dict[str, Spread]

    @property
    def images_per_second(self) -> float:
        return self.throughput * self.batch


def bench(engine: Engine, batch: int, seconds: float, warmup: float) -> Measured:
    """Measure for about `seconds`, half on single queries and half on a stream of them, after a warm-up."""
    batches = batches_for(engine, batch)
    next(iter(engine.infer_stream(batches)))  # refuses a batch that is too large before any time is spent
    _for_about(warmup, lambda: engine.infer(next(batches)), "warming up")
    host: list[float] = []
    stages: list[StageTimes] = []

    def query() -> None:
        images = next(batches)
        begun = time.perf_counter()
        engine.infer(images)
        host.append(1e3 * (time.perf_counter() - begun))
        if isinstance(engine, TensorRTEngine):
            stages.append(engine.times)

    _for_about(seconds / 2, query, "one by one")
    stream = engine.infer_stream(batches)
    begun = time.perf_counter()
    streamed = _for_about(seconds / 2, lambda: next(stream), "as a stream")
    throughput = streamed / (time.perf_counter() - begun)
    spreads = {"Host latency": Spread.of(host)}
    if stages:
        spreads |= {
            "Latency": Spread.of([times.latency for times in stages]),
            "H2D": Spread.of([times.h2d for times in stages]),
            "GPU compute": Spread.of([times.compute for times in stages]),
            "D2H": Spread.of([times.d2h for times in stages]),
            "Enqueue": Spread.of([times.enqueue for times in stages]),
        }
    return Measured(batch, len(host) + streamed, throughput, spreads)


@dataclass(frozen=True)
class Ratio:
    """How many times as long one model takes as another: the median of many rounds, and the middle half of them."""

    median: float
    low: float
    high: float
    rounds: int


def compare(engine: Engine, other: Engine, batch: int, seconds: float, warmup: float) -> Ratio:
    """Time of `engine` over time of `other`, in short rounds in turn, so that what drifts drifts for both."""
    timed = [_Round(engine, batch, seconds / ROUNDS / 2), _Round(other, batch, seconds / ROUNDS / 2)]
    for one in timed:
        _for_about(warmup / 2, one.query, "warming up")
    ratios = []
    for index in Progress(range(ROUNDS), desc="in turn", unit="round", leave=False, disable=None):
        order = timed if index % 2 else timed[::-1]
        for one in order:
            one.run()
        ratios.append(timed[0].median / timed[1].median)
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(middle, low, high, ROUNDS)


class _Round:
    """Queries to one engine for a short time, again and again."""

    def __init__(self, engine: Engine, batch: int, seconds: float) -> None:
        self._engine, self._seconds = engine, seconds
        self._batches = batches_for(engine, batch)
        self.median = 0.0

    def query(self) -> float:
        images = next(self._batches)
        begun = time.perf_counter()
        self._engine.infer(images)
        return time.perf_counter() - begun

    def run(self) -> None:
        taken: list[float] = []
        _for_about(self._seconds, lambda: taken.append(self.query()), None)
        self.median = statistics.median(taken)


def batches_for(engine: Engine, batch: int) -> Iterator[Images]:
    """Batches of different images, without end."""
    images = list(made_up_images(engine.card, DIFFERENT_IMAGES))
    chosen = itertools.cycle(images)
    made = [np.concatenate(list(itertools.islice(chosen, batch))) for _ in range(DIFFERENT_IMAGES)]
    return itertools.cycle(made)


def _for_about(seconds: float, do: Callable[[], object], doing: str | None) -> int:
    """Call `do` until `seconds` have passed, at least three times; gives how often. A bar says what is `doing`."""
    begun = time.perf_counter()
    count, passed = 0, 0.0
    bar = Progress(total=100, desc=doing, bar_format="{desc} {percentage:3.0f}% |{bar}|", leave=False,
               disable=True if doing is None else None)
    with bar:
        while count < 3 or passed < seconds:
            do()
            count += 1
            passed = time.perf_counter() - begun
            bar.n = min(100, int(100 * passed / seconds)) if seconds else 100
            bar.update(0)
    return count
