"""Which true map belongs to which image: decided from the stamps of all of them, before the first is decoded.

Streams are matched by stamp however much later one is recorded than the other. Where a clock was set while it recorded,
the same stamps may come twice: of those, the ones recorded in the same distance as usual belong together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAME_TIME_NS = 1_000_000_000
"""How much the delay of recording may vary within a stream. More is a clock that was set."""
NONE = -1

Nanoseconds = NDArray[np.int64]


@dataclass(frozen=True)
class Times:
    """When each message of a topic was recorded, and its stamp, (n,) each, in the order recorded.

    A topic all of whose stamps are the same has none that say anything: then `constant`, and stamps are log times.
    """

    log_ns: Nanoseconds
    stamp_ns: Nanoseconds
    constant: bool = False

    @property
    def delay_ns(self) -> int:
        """How long after its stamp a message is recorded, most often."""
        return int(np.median(self.log_ns - self.stamp_ns)) if self.log_ns.size else 0

    @property
    def interval_ns(self) -> int:
        """How long after another a message is stamped, most often; 0 where there are not two."""
        steps = np.diff(self.stamp_ns)
        steps = steps[steps > 0]
        return int(np.median(steps)) if steps.size else 0


    def between(self, start_ns: int | None, stop_ns: int | None) -> Times:
        """Those recorded from `start_ns` on and before `stop_ns`, where given."""
        inside = np.ones(self.log_ns.size, bool)
        inside &= True if start_ns is None else self.log_ns >= start_ns
        inside &= True if stop_ns is None else self.log_ns < stop_ns
        return Times(self.log_ns[inside], self.stamp_ns[inside], self.constant)


def times_of(stamped: Sequence[tuple[int, int]]) -> Times:
    """From (log time, stamp) pairs."""
    pairs = np.array(stamped, np.int64).reshape(-1, 2)
    log_ns, stamps = pairs[:, 0], pairs[:, 1]
    constant = len(stamps) > 2 and bool((stamps == stamps[0]).all()) and bool((log_ns != log_ns[0]).any())
    return Times(log_ns, log_ns if constant else stamps, constant)


class Matcher:
    """Finds, for the messages of one topic, the nearest of another by stamp, at most `tolerance_ns` apart.

    Where several messages of one topic have the very same stamp, the first belongs to the other topic's first of that
    stamp, and so on; those for which there is none left have none.
    """

    def __init__(self, frames: Times, truth: Times, tolerance_ns: int) -> None:
        self._frames, self.truth, self._tolerance_ns = frames, truth, tolerance_ns
        self._order = np.argsort(truth.stamp_ns, kind="stable")
        self._sorted = truth.stamp_ns[self._order]
        self._lag_ns = truth.delay_ns - frames.delay_ns
        self._rank = _ranks(frames.stamp_ns)

    def nearest(self, frame: int) -> int:
        """The number of the message for a frame, NONE where there is none."""
        stamp = int(self._frames.stamp_ns[frame])
        found = min(self._near(frame), key=lambda n: self._distance(frame, n), default=NONE)
        if found == NONE or self.truth.stamp_ns[found] != stamp:
            return found
        same = [n for n in self._near(frame) if self.truth.stamp_ns[n] == stamp and self._is_now(frame, n)]
        if len(same) < 2 and self._rank[frame] == 0:
            return found
        at_now = self._frames_of_stamp(frame)
        rank = at_now.index(frame)
        same = same or [found]
        return same[rank] if rank < len(same) else NONE

    def around(self, frame: int) -> tuple[int, int]:
        """The numbers of the messages at or before and at or after a frame; NONE where one is too far off."""
        stamp = int(self._frames.stamp_ns[frame])
        near = [n for n in self._near(frame) if self._is_now(frame, n)] or self._near(frame)
        before = [n for n in near if self.truth.stamp_ns[n] <= stamp]
        after = [n for n in near if self.truth.stamp_ns[n] >= stamp]
        return (
            max(before, key=lambda n: int(self.truth.stamp_ns[n]), default=NONE),
            min(after, key=lambda n: int(self.truth.stamp_ns[n]), default=NONE),
        )

    def _near(self, frame: int) -> list[int]:
        """The messages within the tolerance of a frame, by their numbers."""
        stamp = int(self._frames.stamp_ns[frame])
        first = np.searchsorted(self._sorted, stamp - self._tolerance_ns, "left")
        last = np.searchsorted(self._sorted, stamp + self._tolerance_ns, "right")
        return sorted(self._order[first:last].tolist())

    def _distance(self, frame: int, number: int) -> tuple[bool, int]:
        apart = abs(int(self.truth.stamp_ns[number]) - int(self._frames.stamp_ns[frame]))
        return not self._is_now(frame, number), apart

    def _is_now(self, frame: int, number: int) -> bool:
        """Whether a message was recorded as much later than the frame as it is usual."""
        later = int(self.truth.log_ns[number]) - int(self._frames.log_ns[frame])
        return abs(later - self._lag_ns) <= SAME_TIME_NS

    def _frames_of_stamp(self, frame: int) -> list[int]:
        """The frames that have the same stamp as this one and were recorded about then."""
        stamp = self._frames.stamp_ns[frame]
        log_ns = int(self._frames.log_ns[frame])
        same = np.flatnonzero(self._frames.stamp_ns == stamp).tolist()
        return [n for n in same if abs(int(self._frames.log_ns[n]) - log_ns) <= SAME_TIME_NS]


def _ranks(stamps: Nanoseconds) -> Nanoseconds:
    """Of each stamp, how many of the same came before, (n,)."""
    order = np.argsort(stamps, kind="stable")
    ordered = stamps[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if stamps.size else np.zeros(0, bool)
    position = np.arange(stamps.size)
    ranks = np.empty(stamps.size, np.int64)
    ranks[order] = position - np.maximum.accumulate(np.where(first, position, 0)) if stamps.size else position
    return ranks
