"""A progress bar for TensorRT's builder, which reports phases within phases, from any of its threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from avtar_ros.terminal.progress import Progress


@dataclass
class Phase:
    """A phase of the builder: `done` of `steps`, and the phases that run within its next step."""

    name: str
    steps: int
    done: int = 0
    within: list[Phase] = field(default_factory=list)

    def fraction(self) -> float:
        """How much of it is done, counting what is done of the phase within that runs now."""
        part = self.within[-1].fraction() if self.within else 0.0
        return min(1.0, (self.done + part) / self.steps)


class BuildProgress:
    """Draws one bar for the whole build. `cancel` asks the builder to stop at its next step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Phase] = {}
        self._root: Phase | None = None
        self._bar = Progress(
            total=100, desc="building", bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed} {postfix}"
        )
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def start(self, name: str, parent: str | None, steps: int) -> None:
        with self._lock:
            phase = self._running[name] = Phase(name, max(1, steps))
            if parent in self._running:
                self._running[parent].within.append(phase)
            else:
                self._root = phase
            self._bar.set_postfix_str(name, refresh=False)
            self._draw()

    def step(self, name: str, step: int) -> bool:
        """Whether to go on."""
        with self._lock:
            if phase := self._running.get(name):
                phase.done = step + 1
                phase.within.clear()
            self._draw()
        return not self.cancelled

    def finish(self, name: str) -> None:
        with self._lock:
            if phase := self._running.pop(name, None):
                phase.done = phase.steps
            self._draw()

    def _draw(self) -> None:
        if self._root is not None:
            self._bar.n = max(self._bar.n, round(100 * self._root.fraction()))
            self._bar.update(0)

    def close(self) -> None:
        self._bar.close()


def monitor(trt: Any, progress: BuildProgress) -> Any:
    """`progress` as TensorRT's IProgressMonitor; keep it for as long as the builder's configuration."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return progress.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            progress.finish(phase_name)

    return Monitor()
