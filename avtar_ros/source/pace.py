"""When to show recorded frames: by their stamps, as long as these go on as time does. No ROS.

A robot's clock may be set while it records, and some drivers stamp all images alike. Then the times of recording say
how long to wait. No wait is longer than a stated maximum.
"""

from __future__ import annotations

from dataclasses import dataclass, field

JUMP_NS = 1_000_000_000
"""By how much more a stamp may go on than the time of recording before it is taken for a clock that was set."""


@dataclass
class Pace:
    """Makes due times, in ns after the first frame, of (stamp, time of recording) pairs, in the order recorded.

    `max_gap_ns` is the longest wait between two frames, 0 for any. `notes` say what was not waited for.
    """

    max_gap_ns: int = 0
    notes: list[str] = field(default_factory=list)
    _last: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """Of each camera, the last frame's stamp, time of recording, and when it was due."""
    _newest: int = 0

    def due(self, stamp_ns: int, log_ns: int, camera: int = 0) -> int:
        """When the next frame is due."""
        if not self._last:
            self._last[camera] = stamp_ns, log_ns, 0
            return 0
        before = self._last.get(camera) or max(self._last.values(), key=lambda last: last[1])
        due = before[2] + self._step(stamp_ns - before[0], log_ns - before[1], first=camera not in self._last)
        due = self._shortened(due)
        self._last[camera] = stamp_ns, log_ns, due
        self._newest = max(self._newest, due)
        return due

    def _step(self, stamped_ns: int, recorded_ns: int, first: bool) -> int:
        """How long after another frame one is due, which is stamped and recorded so much later."""
        if first and abs(stamped_ns - recorded_ns) <= JUMP_NS:  # cameras may be a little out of order
            return stamped_ns
        if 0 < stamped_ns <= recorded_ns + JUMP_NS:
            return stamped_ns
        if abs(stamped_ns - recorded_ns) > JUMP_NS:
            self.notes.append(
                f"stamps jump by {stamped_ns / 1e9:.3f} s where {recorded_ns / 1e9:.3f} s passed while recording: the "
                "clock was set. The frame is shown after the latter."
            )
        return max(recorded_ns, 0)

    def _shortened(self, due: int) -> int:
        """`due`, earlier by what no wait is made for."""
        if self.max_gap_ns and due - self._newest > self.max_gap_ns:
            gap_ns = due - self._newest
            self.notes.append(
                f"a gap of {gap_ns / 1e9:.1f} s in the recording is shortened to {self.max_gap_ns / 1e9:g} s."
            )
            return self._newest + self.max_gap_ns
        return due
