"""Charts are well-formed SVG that shows the values given."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtar_ros.replay.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MAX_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    histogram,
    timeline,
)

finite = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


def points(svg: str) -> list[tuple[float, float]]:
    line = ElementTree.fromstring(svg).find("polyline")
    assert line is not None
    pairs = (pair.split(",") for pair in line.attrib["points"].split())
    return [(float(x), float(y)) for x, y in pairs]


@given(finite, finite)
def test_an_axis_covers_its_values_with_few_round_ticks(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    axis = Axis.over(low, high, 0, 100, ticks=6)
    assert axis.low <= low + 1e-6 * axis.step
    assert axis.high >= high - 1e-6 * axis.step
    assert 2 <= len(axis.ticks) <= 9
    assert axis(axis.low) == 0
    assert axis(axis.high) == pytest.approx(100)


def test_the_bars_of_a_histogram_are_as_high_as_the_counts() -> None:
    svg = ElementTree.fromstring(histogram([1.0] * 30 + [9.0] * 10, "latency", "frames", {"p50": 1.0}))
    bars = [bar for bar in svg.findall("rect") if bar.attrib["class"] == "bar"]
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert len(heights) == 2
    assert heights[0] == pytest.approx(3 * heights[1], rel=0.01)
    assert "p50" in [text.text for text in svg.findall("text")]


def test_a_timeline_goes_through_its_values() -> None:
    assert points(timeline([0, 1, 2], [0, 10, 5], "time", "latency")) == [
        (LEFT, HEIGHT - BOTTOM), ((LEFT + WIDTH - RIGHT) / 2, TOP), (WIDTH - RIGHT, (TOP + HEIGHT - BOTTOM) / 2),
    ]


def test_a_long_timeline_is_thinned_without_losing_its_peak() -> None:
    values = [1.0] * 10_000
    values[7_777] = 100.0
    found = points(timeline(range(10_000), values, "time", "latency"))
    assert len(found) == MAX_POINTS
    assert min(y for _, y in found) == TOP


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0], [0.0], [1e-9, 2e-9], [5e5, 5e5 + 1e-3]])
def test_values_without_spread_can_be_drawn(values: list[float]) -> None:
    for svg in (histogram(values, "x", "y", {}), timeline([0.0] * len(values), values, "x", "y")):
        assert "nan" not in svg
        ElementTree.fromstring(svg)


def test_texts_are_escaped() -> None:
    svg = histogram([1.0, 2.0], "<b>", "a & b", {"<p50>": 1.0})
    assert "<b>" not in svg
    ElementTree.fromstring(svg)
