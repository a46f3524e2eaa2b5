"""At most so many frames per second. No ROS."""

from __future__ import annotations

TOLERANCE = 0.25
"""How early a frame may come, in parts of the period: cameras are never quite regular, and one that is a little
faster than its share would otherwise often lose two frames for one."""


class RateLimit:
    """Lets through frames that come at the rate allowed, and as many of a faster stream; the generic cell rate
    algorithm (ITU-T I.371): over any time, no more than the rate and one frame."""

    def __init__(self) -> None:
        self._due_ns = 0

    def allows(self, now_ns: int, per_second: float) -> bool:
        """Whether a frame that comes at `now_ns` is let through; `per_second` 0 lets all through."""
        if not per_second:
            return True
        period_ns = round(1e9 / per_second)
        if now_ns < self._due_ns - TOLERANCE * period_ns:
            return False
        self._due_ns = max(self._due_ns, now_ns) + period_ns
        return True
