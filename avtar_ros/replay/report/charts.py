"""Charts as SVG to stand inside an HTML page, which styles them: classes axis, grid, bar, line and dot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

WIDTH, HEIGHT = 560, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 20, 14, 40
MAX_POINTS = 500


@dataclass(frozen=True)
class Axis:
    """Maps values in [low, high] to pixels from `start` to `end`; its ends are round numbers."""

    low: float
    high: float
    start: float
    end: float
    step: float

    @classmethod
    def over(cls, low: float, high: float, start: float, end: float, ticks: int) -> Axis:
        """An axis that covers [low, high] with about `ticks` steps of 1, 2 or 5 times a power of ten."""
        if high - low < 1e-6 * max(1.0, abs(low)):
            high = low + max(1.0, 0.1 * abs(low))
        span = high - low
        power = 10 ** math.floor(math.log10(span / ticks))
        step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= ticks)
        return cls(math.floor(low / step) * step, math.ceil(high / step) * step, start, end, step)

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        return [self.low + i * self.step for i in range(round((self.high - self.low) / self.step) + 1)]


def histogram(values: Sequence[float], x_title: str, y_title: str, marks: dict[str, float]) -> Markup:
    """How often values occur, with named vertical marks."""
    x = Axis.over(min(values), max(values), LEFT, WIDTH - RIGHT, ticks=8)
    bins = np.linspace(x.low, x.high, 33)
    counts, _ = np.histogram(values, bins)
    y = Axis.over(0, int(counts.max()), HEIGHT - BOTTOM, TOP, ticks=4)
    bars = [
        f'<rect class="bar" x="{x(low) + 0.5:.1f}" width="{x(high) - x(low) - 1:.1f}" '
        f'y="{y(count):.1f}" height="{y(0) - y(count):.1f}"/>'
        for low, high, count in zip(bins, bins[1:], counts, strict=False)
        if count
    ]
    return _chart(x, y, x_title, y_title, [*bars, *_marks(x, marks)])


def timeline(
    at: Sequence[float],
    values: Sequence[float],
    x_title: str,
    y_title: str,
    worst: Sequence[tuple[float, float]] = (),
    lowest: bool = False,
) -> Markup:
    """Values over time, with the `worst` points marked.

    Long ones are thinned, keeping the highest value of each stretch, or the lowest, so that no peak is lost.
    """
    points = _peaks(np.column_stack([at, values]), lowest)
    x = Axis.over(float(points[:, 0].min()), float(points[:, 0].max()), LEFT, WIDTH - RIGHT, ticks=8)
    y = Axis.over(0, float(points[:, 1].max()), HEIGHT - BOTTOM, TOP, ticks=4)
    places = [f"{x(t):.1f},{y(v):.1f}" for t, v in points]
    dots = [f'<circle class="dot" cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="1.6"/>' for p in places]
    marks = [f'<circle class="worst" cx="{x(t):.1f}" cy="{y(v):.1f}" r="5"/>' for t, v in worst]
    line = f'<polyline class="line" points="{" ".join(places)}"/>'
    return _chart(x, y, x_title, y_title, [line, *dots, *marks])


def _peaks(points: NDArray[np.float64], lowest: bool) -> NDArray[np.float64]:
    if len(points) <= MAX_POINTS:
        return points
    height = -points[:, 1] if lowest else points[:, 1]
    stretches = np.array_split(np.arange(len(points)), MAX_POINTS)
    return points[[stretch[height[stretch].argmax()] for stretch in stretches]]


def _marks(x: Axis, marks: dict[str, float]) -> list[str]:
    return [_mark(x(value), TOP + 10 + 14 * i, name) for i, (name, value) in enumerate(marks.items())]


def _mark(at: float, text_y: float, name: str) -> str:
    """A vertical line with its name beside it, on the side where there is room."""
    shift, anchor = (4, "start") if at < WIDTH * 0.7 else (-4, "end")
    return (
        f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="mark" x="{at + shift:.1f}" y="{text_y}" text-anchor="{anchor}">{Markup.escape(name)}</text>'
    )


def _chart(x: Axis, y: Axis, x_title: str, y_title: str, content: list[str]) -> Markup:
    floor = HEIGHT - BOTTOM
    grid = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
        f'<text class="axis" x="{LEFT - 6}" y="{y(t) + 4:.1f}" text-anchor="end">{t:g}</text>'
        for t in y.ticks
    ]
    ticks = [
        f'<text class="axis" x="{x(t):.1f}" y="{floor + 16}" text-anchor="middle">{t:g}</text>' for t in x.ticks
    ]
    titles = [
        f'<text class="title" x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{Markup.escape(x_title)}</text>',
        f'<text class="title" x="4" y="{HEIGHT - 6}">{Markup.escape(y_title)}</text>',
    ]
    label = Markup.escape(f"{y_title} over {x_title}")
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
    return Markup("\n".join([head, *grid, *ticks, *content, *titles, "</svg>"]))  # all texts escaped above
