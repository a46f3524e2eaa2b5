"""One bar for phases within phases: it never goes back, and reaches its end."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_build.progress import BuildProgress

# A phase: after each of its steps, the phases that ran within that step.
PHASES = st.recursive(
    st.lists(st.just([]), max_size=3), lambda inner: st.lists(st.lists(inner, max_size=2), max_size=3), max_leaves=12
)


class Watched(BuildProgress):
    """Notes every percentage that the bar would show."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[int] = []

    def _draw(self) -> None:
        super()._draw()
        self.shown.append(int(self._bar.n))


def run(progress: BuildProgress, steps: list[Any], name: str = "0", parent: str | None = None) -> None:
    progress.start(name, parent, len(steps))
    for i, within in enumerate(steps):
        for j, phase in enumerate(within):
            run(progress, phase, f"{name}.{i}.{j}", name)
        assert progress.step(name, i)
    progress.finish(name)


@given(PHASES)
def test_the_bar_goes_forward_to_its_end(steps: list[Any]) -> None:
    with closing(Watched()) as progress:
        run(progress, steps)
    assert progress.shown == sorted(progress.shown)
    assert progress.shown[-1] == 100


def test_half_of_a_step_counts_half_of_it() -> None:
    with closing(Watched()) as progress:
        progress.start("build", None, 4)
        progress.step("build", 0)
        progress.start("kernels", "build", 2)
        progress.step("kernels", 0)
    assert progress.shown[-1] == pytest.approx(100 * (1 + 0.5) / 4, abs=1)


def test_who_cancels_is_obeyed_at_the_next_step() -> None:
    with closing(BuildProgress()) as progress:
        progress.start("build", None, 2)
        assert progress.step("build", 0)
        progress.cancel()
        assert not progress.step("build", 1)


def test_a_phase_that_was_never_started_does_no_harm() -> None:
    with closing(BuildProgress()) as progress:
        assert progress.step("unknown", 3)
        progress.finish("unknown")
