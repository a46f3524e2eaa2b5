"""A run that ends before its time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from training.data.batch import Batch
from training.fit import PhaseRun


@contextmanager
def interrupted_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is trained in the `with` is interrupted after so many steps, of which nothing is saved."""
    train_step, left = PhaseRun.train_step, iter(range(steps))

    def until_interrupted(run: PhaseRun, batch: Batch, target: Batch | None) -> dict[str, float]:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return train_step(run, batch, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PhaseRun, "train_step", until_interrupted)
        yield
