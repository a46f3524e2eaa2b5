"""Sums of what meters have measured: over all frames, and over blocks of consecutive ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from avtar_ros.replay.judging.meters import Meter
from avtar_ros.tasks.metric import Sums

Measured = Mapping[str, Sums]
"""What meters, by name, have measured of one frame."""

MOST_BLOCKS = 2048


class Tally:
    """Sums by meter, and the figures that they give."""

    def __init__(self) -> None:
        self.sums: dict[str, Sums] = {}

    def add(self, measured: Measured) -> None:
        for name, sums in measured.items():
            if name in self.sums:
                self.sums[name] += sums
            else:
                self.sums[name] = sums.copy()

    def figures(self, meters: Iterable[Meter]) -> dict[str, float]:
        return {
            key: value
            for meter in meters
            if meter.name in self.sums
            for key, value in meter.figures(self.sums[meter.name]).items()
        }


class Blocks:
    """Brief sums of blocks of consecutive frames, all of one length but the last, at most 2 · MOST_BLOCKS.

    A block is one frame as long as there are few; when there are many, two become one, which bounds the memory.
    """

    def __init__(self) -> None:
        self.frames_each = 1
        self._blocks: list[Tally] = []
        self._in_last = 0

    def add(self, measured: Measured) -> None:
        """Add a frame's brief sums."""
        if not self._blocks or self._in_last == self.frames_each:
            if len(self._blocks) == 2 * MOST_BLOCKS:
                self._halve()
            self._blocks.append(Tally())
            self._in_last = 0
        self._blocks[-1].add(measured)
        self._in_last += 1

    def arrays(self) -> dict[str, Sums]:
        """By meter, (blocks, size), 0 where a block has nothing of it."""
        sizes = {name: sums.size for block in self._blocks for name, sums in block.sums.items()}
        return {name: _stacked([block.sums.get(name) for block in self._blocks], size) for name, size in sizes.items()}

    def _halve(self) -> None:
        for first, second in zip(self._blocks[::2], self._blocks[1::2], strict=True):
            first.add(second.sums)
        self._blocks = self._blocks[::2]
        self.frames_each *= 2


def _stacked(rows: Sequence[Sums | None], size: int) -> Sums:
    return np.stack([np.zeros(size) if row is None else row for row in rows])
