"""True depth between two depth images, for cameras that are not triggered together. Off unless asked for.

At the share s of the way from one image to the next, g = (1 − s) g₁ + s g₂ where both are known and show the same
surface, |g₁ − g₂| ≤ SAME_SURFACE · min(g₁, g₂); elsewhere it is unknown, for there something has moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAME_SURFACE = 0.1

Depth = NDArray[np.float32]


@dataclass(frozen=True)
class Between:
    """The messages before and after a stamp, and at which share of the way between them it lies."""

    before: Any
    after: Any
    share: float

    @property
    def nearest(self) -> Any:
        return self.before if self.share <= 0.5 else self.after


def interpolated(before: Depth, after: Depth, share: float) -> Depth | None:
    """Depth (H, W) at the share of the way from one to the other; None where their sizes differ."""
    if before.shape != after.shape:
        return None
    with np.errstate(invalid="ignore"):  # NaN is unknown, and stays so
        same = np.abs(before - after) <= SAME_SURFACE * np.minimum(before, after)
    between = before + np.float32(share) * (after - before)
    return np.where(same, between, np.float32(np.nan)).astype(np.float32)
